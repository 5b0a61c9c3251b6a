import { WorkCancelledError } from "../errors.ts";
import { bound, quiet, withTaskGroup } from "../lowlevel.ts";
import { checkJobs, type Job } from "./functions.ts";

export interface RaceOptions<T> {
  /**
   * Gets the value of a function that was not the first and still returned one: close the connection, say. Called in the
   * context of this call.
   */
  readonly onLoser?: (value: T) => void;
}

/**
 * Runs functions side by side; the first to return or throw decides. The others are cancelled, and have ended when the
 * call settles. Ties go in list order.
 *
 * A failure in a loser's cleanup rejects the whole.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled, so are the functions, and all have ended before
 * it rejects; the value of one that had won goes to `onLoser`.
 *
 * @throws {RangeError} If there are none.
 * @throws {TypeError} If one of them is not a function.
 * @example
 * ```ts
 * import { race, sleep } from "tasktree";
 * import assert from "node:assert";
 * const first = await race([() => sleep(1000), async () => "quick"]);
 * assert.equal(first, "quick");
 * ```
 */
export function race<const T extends readonly Job<unknown>[]>(
  jobs: T,
  options?: RaceOptions<Awaited<ReturnType<T[number]>>>,
): Promise<Awaited<ReturnType<T[number]>>>;
export function race<T>(jobs: Iterable<Job<T>>, options?: RaceOptions<T>): Promise<T>;
export function race<T>(jobs: Iterable<Job<T>>, options: RaceOptions<T> = {}): Promise<T> {
  return quiet(() => firstOf(jobs, options));
}

async function firstOf<T>(jobs: Iterable<Job<T>>, options: RaceOptions<T>): Promise<T> {
  const racers = [...jobs];
  checkJobs("a race", racers);
  if (racers.length === 0) throw new RangeError("Cannot run a race of nothing: wanted at least one function");
  const onLoser = options.onLoser === undefined ? undefined : bound(options.onLoser);
  let winner: { readonly value: T } | undefined;
  try {
    await withTaskGroup((group) => {
      racers.forEach((job, at) => {
        const racer = async (): Promise<void> => {
          const value = await job();
          if (winner !== undefined) return onLoser?.(value);
          winner = { value };
          group.cancel("the race is decided");
        };
        group.spawn(racer, { name: job.name === "" ? `race[${at}]` : job.name });
      });
    });
  } catch (error) {
    if (winner !== undefined) onLoser?.(winner.value);
    throw error;
  }
  if (winner === undefined) throw new WorkCancelledError("Every function of the race was cancelled");
  return winner.value;
}
