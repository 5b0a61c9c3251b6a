/** Running a block in a scope of its own, and leaving the scope (rule C5). */
import { brief, isCancelled, isObject, suppress, WorkCancelledError } from "../errors.ts";
import { passed, refused } from "./checkpoint.ts";
import { failuresIn, isCancellation } from "./classify.ts";
import { currentFrame, enter, here, hereIn, type Locals } from "./current.ts";
import type { ScopeNode } from "./scope.ts";

export type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/** Calls `fn(scope)` inside `scope`. */
export function callInside<S extends ScopeNode, T>(scope: S, fn: (scope: S) => T): T {
  return enter(scope.frame, callBlock<S, T>, fn, scope);
}

/** Blocks that never wait must not keep timers and I/O from their turn either (rule F2): undefined while they don't. */
export function pauseAfter(scope: ScopeNode): Promise<void> | undefined {
  return scope.root.clock.turnIsOver() ? passed(undefined, scope) : undefined;
}

function ignore(): void {}

/** Opens a scope where the running code is, and runs something in it; what goes wrong on opening rejects. */
export function inScope<S extends ScopeNode, T>(
  open: (parent: ScopeNode, locals: Locals | undefined) => S,
  run: (scope: S) => Promise<T>,
): Promise<T> {
  const frame = currentFrame(); // looked up once: each look costs a part of what a scope does
  const parent = hereIn(frame);
  let scope: S;
  try {
    scope = open(parent, frame?.locals);
  } catch (error) {
    // Code that a cancelled scope has left behind must not spin: it is told as by a checkpoint.
    return (error === parent.force?.error ? refused(parent) : undefined) ?? Promise.reject(error);
  }
  const promise = run(scope);
  scope.handle = promise;
  return promise;
}

/**
 * Whether nobody need hear of a promise that was rejected with `error`: for a cancellation, or an error that something around has
 * already and brings on.
 */
export function isExpected(error: unknown): boolean {
  if (isCancelled(error)) return true;
  const node = here();
  return node.root.knows(error, node);
}

/** The promise that `run` makes, kept from being reported as unhandled for an error that {@link isExpected}. */
export function quiet<T>(run: () => Promise<T>): Promise<T> {
  const promise: Promise<T> = run().catch((error: unknown) => {
    if (isExpected(error)) void promise.catch(ignore); // oxlint-disable-line promise/no-nesting
    throw error;
  });
  return promise;
}

/** `promise.then(onValue, onError)`, kept from being reported as unhandled where `promise` rejects with what {@link isExpected}. */
export function quietThen<A, B>(
  promise: Promise<A>,
  onValue: (value: A) => B | PromiseLike<B>,
  onError: (error: unknown) => B | PromiseLike<B>,
): Promise<B> {
  const derived: Promise<B> = promise.then(onValue, (error: unknown) => {
    if (isExpected(error)) void derived.catch(ignore); // oxlint-disable-line promise/no-nesting
    return onError(error);
  });
  return derived;
}

/** Runs `fn(scope)`, closes what was opened inside and left, and leaves the scope: gives what `leave` does, or throws that. */
export async function runScope<T, R>(
  scope: ScopeNode,
  fn: (scope: ScopeNode) => T | PromiseLike<T>,
  leave: (scope: ScopeNode, result: Result<T>) => R,
): Promise<R> {
  let result: Result<T>;
  try {
    result = { ok: true, value: await callInside(scope, fn) };
  } catch (error) {
    result = { ok: false, error };
  }
  const pause = pauseAfter(scope);
  if (pause !== undefined) await pause;
  for (let left = scope.closeChildren(); left !== undefined; left = scope.closeChildren()) await left;
  return leave(scope, result);
}

function callBlock<S, T>(fn: (scope: S) => T, scope: S): T {
  return fn(scope);
}

/** Ends `scope`: gives the block's value, undefined if the scope has absorbed its cancellation, or throws. */
export function leaveScope<T>(scope: ScopeNode, result: Result<T>): T | undefined {
  scope.end();
  let failures = scope.takeFailures();
  if (result.ok) {
    if (failures === undefined) return returned(scope, result.value);
  } else if (!isCancellation(result.error, scope)) {
    failures = [...(failures ?? []), ...failuresIn(result.error, scope)];
  } else if (failures === undefined) {
    return leaveCancelled(scope);
  }
  throw leavingWith(scope, combined(failures, scope));
}

function returned<T>(scope: ScopeNode, value: T): T {
  if (scope.swallowed) {
    scope.root.instruments?.warning(`'${scope.path}' was told of its cancellation and returned a value`, scope);
  }
  return value;
}

function leaveCancelled(scope: ScopeNode): undefined {
  const { outermost, error } = scope.force!;
  if (outermost !== scope || scope.abandoned) throw leavingWith(scope, error);
  scope.caught = true;
  return undefined;
}

/** `error`, which leaves `scope` for the scope around: a cancellation tells that one. */
export function leavingWith(scope: ScopeNode, error: unknown): unknown {
  const { parent } = scope;
  if (parent !== undefined && isCancellation(error, parent)) {
    parent.tell();
    scope.handle?.catch(ignore);
  } else if (error instanceof WorkCancelledError && scope.own !== undefined && error.cause === scope.own.error) {
    // Its own cancellation is no news to whoever has left it alone.
    scope.handle?.catch(ignore);
  }
  return error;
}

/** The first of a scope's `failures`, the others suppressed on it; an AggregateError where the first can carry nothing. */
export function combined(failures: readonly unknown[], scope: ScopeNode): unknown {
  const [first, ...others] = failures;
  if (others.length === 0) return first;
  if (!isObject(first)) return new AggregateError(failures, `${failures.length} failures, the first: ${brief(first)}`);
  for (const other of others) {
    if (suppress(first, other)) scope.root.instruments?.failureSuppressed(other, first, scope);
  }
  return first;
}
