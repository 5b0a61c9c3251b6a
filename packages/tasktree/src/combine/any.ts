import { brief, checkOptions } from "../errors.ts";
import type { Outcome, TaskGroup } from "../lowlevel.ts";
import { attemptAll, outcomeOf } from "./children.ts";
import { Contest, type OnLoser } from "./contest.ts";
import { checkLimit, checkOnLoser, listOf, type Job } from "./functions.ts";

export interface AnyOptions<T> {
  /**
   * Gets the value of a function that was not the first and still returned one: close the connection, say. Called in the
   * context of this call, and awaited.
   */
  readonly onLoser?: OnLoser<T>;
  /** How many are tried at a time; default: all of them. */
  readonly limit?: number;
}

/**
 * Runs functions side by side; the first value wins. The others are cancelled, and have ended when the call settles. Ties
 * go in list order. With a limit the next one starts when one has failed.
 *
 * What fails before it knows of the decision is passed over; a failure in a loser's cleanup rejects the whole.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled, so are the functions, and all have ended before
 * it rejects; the value of one that had won goes to `onLoser`.
 *
 * @throws {AggregateError} If each of them failed, or there are none: all errors, in list order. That of one that was
 *   cancelled by itself is its {@link WorkCancelledError}.
 * @throws {TypeError} If one of them is not a function; none was called then.
 * @throws {RangeError} If `limit` is not a whole number from 1, or Infinity.
 * @example
 * ```ts
 * import { any } from "tasktree";
 * import assert from "node:assert";
 * const down = async () => {
 *   throw new Error("down");
 * };
 * assert.equal(await any([down, async () => "mirror"]), "mirror");
 * await assert.rejects(any([down, down]), AggregateError);
 * ```
 */
export function any<const T extends readonly Job<unknown>[]>(
  jobs: T,
  options?: AnyOptions<Awaited<ReturnType<T[number]>>>,
): Promise<Awaited<ReturnType<T[number]>>>;
export function any<T>(jobs: Iterable<Job<T>>, options?: AnyOptions<T>): Promise<T>;
export function any<T>(jobs: Iterable<Job<T>>, options: AnyOptions<T> = {}): Promise<T> {
  try {
    checkOptions("run any", options);
    const { onLoser, limit = Infinity } = options;
    checkOnLoser("any", onLoser);
    checkLimit("any", limit);
    return outcomeOf(new Any(listOf("any", jobs), limit, onLoser));
  } catch (error) {
    return Promise.reject(error);
  }
}

class Any<T> extends Contest<T> {
  readonly #jobs: readonly Job<T>[];
  readonly #limit: number;
  #outcomes: Outcome<unknown>[] = [];

  constructor(jobs: readonly Job<T>[], limit: number, onLoser: OnLoser<T> | undefined) {
    super(onLoser);
    this.#jobs = jobs;
    this.#limit = limit;
  }

  override startAll(group: TaskGroup): void {
    const entrant = (job: Job<T>) => () => this.enter(job);
    const tryAll = async (): Promise<void> => {
      this.#outcomes = await attemptAll("any", group, this.#jobs, this.#limit, entrant);
    };
    group.spawn(tryAll);
  }

  override none(): AggregateError {
    return noneGaveAValue(this.#outcomes);
  }
}

function noneGaveAValue(outcomes: readonly Outcome<unknown>[]): AggregateError {
  const errors = (outcomes as Exclude<Outcome<unknown>, { status: "ok" }>[]).map(({ error }) => error);
  if (errors.length === 0) return new AggregateError([], "Cannot run any of nothing: wanted at least one function");
  return new AggregateError(errors, `All ${errors.length} functions failed, the first with ${brief(errors[0])}`);
}
