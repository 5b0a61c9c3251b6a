import { checkOptions } from "../errors.ts";
import type { TaskGroup } from "../lowlevel.ts";
import { outcomeOf, type Combining } from "./children.ts";
import { Room } from "./feed.ts";
import { checkJob, checkLimit, listed, nameOf, type Job, type JobRecord, type Jobs } from "./functions.ts";
import { Slots, type Work } from "./slots.ts";

export interface AllOptions {
  /** How many run at a time; default: all of them. An async iterable is read as there is room. */
  readonly limit?: number;
}

/**
 * Runs functions side by side and gives their values in the shape of what was given: of a record under its keys, of an
 * array, or anything to iterate, as an array.
 *
 * They run as a group: the first failure cancels the rest, and the call rejects with it when all have ended. So does one
 * that was cancelled by itself, with its {@link WorkCancelledError}. `all([])` gives `[]`.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled, so are the functions, and all have ended before
 * it rejects.
 *
 * @throws {TypeError} If one of them is not a function; none was called then, unless they came from an async iterable.
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
export function all<T>(jobs: Jobs<T>, options?: AllOptions): Promise<T[]>;
export function all<T extends JobRecord>(
  jobs: T,
  options?: AllOptions,
): Promise<{ -readonly [K in keyof T]: Awaited<ReturnType<T[K]>> }>;
export function all(jobs: Jobs<unknown> | JobRecord, options: AllOptions = {}): Promise<unknown> {
  try {
    checkOptions("run all", options);
    const { limit = Infinity } = options;
    checkLimit("all", limit);
    const { list, inShape } = listed("all", jobs);
    return outcomeOf(new All(list, limit, inShape));
  } catch (error) {
    return Promise.reject(error);
  }
}

class All<S> implements Combining<S>, Work<Job<unknown>, unknown, number> {
  readonly what = "all";
  readonly limit: number;
  readonly room: Room;
  readonly #jobs: Jobs<unknown>;
  readonly #inShape: (values: unknown[]) => S;
  readonly #results: unknown[] = [];
  #running = 0;
  #slots: Slots<Job<unknown>, unknown, number> | undefined = undefined;

  constructor(jobs: Jobs<unknown>, limit: number, inShape: (values: unknown[]) => S) {
    this.#jobs = jobs;
    this.limit = limit;
    this.room = new Room("all", limit);
    this.#inShape = inShape;
  }

  nameOf(job: Job<unknown>, at: number): string {
    return nameOf("all", job, at);
  }

  enter(job: Job<unknown>, at: number): number {
    checkJob("all", at, job);
    this.#running++;
    return this.#results.push(undefined) - 1;
  }

  call(job: Job<unknown>): unknown {
    return job();
  }

  done(at: number, value: unknown): void {
    this.#results[at] = value;
    this.#running--;
    this.room.leave();
  }

  start(group: TaskGroup): Promise<void> | undefined {
    this.#slots = new Slots(group, this.#jobs, this);
    return this.#slots.start();
  }

  isWhole(): boolean {
    return this.#running === 0 && this.#slots!.exhausted;
  }

  give(): S {
    return this.#inShape(this.#results);
  }

  cleanUp(): void {
    this.#slots?.close();
  }
}
