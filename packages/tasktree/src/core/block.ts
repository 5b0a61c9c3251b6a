/** Running a block in a scope of its own, and leaving the scope (rule C5). */
import { types } from "node:util";
import { brief, isCancelled, isObject, suppress, WorkCancelledError } from "../errors.ts";
import { passed, refused } from "./checkpoint.ts";
import { failuresIn, isCancellation } from "./classify.ts";
import { currentFrame, enter, here, hereIn, type Locals } from "./current.ts";
import { ScopeNode, type Scope } from "./scope.ts";

/** What runs in a scope, and is given it, or what may be seen of it. */
export type Block<S, T> = (scope: S) => T | PromiseLike<T>;

/** A scope that a block runs in. */
export class BlockNode extends ScopeNode {
  /**
   * Runs `fn(scope)` inside, closes what was opened there and left, and leaves the scope: gives or throws what that does.
   *
   * Without an async function, and without closures: what is registered inside a scope is called inside, and finds it there.
   */
  run<T>(fn: Block<Scope, T>): Promise<T> {
    const promise = enter(this.frame, callBlock<T>, fn, this);
    this.handle = promise;
    return promise;
  }

  /** The block has ended, and what was opened inside: ends the scope, and gives its value or throws. */
  leave(ok: boolean, value: unknown): unknown {
    return leaveScope(this, ok, value);
  }
}

/**
 * A native promise for what was given; undefined if that is not to be awaited. One with a `then` of its own may call us in
 * any context, that of a subclass may make anything of our call, and of what only looks like a promise it throws: they are wrapped.
 */
export function promiseOf(given: unknown): Promise<unknown> | undefined {
  if (!isObject(given)) return undefined;
  const { then } = given as { then?: unknown };
  if (typeof then !== "function") return undefined;
  const native = given instanceof Promise && then === Promise.prototype.then && isPlain(given);
  return native ? given : new Promise((resolve) => resolve(given));
}

function isPlain(promise: Promise<unknown>): boolean {
  return promise.constructor === Promise.prototype.constructor && types.isPromise(promise);
}

/**
 * What `fn(arg)` gives or throws, as a native promise. As `Promise.try`, but a native promise is given as it is: one with handlers
 * keeps them, and no step is lost. Not a checkpoint. Rejects with a TypeError if `fn` is not a function.
 */
export function promiseTry<A, T>(fn: (arg: A) => T | PromiseLike<T>, arg: A): Promise<T> {
  try {
    if (typeof fn !== "function") throw new TypeError(`Cannot call ${brief(fn)}: wanted a function`);
    const given = fn(arg);
    return (promiseOf(given) as Promise<T> | undefined) ?? new Promise((resolve) => resolve(given));
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Blocks that never wait must not keep timers and I/O from their turn either (rule F2): undefined while they don't. */
export function pauseAfter(scope: ScopeNode): Promise<void> | undefined {
  return scope.root.clock.turnIsOver() ? passed(undefined, scope) : undefined;
}

function ignore(): void {}

interface Runs<S> {
  run<T>(fn: Block<S, T>): Promise<T>;
}

/** Opens a scope where the running code is, and runs `fn` in it; what goes wrong on opening rejects. */
export function inScope<S, T, O>(
  open: (parent: ScopeNode, locals: Locals | undefined, fn: Block<S, T>, options: O) => Runs<S>,
  fn: Block<S, T>,
  options: O,
): Promise<T> {
  const frame = currentFrame(); // looked up once: each look costs a part of what a scope does
  const parent = hereIn(frame);
  let scope: Runs<S>;
  try {
    scope = open(parent, frame?.locals, fn, options);
  } catch (error) {
    // Code that a cancelled scope has left behind must not spin: it is told as by a checkpoint.
    return (error === parent.force?.error ? refused(parent) : undefined) ?? Promise.reject(error);
  }
  return scope.run(fn);
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

function callBlock<T>(fn: Block<Scope, T>, scope: BlockNode): Promise<T> {
  return promiseTry(fn, scope).then(blockReturned, blockThrew) as Promise<T>;
}

function blockReturned(value: unknown): unknown {
  return blockEnded(currentFrame()!.node as BlockNode, true, value);
}

function blockThrew(error: unknown): unknown {
  return blockEnded(currentFrame()!.node as BlockNode, false, error);
}

function blockEnded(scope: BlockNode, ok: boolean, value: unknown): unknown {
  const pause = pauseAfter(scope);
  return pause === undefined ? closed(scope, ok, value) : pause.then(() => closed(scope, ok, value));
}

function closed(scope: BlockNode, ok: boolean, value: unknown): unknown {
  const left = scope.closeChildren();
  return left === undefined ? scope.leave(ok, value) : left.then(() => closed(scope, ok, value));
}

/** Ends `scope`: gives the block's value, undefined if the scope has absorbed its cancellation, or throws. */
export function leaveScope(scope: ScopeNode, ok: boolean, value: unknown): unknown {
  scope.end();
  let failures = scope.takeFailures();
  if (ok) {
    if (failures === undefined) return returned(scope, value);
  } else if (!isCancellation(value, scope)) {
    failures = [...(failures ?? []), ...failuresIn(value, scope)];
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
