/** Lets each example of the docs fail at each place where it waits: the error comes out once, or the example catches it. */
import { join } from "node:path";
import { root } from "../source.ts";
import { isItsOwn } from "./cancel.ts";
import { counted, type Effort, type Finding } from "./finding.ts";
import { loadPrograms, type Program } from "./programs.ts";
import * as stage from "./stage.ts";
import { errorsIn, sweep, sweepAll, type Swept } from "./sweep.ts";

/** Examples in which an error goes by design, or in which what failed leaves a promise behind that nobody awaits then. */
const losing = [
  /\bany\(/, // passes over who fails when another succeeds, as the platform's
  /finally \{\s*throw/, // a `finally` that throws takes the place of the error
  /const sent = channel\.send/, // its rejection comes to the run then (rule R6)
];

export async function fail(effort: Effort): Promise<Finding> {
  const loaded = await loadPrograms(join(root, ".cache/prove/fail"));
  const programs = loaded.programs.filter(({ code }) => !losing.some((pattern) => pattern.test(code)));
  const { places, faults } = await sweepAll(programs, (program) => failEverywhere(program, effort));
  return {
    figure: `${counted(programs.length, "program")} failed at ${counted(places, "place")}, no error lost or doubled`,
    faults,
  };
}

export function failEverywhere(program: Program, effort: Effort): Promise<Swept> {
  return sweep(program, effort, { failures: 1 }, async (main) => {
    const came = await main().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    const injected = stage.injections();
    for (const error of injected) checkCame(error, came);
    const isExpected = came === undefined || injected.some((error) => errorsIn(came.error).includes(error));
    if (!isExpected && (injected.length === 0 || !isItsOwn(came.error))) throw came.error;
  });
}

/** @throws {Error} If `injected` is not in what came out of the program and was not caught in it, or is there twice. */
function checkCame(injected: unknown, came: { readonly error: unknown } | undefined): void {
  const times = came === undefined ? 0 : errorsIn(came.error).filter((error) => error === injected).length;
  if (times > 1) throw new Error(`An error came out ${times} times: ${String(injected)}`, { cause: came!.error });
  if (times === 0 && !stage.wasCaught(injected))
    throw new Error(`An error is lost: ${String(injected)}`, { cause: came?.error });
}
