/** Time: pauses and deadlines, each made of the one before. */
import { checkDeadline, checkFunction, checkMilliseconds, nameOfFunction } from "./core/check.ts";
import { BlockNode, inScope, leaveScope, leavingWith } from "./core/block.ts";
import { checkLiving } from "./core/cancel-scope.ts";
import { passed, refused } from "./core/checkpoint.ts";
import { here, type Locals } from "./core/current.ts";
import type { Scope, ScopeNode } from "./core/scope.ts";
import { timeless, Wait } from "./core/wait-list.ts";
import { brief, isObject, suppress, TimeoutError, WorkCancelledError } from "./errors.ts";
import { isCancellation } from "./core/classify.ts";

/**
 * Waits until the scope is cancelled.
 *
 * Cancellation: Checkpoint, nothing lost.
 */
export function sleepForever(): Promise<never> {
  return sleepUntil(Infinity) as Promise<never>;
}

/**
 * Waits until `deadline` on the run's clock, never less; a time that has passed is a checkpoint.
 *
 * Cancellation: Checkpoint, nothing lost.
 *
 * @throws {RangeError} If `deadline` is NaN.
 */
export function sleepUntil(deadline: number): Promise<void> {
  const node = here();
  try {
    checkDeadline(deadline, node);
  } catch (error) {
    return Promise.reject(error);
  }
  return sleepIn(node, deadline, node.root.clock.now());
}

/**
 * Waits `ms` milliseconds, never less; 0 or less is a checkpoint, Infinity waits until cancelled.
 *
 * Cancellation: Checkpoint, nothing lost.
 *
 * @throws {RangeError} If `ms` is NaN.
 * @example
 * ```ts
 * import { sleep } from "tasktree";
 * await sleep(10);
 * ```
 */
export function sleep(ms: number): Promise<void> {
  const node = here();
  try {
    checkMilliseconds("sleep", ms, node);
  } catch (error) {
    return Promise.reject(error);
  }
  const now = node.root.clock.now();
  return sleepIn(node, now + ms, now);
}

function sleepIn(node: ScopeNode, deadline: number, now: number): Promise<void> {
  const refusal = refused(node);
  if (refusal !== undefined) return refusal;
  const { clock } = node.root;
  if (deadline <= now) return passed(undefined, node);
  const wait = new Wait(undefined, node, deadline === Infinity ? timeless : undefined);
  clock.sleep(wait, deadline);
  return wait.promise as Promise<void>;
}

/**
 * Runs `fn` until `deadline` on the run's clock; resolves with its value, or with undefined if the deadline came first.
 *
 * Cancellation: Not a checkpoint: `fn` is called, and its first checkpoint throws.
 *
 * @throws {RangeError} If `deadline` is NaN.
 */
export function moveOnAt<T>(deadline: number, fn: (scope: Scope) => T | PromiseLike<T>): Promise<T | undefined> {
  return inScope<Scope, T | undefined, Bounded>(openBounded, fn, { bound: moveOn, word: "at", time: deadline });
}

/**
 * Runs `fn` for at most `ms` milliseconds; resolves with its value, or with undefined if the time was over first. Settles
 * when `fn` does, which is told through a cancellation.
 *
 * Cancellation: Not a checkpoint: `fn` is called, and its first checkpoint throws.
 *
 * @param ms 0 or less: the first checkpoint throws; Infinity: no bound.
 * @throws {RangeError} If `ms` is NaN.
 * @example
 * ```ts
 * import { moveOnAfter, sleep } from "tasktree";
 * import assert from "node:assert";
 * assert.equal(await moveOnAfter(5, () => sleep(1000)), undefined);
 * ```
 */
export function moveOnAfter<T>(ms: number, fn: (scope: Scope) => T | PromiseLike<T>): Promise<T | undefined> {
  return inScope<Scope, T | undefined, Bounded>(openBounded, fn, { bound: moveOn, word: "after", time: ms });
}

