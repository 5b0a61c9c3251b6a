/**
 * Trying again. The pauses grow exponentially and are spread by chance, so that those who failed together don't come back together:
 * Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015, where the names "full" and "decorrelated" are from.
 *
 * Who retries must know three things that retry helpers tend to forget: a cancellation is no failure; a pause that ends
 * after the deadline is wasted; and what failed before the last attempt is evidence.
 */
import { brief, checkOptions, isCancelled, isObject, suppress } from "../errors.ts";
import { isCount } from "../internal/count.ts";
import { draw, nearestDeadline, now, quiet, wasCut } from "../lowlevel.ts";
import { failAfter, sleep } from "../timeouts.ts";

/**
 * How a pause is spread: over all from 0 to its bound ("full"); from `base` to three times the pause before ("decorrelated"); or
 * not at all.
 */
export type Jitter = "full" | "decorrelated" | "none";

/** A failed attempt that is about to be followed by another. */
export interface Retry {
  readonly error: unknown;
  /** Which attempt has failed, from 1. */
  readonly attempt: number;
  /** How long the pause will be, in milliseconds. */
  readonly delay: number;
}

export interface RetryOptions {
  /** How many attempts there are at most, with the first: a whole number from 1 (default 4), or Infinity. */
  readonly attempts?: number;
  /** The bound of the first pause, in milliseconds; default 100. */
  readonly base?: number;
  /** No pause is longer, in milliseconds, but what `delay` gives; default 30,000. */
  readonly max?: number;
  /** By how much the bound grows from pause to pause; default 2. */
  readonly factor?: number;
  /** Default "full". */
  readonly jitter?: Jitter;
  /** How long one attempt may take, in milliseconds; more fails it with a `TimeoutError`. Default Infinity. */
  readonly timeout?: number;
  /** Whether to try again after this; default: after everything but an `AbortError`, by which somebody has called the work off. */
  readonly when?: (error: unknown, attempt: number) => boolean | PromiseLike<boolean>;
  /** The pause after this in place of the `computed` one, say what a server asks for; undefined: the computed one. */
  readonly delay?: (error: unknown, attempt: number, computed: number) => number | undefined;
  /** Called before each pause, and awaited. */
  readonly onRetry?: (retry: Retry) => unknown;
  /** A number from 0 to 1, of which the pauses are made; default: by chance, or the schedule explorer's choice. */
  readonly random?: () => number;
}

/** Errors beyond this many are forgotten, the oldest first. */
const mostKept = 100;

/**
 * Calls `fn` until it succeeds, with growing pauses between; resolves with its value.
 *
 * Gives up when `attempts` are made, when `when` says so, and, at once, when the next pause would not end before the nearest
 * deadline around. Then it rejects with what the last attempt has thrown, on which the errors before it are listed
 * (`suppressedErrors`); a thrown primitive becomes an `AggregateError` with them. A cancellation is never tried again. What one of
 * the callbacks throws ends it too, with the attempt's error listed on that.
 *
 * Cancellation: Checkpoint in each pause; `fn` is called at once, and its first checkpoint throws.
 *
 * @param fn Gets the number of the attempt, from 1.
 * @throws What the last attempt throws.
 * @throws {TypeError|RangeError} If an option is not what it should be.
 * @example
 * ```ts
 * import { retry } from "tasktree/flow";
 * import assert from "node:assert";
 * const answer = await retry(
 *   async (attempt) => {
 *     if (attempt < 3) throw new Error("not yet");
 *     return attempt;
 *   },
 *   { attempts: 5, base: 1 },
 * );
 * assert.equal(answer, 3);
 * ```
 */
export function retry<T>(fn: (attempt: number) => T | PromiseLike<T>, options: RetryOptions = {}): Promise<T> {
  return quiet(() => attemptAll(fn, options));
}

