import { brief } from "../errors.ts";

/** A function to be run as a child. */
export type Job<T> = () => T | PromiseLike<T>;

/** @throws {TypeError} If one of `jobs` is not a function: a promise, say, which has already started. */
export function checkJobs(what: string, jobs: readonly unknown[]): asserts jobs is Job<unknown>[] {
  const at = jobs.findIndex((job) => typeof job !== "function");
  if (at >= 0) throw new TypeError(`Cannot run ${what}: item ${at} is ${brief(jobs[at])}, wanted a function`);
}

/** @throws {RangeError} If `limit` is not a whole number from 1, or Infinity. */
export function checkLimit(what: string, limit: unknown): asserts limit is number {
  if (limit === Infinity || (Number.isInteger(limit) && (limit as number) >= 1)) return;
  throw new RangeError(`Cannot run ${what} with limit ${brief(limit)}: wanted a whole number from 1, or Infinity`);
}