/** As {@link failAfter}, with an absolute deadline on the run's clock. */
export function failAt<T>(deadline: number, fn: (scope: Scope) => T | PromiseLike<T>): Promise<T> {
  return inScope(openBounded, fn, { bound: fail, word: "at", time: deadline });
}

/**
 * Runs `fn` for at most `ms` milliseconds; resolves with its value. Settles when `fn` does, never by force.
 *
 * A failure of `fn` beats the timeout, which is then listed on it. Code that swallows the cancellation and returns a value
 * gives that value.
 *
 * Cancellation: Not a checkpoint: `fn` is called, and its first checkpoint throws.
 *
 * @param ms 0 or less: the first checkpoint throws; Infinity: no bound.
 * @throws {TimeoutError} If the time was over first.
 * @throws {WorkCancelledError} If the scope given to `fn` was cancelled by hand.
 * @throws {RangeError} If `ms` is NaN.
 * @example
 * ```ts
 * import { failAfter, sleep, TimeoutError } from "tasktree";
 * import assert from "node:assert";
 * await assert.rejects(failAfter(5, () => sleep(1000)), TimeoutError);
 * ```
 */
export function failAfter<T>(ms: number, fn: (scope: Scope) => T | PromiseLike<T>): Promise<T> {
  return inScope(openBounded, fn, { bound: fail, word: "after", time: ms });
}

/** A kind of bound: its calls, as errors name them, and whether it fails when the time is over. */
interface Bound {
  readonly at: string;
  readonly after: string;
  readonly fails: boolean;
}

const moveOn: Bound = { at: "move on at a time", after: "move on after a time", fails: false };
const fail: Bound = { at: "fail at a time", after: "fail after a time", fails: true };

interface Bounded {
  readonly bound: Bound;
  readonly word: "at" | "after";
  /** On the run's clock, or in milliseconds from now. */
  readonly time: number;
}

function openBounded(
  parent: ScopeNode,
  locals: Locals | undefined,
  fn: { readonly name: string },
  bounded: Bounded,
): DeadlineNode {
  const { bound, word, time } = bounded;
  if (word === "after") checkMilliseconds(bound.fails ? "failAfter" : "moveOnAfter", time, parent);
  checkFunction(bound[word], fn, parent);
  const now = parent.root.clock.now();
  const deadline = word === "after" ? now + time : time;
  checkDeadline(deadline, parent);
  checkLiving("open a scope", parent);
  const scope = new DeadlineNode(bounded, nameOfFunction(fn), parent, locals);
  if (deadline !== Infinity) scope.setDeadline(deadline, now);
  return scope;
}

/** A scope with a deadline, and what to make of its end. */
class DeadlineNode extends BlockNode {
  readonly #bounded: Bounded;

  constructor(bounded: Bounded, name: string, parent: ScopeNode, locals: Locals | undefined) {
    super("scope", parent, parent.root, locals, name === "" ? undefined : name);
    this.#bounded = bounded;
  }

  override leave(ok: boolean, value: unknown): unknown {
    return this.#bounded.bound.fails ? this.#leaveInTime(ok, value) : leaveScope(this, ok, value);
  }

  #leaveInTime(ok: boolean, given: unknown): unknown {
    let value: unknown;
    try {
      value = leaveScope(this, ok, given);
    } catch (error) {
      if (!this.deadlineReached || isCancellation(error, this)) throw error;
      const late = this.#timeout();
      if (!isObject(error))
        throw new AggregateError([error, late], `${brief(error)}, and ${late.message}`, { cause: error });
      suppress(error, late);
      throw error;
    }
    if (!this.caught) return value;
    if (this.deadlineReached) throw this.#timeout();
    throw leavingWith(
      this,
      new WorkCancelledError(`Scope '${this.path}' was cancelled before its deadline`, { cause: this.own!.error }),
    );
  }

  #timeout(): TimeoutError {
    const { word, time } = this.#bounded;
    const message = `Timed out ${word} ${time} ms: '${this.path}'`;
    return new TimeoutError(message, { deadline: this.deadline, cause: this.own!.error });
  }
}