async function attemptAll<T>(fn: (attempt: number) => T | PromiseLike<T>, options: RetryOptions): Promise<T> {
  checkRetry(fn, options);
  const { attempts = 4, timeout = Infinity } = options;
  const pauses = new Pauses(options);
  const cutBefore = wasCut();
  const earlier: unknown[] = [];
  for (let attempt = 1; ; attempt++) {
    try {
      return await (timeout === Infinity ? fn(attempt) : failAfter(timeout, () => fn(attempt)));
    } catch (error) {
      if (isCancelled(error) || (!cutBefore && wasCut())) throw error;
      if (attempt >= attempts) throw withEarlier(error, earlier);
      const delay = await next(error, attempt);
      if (delay === undefined) throw withEarlier(error, earlier);
      if (earlier.push(error) > mostKept) earlier.shift();
      await sleep(delay);
    }
  }

  /** The pause before the next attempt; undefined if there is to be none. */
  async function next(error: unknown, attempt: number): Promise<number | undefined> {
    try {
      if (!(await (options.when ?? isNoAbort)(error, attempt))) return undefined;
      const delay = pauses.after(error, attempt);
      if (now() + delay >= nearestDeadline()) return undefined;
      await options.onRetry?.({ error, attempt, delay });
      return delay;
    } catch (thrown) {
      throw withEarlier(thrown, [...earlier, error]);
    }
  }
}

/** How long to wait, attempt after attempt. */
class Pauses {
  readonly #options: RetryOptions;
  readonly #base: number;
  readonly #max: number;
  #last: number;

  constructor(options: RetryOptions) {
    this.#options = options;
    this.#max = options.max ?? 30_000;
    this.#base = Math.min(options.base ?? 100, this.#max);
    this.#last = this.#base;
  }

  after(error: unknown, attempt: number): number {
    const computed = this.#computed(attempt);
    const given = this.#options.delay?.(error, attempt, computed);
    if (given === undefined) return (this.#last = computed);
    checkTime("delay", given);
    return given;
  }

  #computed(attempt: number): number {
    const { factor = 2, jitter = "full" } = this.#options;
    if (jitter === "decorrelated")
      return Math.min(this.#max, this.#base + this.#chance() * Math.max(0, finite(3 * this.#last) - this.#base));
    const bound = Math.min(this.#max, finite(this.#base * finite(factor ** (attempt - 1))));
    return jitter === "none" ? bound : bound * this.#chance();
  }

  #chance(): number {
    const chance = (this.#options.random ?? byChance)();
    if (typeof chance === "number" && chance >= 0 && chance <= 1) return chance;
    throw new RangeError(`Cannot retry with ${brief(chance)} from random(): wanted a number from 0 to 1`);
  }
}

/** Infinity times 0 is no number. */
function finite(value: number): number {
  return Math.min(value, Number.MAX_VALUE);
}

/** In steps, so that an explorer of schedules has few to try. */
const steps = 64;

function byChance(): number {
  return draw(steps + 1) / steps;
}

function isNoAbort(error: unknown): boolean {
  return !(isObject(error) && (error as { name?: unknown }).name === "AbortError");
}

function withEarlier(error: unknown, earlier: readonly unknown[]): unknown {
  if (earlier.length === 0 || isCancelled(error)) return error;
  if (!isObject(error)) return new AggregateError([error, ...earlier], `${brief(error)}, after other failures`);
  for (const before of earlier) suppress(error, before);
  return error;
}

function checkRetry(fn: unknown, options: RetryOptions): void {
  if (typeof fn !== "function") throw new TypeError(`Cannot retry ${brief(fn)}: wanted a function`);
  checkOptions("retry", options);
  const { attempts, factor, jitter, base, max, timeout } = options;
  if (attempts !== undefined && !isCount(attempts, 1))
    throw new RangeError(`Cannot retry with attempts ${brief(attempts)}: wanted a whole number from 1, or Infinity`);
  for (const [name, value] of Object.entries({ base, max, timeout })) if (value !== undefined) checkTime(name, value);
  if (factor !== undefined && !(factor >= 1 && factor < Infinity))
    throw new RangeError(`Cannot retry with factor ${brief(factor)}: wanted a number from 1`);
  if (jitter !== undefined && !["full", "decorrelated", "none"].includes(jitter))
    throw new RangeError(`Cannot retry with jitter ${brief(jitter)}: wanted "full", "decorrelated" or "none"`);
  for (const name of ["when", "delay", "onRetry", "random"] as const) {
    const given: unknown = options[name];
    if (given !== undefined && typeof given !== "function")
      throw new TypeError(`Cannot retry with ${name} ${brief(given)}: wanted a function`);
  }
}

function checkTime(name: string, value: unknown): void {
  if (typeof value === "number" && value >= 0) return;
  throw new RangeError(`Cannot retry with ${name} ${brief(value)}: wanted milliseconds from 0`);
}
