/** Lets the deadline of each example of the docs strike at each place it comes to: TimeoutError comes out, and all is left. */
import { join } from "node:path";
import { currentSignal, failAfter, sleepForever, TimeoutError, withTaskGroup, type Scope } from "tasktree";
import { root } from "../source.ts";
import { isItsOwn } from "./cancel.ts";
import { counted, type Effort, type Finding } from "./finding.ts";
import { loadPrograms, type Program } from "./programs.ts";
import { errorsIn, sweep, sweepAll, type Swept } from "./sweep.ts";

const striker = "striker";

export async function timeout(effort: Effort): Promise<Finding> {
  const { programs } = await loadPrograms(join(root, ".cache/prove/timeout"));
  const { places, faults } = await sweepAll(programs, (program) => timeOutEverywhere(program, effort));
  return {
    figure: `${counted(programs.length, "program")} timed out at ${counted(places, "place")}`,
    faults,
  };
}

export function timeOutEverywhere(program: Program, effort: Effort): Promise<Swept> {
  return sweep(program, effort, { cancellations: 1, cancels: ({ name }) => name === striker }, timedOut);
}

async function timedOut(main: () => Promise<void>): Promise<void> {
  let scope: Scope | undefined;
  let isOver = false;
  await withTaskGroup(async (group) => {
    group.spawn(() => strike(() => (isOver ? undefined : scope)), { name: striker, service: true });
    const came = await failAfter(Infinity, (inner) => ((scope = inner), main())).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    isOver = true;
    check(scope!, came);
  });
}

/** The explorer cancels this task, and the deadline is now. */
async function strike(scope: () => Scope | undefined): Promise<void> {
  currentSignal().addEventListener("abort", () => {
    const struck = scope();
    if (struck !== undefined) struck.deadline = 0;
  });
  await sleepForever();
}

/** @throws {Error} If what came out is not what a deadline gives. */
function check(scope: Scope, came: { readonly error: unknown } | undefined): void {
  if (came === undefined) return; // it had its value already, or gave one all the same
  const { error } = came;
  const timeouts = errorsIn(error).filter((part) => part instanceof TimeoutError && part.deadline === 0);
  if (!scope.deadlineReached) throw error;
  if (timeouts.length === 0)
    throw new Error("The deadline has struck, and no TimeoutError tells of it", { cause: error });
  if (timeouts.length > 1) throw new Error("The TimeoutError came out twice", { cause: error });
  const parts: unknown[] = error instanceof AggregateError ? error.errors : [error];
  if (!parts.every((part) => part instanceof TimeoutError || isItsOwn(part))) throw error;
}
