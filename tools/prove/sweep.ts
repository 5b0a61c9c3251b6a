/** Running programs in their natural order with one thing done to them at each place where that is possible. */
import { suppressedErrors } from "tasktree";
import { explore, LeakError, ScheduleError, withLeakCheck, type ExploreOptions } from "tasktree/testing";
import type { Effort } from "./finding.ts";
import type { Program } from "./programs.ts";
import * as stage from "./stage.ts";

export interface Swept {
  /** At how many places something was done. */
  readonly places: number;
  readonly faults: readonly string[];
}

/** Does something to each of the programs, one after the other. */
export async function sweepAll(
  programs: readonly Program[],
  one: (program: Program) => Promise<Swept>,
): Promise<Swept> {
  const swept: Swept[] = [];
  for (const program of programs) swept.push(await one(program));
  return {
    places: swept.reduce((sum, { places }) => sum + places, 0),
    faults: swept.flatMap(({ faults }) => faults),
  };
}

/** A program that has more places fails, but in the short form, where the last ones are enough. */
const mostPlaces = { long: 100_000, short: 80 };

/**
 * Explores a program once as it goes by itself, and once for each place where `options` can do something to it.
 *
 * @param once What a schedule does: gets a function that runs the program and throws when it has left something over.
 */
export async function sweep(
  { name, main }: Program,
  { isShort }: Effort,
  options: ExploreOptions,
  once: (main: () => Promise<void>) => Promise<void>,
): Promise<Swept> {
  const most = isShort ? mostPlaces.short : mostPlaces.long;
  const natural = { name, strategy: "exhaustive", preemptions: 0, schedules: most, maxSteps: 100_000 } as const;
  try {
    const { schedules } = await explore(() => once(() => checked(main)), { ...natural, ...options });
    const isAll = isShort || schedules < most;
    return { places: schedules - 1, faults: isAll ? [] : [`${name} has more than ${most} places`] };
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    return { places: error.schedules - 1, faults: [error.message] };
  }
}

/** Runs `main`; what it throws comes as it is, unless something was left over. */
async function checked(main: () => Promise<void>): Promise<void> {
  stage.begin();
  try {
    await withLeakCheck(main);
  } catch (error) {
    const leak = suppressedErrors(error).find((suppressed) => suppressed instanceof LeakError);
    throw leak ?? error;
  } finally {
    checkBalance();
  }
}

function checkBalance(): void {
  const left = stage.unbalanced();
  if (left.length > 0) throw new BalanceError(`Entered and left differ at ${left.join(", ")}`);
}

/** Of a class of its own, so that nobody takes it for the program's. */
class BalanceError extends Error {
  override readonly name = "BalanceError";
}

/** All that can be reached from an error: what was suppressed, its parts and its causes; some more than once. */
export function errorsIn(error: unknown, seen: Set<unknown> = new Set()): unknown[] {
  if (seen.has(error)) return [error];
  seen.add(error);
  const parts = error instanceof AggregateError ? (error.errors as unknown[]) : [];
  const inner = [...suppressedErrors(error), ...parts].flatMap((part) => errorsIn(part, seen));
  const cause =
    error instanceof Error && error.cause !== undefined && !seen.has(error.cause) ? errorsIn(error.cause, seen) : [];
  return [error, ...inner, ...cause];
}
