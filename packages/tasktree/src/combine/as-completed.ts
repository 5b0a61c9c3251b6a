import { brief, checkOptions } from "../errors.ts";
import { checkJob, checkLimit, entriesOf, isAsync, isIterable, isRecord, nameOf } from "./functions.ts";
import type { Job, JobRecord, Jobs } from "./functions.ts";
import { Mapping } from "./map-concurrent.ts";
import { Results } from "./results.ts";

export interface AsCompletedOptions {
  /** How many are in work, or done and not yet taken, at a time; default: all of them. A source is read as there is room. */
  readonly limit?: number;
}

/** The pairs that {@link asCompleted} gives for a record. */
export type CompletedEntry<T extends JobRecord> = {
  [K in keyof T]: [key: K, value: Awaited<ReturnType<T[K]>>];
}[keyof T];

/**
 * Runs functions side by side and gives their values as they come, as an async iterable: of a record as pairs of key and
 * value. Ties go in list order.
 *
 * They start with the first step, and belong to the scope that called this. The first failure cancels the rest and comes
 * out of the loop when all have ended (for one that was cancelled by itself a {@link WorkCancelledError}); leaving the
 * loop early cancels and awaits them too.
 *
 * Cancellation: Each step is a checkpoint, effects possible: if it is cancelled, so are the functions.
 *
 * @throws {TypeError} If one of them is not a function: of an array or a record there and then, else when it comes.
 * @throws {RangeError} If `limit` is not a whole number from 1, or Infinity.
 * @example
 * ```ts
 * import { asCompleted, sleep } from "tasktree";
 * import assert from "node:assert";
 * const seen: string[] = [];
 * const jobs = { slow: async () => (await sleep(9), 1), quick: async () => 2 };
 * for await (const [key, value] of asCompleted(jobs)) seen.push(`${key} ${value}`);
 * assert.deepEqual(seen, ["quick 2", "slow 1"]);
 * ```
 */
export function asCompleted<const T extends readonly Job<unknown>[]>(
  jobs: T,
  options?: AsCompletedOptions,
): AsyncGenerator<Awaited<ReturnType<T[number]>>, void, undefined>;
export function asCompleted<T>(jobs: Jobs<T>, options?: AsCompletedOptions): AsyncGenerator<T, void, undefined>;
export function asCompleted<T extends JobRecord>(
  jobs: T,
  options?: AsCompletedOptions,
): AsyncGenerator<CompletedEntry<T>, void, undefined>;
export function asCompleted(
  jobs: Jobs<unknown> | JobRecord,
  options: AsCompletedOptions = {},
): AsyncGenerator<unknown, void, undefined> {
  checkOptions(`run ${what}`, options);
  const { limit = Infinity } = options;
  checkLimit(what, limit);
  if (isAsync(jobs) || isIterable(jobs)) {
    if (Array.isArray(jobs)) jobs.forEach((job, at) => checkJob(what, at, job));
    return new Results(new Mapping(what, jobs, called, limit, false, taskName));
  }
  if (!isRecord(jobs)) {
    throw new TypeError(`Cannot run ${what} of ${brief(jobs)}: wanted an iterable or a record of functions`);
  }
  const pair = async ([key, job]: [string, Job<unknown>]): Promise<unknown> => [key, await job()];
  return new Results(new Mapping(what, entriesOf(what, jobs), pair, limit, false, ([, job], at) => taskName(job, at)));
}

const what = "asCompleted";

/** Whoever asks for its name may never come: so it is looked at here too. */
function called<T>(job: Job<T>, at: number): T | PromiseLike<T> {
  checkJob(what, at, job);
  return job();
}

function taskName(job: Job<unknown>, at: number): string {
  checkJob(what, at, job);
  return nameOf(what, job, at);
}
