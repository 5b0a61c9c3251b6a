/** Time: pauses and deadlines, each made of the one before. */
import { checkDeadline, checkFunction, checkMilliseconds } from "./core/check.ts";
import { inScope, leaveScope, leavingWith, runScope, type Result } from "./core/block.ts";
import { openScope } from "./core/cancel-scope.ts";
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
  return sleepIn(node, deadline);
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
  return sleepIn(node, node.root.clock.now() + ms);
}

function sleepIn(node: ScopeNode, deadline: number): Promise<void> {
  const refusal = refused(node);
  if (refusal !== undefined) return refusal;
  const { clock } = node.root;
  if (deadline <= clock.now()) return passed(undefined, node);
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
  return inScope(
    (parent, locals) => deadlineScope("move on at a time", deadline, parent.root.clock.now(), fn, parent, locals),
    (scope) => runScope(scope, fn, leaveScope),
  );
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
  return inScope(
    (parent, locals) => scopeFor("moveOnAfter", "move on after a time", ms, fn, parent, locals),
    (scope) => runScope(scope, fn, leaveScope),
  );
}

/** As {@link failAfter}, with an absolute deadline on the run's clock. */
export function failAt<T>(deadline: number, fn: (scope: Scope) => T | PromiseLike<T>): Promise<T> {
  return inScope(
    (parent, locals) => deadlineScope("fail at a time", deadline, parent.root.clock.now(), fn, parent, locals),
    (scope) => runScope(scope, fn, (_, result) => leaveInTime(scope, result, "at", deadline)),
  );
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
  return inScope(
    (parent, locals) => scopeFor("failAfter", "fail after a time", ms, fn, parent, locals),
    (scope) => runScope(scope, fn, (_, result) => leaveInTime(scope, result, "after", ms)),
  );
}

function scopeFor(
  name: string,
  what: string,
  ms: number,
  fn: { readonly name: string },
  parent: ScopeNode,
  locals: Locals | undefined,
): ScopeNode {
  checkMilliseconds(name, ms, parent);
  const now = parent.root.clock.now();
  return deadlineScope(what, now + ms, now, fn, parent, locals);
}

function deadlineScope(
  what: string,
  deadline: number,
  now: number,
  fn: { readonly name: string },
  parent: ScopeNode,
  locals: Locals | undefined,
): ScopeNode {
  checkFunction(what, fn, parent);
  checkDeadline(deadline, parent);
  const scope = openScope("scope", fn.name === "" ? nameless : { name: fn.name }, parent, locals);
  if (deadline !== Infinity) scope.setDeadline(deadline, now);
  return scope;
}

const nameless = {};

/** What `failAt` and `failAfter` make of the end of their scope. */
function leaveInTime<T>(scope: ScopeNode, result: Result<T>, word: "at" | "after", ms: number): T {
  let value: T | undefined;
  try {
    value = leaveScope(scope, result);
  } catch (error) {
    if (!scope.deadlineReached || isCancellation(error, scope)) throw error;
    const late = timeout(scope, word, ms);
    if (!isObject(error))
      throw new AggregateError([error, late], `${brief(error)}, and ${late.message}`, { cause: error });
    suppress(error, late);
    throw error;
  }
  if (!scope.caught) return value as T;
  if (scope.deadlineReached) throw timeout(scope, word, ms);
  throw leavingWith(
    scope,
    new WorkCancelledError(`Scope '${scope.path}' was cancelled before its deadline`, { cause: scope.own!.error }),
  );
}

function timeout(scope: ScopeNode, word: string, ms: number): TimeoutError {
  const message = `Timed out ${word} ${ms} ms: '${scope.path}'`;
  return new TimeoutError(message, { deadline: scope.deadline, cause: scope.own!.error });
}
