import { brief } from "../errors.ts";
import { quiet, refusedIntake, withTaskGroup } from "../lowlevel.ts";
import { checkJobs, checkLimit, type Job } from "./functions.ts";

export interface AllOptions {
  /** How many run at a time; default: all of them. */
  readonly limit?: number;
}

/**
 * Runs functions side by side and gives their values in the shape of what was given: an array, or a record.
 *
 * They run as a group: the first failure cancels the rest, and the call rejects with it when all have ended. `all([])`
 * gives `[]`.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled, so are the functions, and all have ended before
 * it rejects.
 *
 * @throws {TypeError} If one of them is not a function.
 * @throws {RangeError} If `limit` is not a whole number from 1, or Infinity.
 * @example
 * ```ts
 * import { all } from "tasktree";
 * import assert from "node:assert";
 * const [user, posts] = await all([async () => "ada", async () => 3]);
 * assert.deepEqual([user, posts], ["ada", 3]);
 * assert.deepEqual(await all({ user: () => "ada" }), { user: "ada" });
 * ```
 */
export function all<const T extends readonly Job<unknown>[]>(
  jobs: T,
  options?: AllOptions,
): Promise<{ -readonly [K in keyof T]: Awaited<ReturnType<T[K]>> }>;
export function all<T>(jobs: Iterable<Job<T>>, options?: AllOptions): Promise<T[]>;
export function all<T extends Readonly<Record<string, Job<unknown>>>>(
  jobs: T,
  options?: AllOptions,
): Promise<{ -readonly [K in keyof T]: Awaited<ReturnType<T[K]>> }>;
export function all(
  jobs: Iterable<Job<unknown>> | Readonly<Record<string, Job<unknown>>>,
  options: AllOptions = {},
): Promise<unknown> {
  return quiet(() => allOf(jobs, options));
}

async function allOf(
  jobs: Iterable<Job<unknown>> | Readonly<Record<string, Job<unknown>>>,
  options: AllOptions,
): Promise<unknown> {
  if (typeof jobs !== "object" || jobs === null)
    throw new TypeError(`Cannot run all of ${brief(jobs)}: wanted an array or a record of functions`);
  if (Symbol.iterator in jobs) return await values([...jobs], options);
  const entries = Object.entries(jobs);
  const results = await values(
    entries.map(([, job]) => job),
    options,
  );
  return Object.fromEntries(entries.map(([key], at) => [key, results[at]]));
}

async function values(jobs: readonly Job<unknown>[], { limit = Infinity }: AllOptions): Promise<unknown[]> {
  checkJobs("all", jobs);
  checkLimit("all", limit);
  return await withTaskGroup((group) => {
    if (limit >= jobs.length) {
      return Promise.all(jobs.map((job, at) => group.spawn(job, { name: job.name === "" ? `all[${at}]` : job.name })));
    }
    const results: unknown[] = Array.from({ length: jobs.length });
    let next = 0;
    const runSome = async (): Promise<void> => {
      while (next < jobs.length) {
        // What a cancelled group has not started it never starts, even if a function swallows the cancellation.
        const refusal = refusedIntake();
        if (refusal !== undefined) return await refusal;
        const at = next++;
        results[at] = await jobs[at]!();
      }
    };
    const workers = Array.from({ length: limit }, () => group.spawn(runSome));
    return Promise.all(workers).then(() => results);
  });
}
