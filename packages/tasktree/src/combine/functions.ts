/** What the combinators take, and whether it is that. */
import { brief, isObject, suppress } from "../errors.ts";
import { isCount } from "../internal/count.ts";

/** A function to be run as a child. */
export type Job<T> = () => T | PromiseLike<T>;

/** Functions under names. */
export type JobRecord = Readonly<Record<string, Job<unknown>>>;

/** Functions in a row, or one by one as they come. */
export type Jobs<T> = Iterable<Job<T>> | AsyncIterable<Job<T>>;

/** @throws {TypeError} If `job` is not a function: a promise, say, which has already started. */
export function checkJob(what: string, key: unknown, job: unknown): asserts job is Job<unknown> {
  if (typeof job === "function") return;
  throw new TypeError(`Cannot run ${what}: item ${brief(key)} is ${brief(job)}, wanted a function`);
}

/** @throws {RangeError} If `limit` is not a whole number from 1, or Infinity. */
export function checkLimit(what: string, limit: unknown): asserts limit is number {
  if (isCount(limit, 1)) return;
  throw new RangeError(`Cannot run ${what} with limit ${brief(limit)}: wanted a whole number from 1, or Infinity`);
}

/** @throws {TypeError} If `onLoser` is given and not a function. */
export function checkOnLoser(what: string, onLoser: unknown): void {
  if (onLoser === undefined || typeof onLoser === "function") return;
  throw new TypeError(`Cannot run ${what} with onLoser ${brief(onLoser)}: wanted a function`);
}

/**
 * The functions of an iterable, all of them looked at before one is called.
 *
 * @throws {TypeError} If it is none, or one of them is not a function.
 */
export function listOf<T>(what: string, jobs: Iterable<Job<T>>, wanted = "an iterable of functions"): Job<T>[] {
  if (!isIterable(jobs)) throw new TypeError(`Cannot run ${what} of ${brief(jobs)}: wanted ${wanted}`);
  const list: Job<T>[] = [...jobs];
  list.forEach((job, at) => checkJob(what, at, job));
  return list;
}

/** Functions in a row, and what puts their results into the shape in which they came: of a record under its keys, else a row. */
export function listed<R>(
  what: string,
  jobs: Jobs<unknown> | JobRecord,
): { list: Jobs<unknown>; inShape: (results: R[]) => R[] | Record<string, R> } {
  if (isAsync(jobs)) return { list: jobs, inShape: inARow };
  if (!isRecord(jobs)) return { list: listOf(what, jobs, "an iterable or a record of functions"), inShape: inARow };
  const entries = entriesOf(what, jobs);
  return {
    list: entries.map(([, job]) => job),
    inShape: (results) => Object.fromEntries(entries.map(([key], at) => [key, results[at]!])),
  };
}

function inARow<R>(results: R[]): R[] {
  return results;
}

/** The functions of a record with their keys, all of them looked at. */
export function entriesOf(what: string, jobs: JobRecord): [string, Job<unknown>][] {
  const entries = Object.entries(jobs);
  for (const [key, job] of entries) checkJob(what, key, job);
  return entries;
}

/** A promise has entries too, none: it is no record. */
export function isRecord(jobs: unknown): jobs is JobRecord {
  return typeof jobs === "object" && jobs !== null && !isIterable(jobs) && !has(jobs, "then");
}

export function isIterable(items: unknown): items is Iterable<unknown> {
  return has(items, Symbol.iterator);
}

export function isAsync<T>(items: Iterable<T> | AsyncIterable<T> | JobRecord): items is AsyncIterable<T> {
  return has(items, Symbol.asyncIterator);
}

/** Whether `value` is an object with a method of that name. */
function has(value: unknown, method: PropertyKey): boolean {
  if (typeof value !== "object" || value === null) return false;
  return typeof (value as Record<PropertyKey, unknown>)[method] === "function";
}

/** The name of a function's task; one whose name cannot be read must still be able to end. */
export function nameOf(what: string, job: Job<unknown>, at: number): string {
  try {
    const { name }: { readonly name: unknown } = job;
    if (typeof name === "string" && name !== "") return name;
  } catch {
    // as if it had none
  }
  return `${what}[${at}]`;
}

/** Does what is left to do after `error`, which stays the error; what goes wrong then is listed on it. */
export async function both(error: unknown, cleanUp: () => unknown): Promise<void> {
  try {
    await cleanUp();
  } catch (another) {
    if (isObject(error)) suppress(error, another);
    else throw new AggregateError([error, another], `${brief(error)}, and ${brief(another)}`, { cause: another });
  }
}
