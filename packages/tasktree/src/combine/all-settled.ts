import { checkOptions } from "../errors.ts";
import type { Outcome, TaskGroup } from "../lowlevel.ts";
import { attemptAll, outcomeOf, type Combining } from "./children.ts";
import { checkLimit, listed, type Job, type JobRecord, type Jobs } from "./functions.ts";

export interface AllSettledOptions {
  /** How many run at a time; default: all of them. An async iterable is read as there is room. */
  readonly limit?: number;
}

/**
 * Runs functions side by side, waits for all of them, and tells how each has ended, in the shape of what was given: the
 * entries are those of `Promise.allSettled`.
 *
 * A failure leaves the others alone. One that was cancelled by itself is rejected, with its {@link WorkCancelledError}.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled, so are the functions, and all have ended before
 * it rejects; how some had ended before is dropped. Where one fails after that, in its cleanup, the call rejects with
 * its error.
 *
 * @throws {TypeError} If one of them is not a function; none was called then, unless they came from an async iterable.
 * @throws {RangeError} If `limit` is not a whole number from 1, or Infinity.
 * @example
 * ```ts
 * import { allSettled } from "tasktree";
 * import assert from "node:assert";
 * const down = async () => {
 *   throw "down";
 * };
 * const { user, posts } = await allSettled({ user: async () => "ada", posts: down });
 * assert.deepEqual(user, { status: "fulfilled", value: "ada" });
 * assert.deepEqual(posts, { status: "rejected", reason: "down" });
 * ```
 */
export function allSettled<const T extends readonly Job<unknown>[]>(
  jobs: T,
  options?: AllSettledOptions,
): Promise<{ -readonly [K in keyof T]: PromiseSettledResult<Awaited<ReturnType<T[K]>>> }>;
export function allSettled<T>(jobs: Jobs<T>, options?: AllSettledOptions): Promise<PromiseSettledResult<T>[]>;
export function allSettled<T extends JobRecord>(
  jobs: T,
  options?: AllSettledOptions,
): Promise<{ -readonly [K in keyof T]: PromiseSettledResult<Awaited<ReturnType<T[K]>>> }>;
export function allSettled(jobs: Jobs<unknown> | JobRecord, options: AllSettledOptions = {}): Promise<unknown> {
  try {
    checkOptions("run allSettled", options);
    const { limit = Infinity } = options;
    checkLimit("allSettled", limit);
    const { list, inShape } = listed<PromiseSettledResult<unknown>>("allSettled", jobs);
    return outcomeOf(new Settling(list, limit, inShape));
  } catch (error) {
    return Promise.reject(error);
  }
}

class Settling<S> implements Combining<S> {
  readonly #jobs: Jobs<unknown>;
  readonly #limit: number;
  readonly #inShape: (results: PromiseSettledResult<unknown>[]) => S;
  #outcomes: Outcome<unknown>[] = [];

  constructor(jobs: Jobs<unknown>, limit: number, inShape: (results: PromiseSettledResult<unknown>[]) => S) {
    this.#jobs = jobs;
    this.#limit = limit;
    this.#inShape = inShape;
  }

  async start(group: TaskGroup): Promise<void> {
    this.#outcomes = await attemptAll("allSettled", group, this.#jobs, this.#limit);
  }

  isWhole(): boolean {
    return !this.#outcomes.includes(undefined as never);
  }

  give(): S {
    return this.#inShape(this.#outcomes.map(settled));
  }

  cleanUp(): void {}
}

function settled<T>(outcome: Outcome<T>): PromiseSettledResult<T> {
  return outcome.status === "ok"
    ? { status: "fulfilled", value: outcome.value }
    : { status: "rejected", reason: outcome.error };
}
