/** Is this error a cancellation, or a failure? (rule C6) */
import { CancelledError, causeOf, isObject } from "../errors.ts";
import type { Force } from "./force.ts";
import type { ScopeNode } from "./scope.ts";

const longestChain = 8;

/** Whether `error` is the cancellation of a scope that `node` sees. */
export function isCancellation(error: unknown, node: ScopeNode): boolean {
  const { force } = node;
  if (force === undefined) return false;
  return error === force.error || isOneOf(error, visibleErrors(node), 0);
}

/** What is no cancellation in `error`: itself, or the parts of a compound error; the first is the one to throw. */
export function failuresIn(error: unknown, node: ScopeNode): unknown[] {
  if (node.force === undefined) return [error];
  const visible = visibleErrors(node);
  const failures = leaves(error, 0).filter((leaf) => !isOneOf(leaf, visible, 0));
  return failures.length === leaves(error, 0).length || failures.length === 0 ? [error] : failures;
}

function isOneOf(error: unknown, visible: Set<unknown>, nesting: number): boolean {
  for (
    let link: unknown = error, length = 0;
    link !== undefined && length <= longestChain;
    link = causeOf(link), length++
  ) {
    if (visible.has(link)) return true;
  }
  if (!isObject(error)) return false;
  if (isAbort(error)) return true;
  const parts = partsOf(error);
  return parts.length > 0 && nesting < longestChain && parts.every((part) => isOneOf(part, visible, nesting + 1));
}

function isAbort(error: object): boolean {
  try {
    const { name, code } = error as { name?: unknown; code?: unknown };
    return name === "AbortError" || code === "ABORT_ERR";
  } catch {
    return false;
  }
}

function leaves(error: unknown, nesting: number): unknown[] {
  const parts = partsOf(error);
  return parts.length === 0 || nesting >= longestChain ? [error] : parts.flatMap((part) => leaves(part, nesting + 1));
}

function partsOf(error: unknown): unknown[] {
  try {
    if (error instanceof SuppressedError) return [error.error as unknown, error.suppressed as unknown];
    return error instanceof AggregateError ? error.errors : [];
  } catch {
    return [];
  }
}

/** Nodes that share a force see the same: a failure on its way out asks at every scope that it leaves. */
const seenUnder = new WeakMap<Force, Set<unknown>>();

/** What stands for the cancellations that `node` sees: their errors, and the reasons of the signals that caused them. */
function visibleErrors(node: ScopeNode): Set<unknown> {
  const known = seenUnder.get(node.force!);
  if (known !== undefined) return known;
  const errors = new Set<unknown>([node.force!.error]);
  for (let at: ScopeNode | undefined = node; at !== undefined; at = at.parent) {
    const error = at.own?.error;
    if (error instanceof CancelledError) {
      errors.add(error);
      if (error.why === "signal" && error.reason !== undefined) errors.add(error.reason);
    }
    if (at.hides) break;
  }
  seenUnder.set(node.force!, errors);
  return errors;
}
