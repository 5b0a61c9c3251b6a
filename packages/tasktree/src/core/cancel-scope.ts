import {
  checkDeadline,
  checkFunction,
  checkGrace,
  checkMilliseconds,
  checkName,
  checkOptions,
  within,
} from "./check.ts";
import { BlockNode, inScope } from "./block.ts";
import type { Locals } from "./current.ts";
import type { Scope, ScopeKind, ScopeNode, ScopeSettings } from "./scope.ts";
import { linkSignal } from "./signal-bridge.ts";
import { brief, InvalidStateError } from "../errors.ts";

export interface CancelScopeOptions {
  /** When it is cancelled by itself: absolute, in milliseconds on the run's clock. */
  readonly deadline?: number;
  /** A foreign signal that cancels it. */
  readonly signal?: AbortSignal;
  /** How long what runs inside may go on cleaning up after a cancellation, in milliseconds; 0: not at all. Inherited. */
  readonly grace?: number;
  /** For reports and errors. */
  readonly name?: string;
}

/**
 * Runs `fn` in a cancel boundary of its own.
 *
 * Resolves with `fn`'s value, which stands even if the scope was cancelled meanwhile; with undefined if the scope was
 * cancelled, and has absorbed that on leaving. A failure passes through.
 *
 * Cancellation: Not a checkpoint: `fn` is called, and its first checkpoint throws.
 *
 * @example
 * ```ts
 * import { sleepForever, withCancelScope } from "tasktree";
 * import assert from "node:assert";
 * const value = await withCancelScope(async (scope) => {
 *   setTimeout(() => scope.cancel("enough"), 10);
 *   await sleepForever();
 * });
 * assert.equal(value, undefined);
 * ```
 */
export function withCancelScope<T>(
  fn: (scope: Scope) => T | PromiseLike<T>,
  options: CancelScopeOptions = {},
): Promise<T | undefined> {
  return inScope<Scope, T | undefined, CancelScopeOptions>(openCancelScope, fn, options);
}

function openCancelScope(
  parent: ScopeNode,
  locals: Locals | undefined,
  fn: unknown,
  options: CancelScopeOptions,
): BlockNode {
  checkFunction("open a cancel scope", fn, parent);
  return openScope("scope", options, parent, locals);
}

/** A node below the running code's, its options checked and put in force. */
function openScope(
  kind: ScopeKind,
  options: CancelScopeOptions & ScopeSettings,
  parent: ScopeNode,
  locals: Locals | undefined,
): BlockNode {
  checkScopeOptions(options, parent);
  checkLiving("open a scope", parent);
  return settle(new BlockNode(kind, parent, parent.root, locals, options.name, options), options);
}

/** Code that a cancelled scope has left behind opens nothing. */
export function checkLiving(what: string, parent: ScopeNode): void {
  if (!parent.ended) return;
  if (parent.force !== undefined) throw parent.force.error;
  throw new InvalidStateError(`Cannot ${what} in '${parent.path}': it has ended`);
}

export function checkScopeOptions(options: CancelScopeOptions, parent: ScopeNode): void {
  checkOptions("open a scope", options, parent);
  const { deadline, signal, grace, name } = options;
  checkGrace(grace, parent);
  if (deadline !== undefined) checkDeadline(deadline, parent);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`Cannot use ${brief(signal)} as signal${within(parent)}: wanted an AbortSignal`);
  }
  if (name !== undefined) checkName(name, parent);
}

/** Gives a new scope its deadline and signal, which may cancel it there and then. */
export function settle<S extends ScopeNode>(scope: S, options: CancelScopeOptions): S {
  if (options.deadline !== undefined && options.deadline !== Infinity) scope.deadline = options.deadline;
  if (options.signal !== undefined) linkSignal(options.signal, scope);
  return scope;
}

/**
 * Runs `fn` where no cancellation from outside reaches it, for a piece that must not be cut.
 *
 * From entry, or from the first cancellation that it hides if that comes later, `fn` has `timeout` milliseconds; then the
 * cancellation is delivered without grace. Of nested shields the earliest end counts for all inside. A forced shutdown
 * ends every shield.
 *
 * Cancellation: Not a checkpoint, neither on entry nor on leaving.
 *
 * @param options.timeout Required, so that the bound is a decision; Infinity is allowed.
 * @throws {RangeError} If `timeout` is missing, NaN or negative.
 */
export function shield<T>(fn: () => T | PromiseLike<T>, options: { readonly timeout: number }): Promise<T> {
  const block = typeof fn === "function" ? () => fn() : fn; // it is not given the scope
  return inScope(openShield, block, options);
}

function openShield(
  parent: ScopeNode,
  locals: Locals | undefined,
  fn: unknown,
  options: { readonly timeout: number },
): BlockNode {
  checkFunction("shield", fn, parent);
  return openScope("shield", { shield: checkedTimeout(options, parent) }, parent, locals);
}

function checkedTimeout(options: { readonly timeout?: unknown } | undefined, node: ScopeNode): number {
  const timeout = options?.timeout;
  if (timeout === undefined) {
    throw new RangeError(`Cannot shield without a timeout${within(node)}: give milliseconds, or Infinity`);
  }
  checkMilliseconds("shield", timeout, node);
  if (timeout < 0) throw new RangeError(`Cannot shield for ${timeout} ms${within(node)}: wanted 0 to Infinity`);
  return timeout;
}
