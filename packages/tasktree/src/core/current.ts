/**
 * The one AsyncLocalStorage: where on the task tree the running code is.
 *
 * Entering it is the largest single cost of a task, so it happens once per task or scope and never at a checkpoint.
 * `AsyncLocalStorage.run` makes two context frames on Node: one for the store, one to go back. Inside an AsyncResource's
 * scope `enterWith` makes one, since leaving the scope restores the caller's by pointer. Bun and Deno have it the other way
 * round. Don't share one resource between entries: children would miss what other libraries stored after its making.
 *
 * That one frame is a copy of the caller's. Where that has no store but ours, nothing in it is worth copying, and a frame
 * made from none costs half. Which it is can be read off the resource, under a symbol that Node does not document: where
 * it is not found, frames are copied.
 */
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import { brief, InvalidStateError } from "../errors.ts";
import type { ScopeNode } from "./scope.ts";

/** Ambient values, innermost first. */
export interface Locals {
  readonly key: object;
  readonly value: unknown;
  readonly outer: Locals | undefined;
}

/** What the store holds: a place on the tree, and the ambient values there. A scope node is its own first frame. */
export interface Frame {
  readonly node: ScopeNode;
  readonly locals: Locals | undefined;
  /** Where several functions take turns in one task: whether this one's is over. */
  readonly turn?: { readonly over: boolean } | undefined;
}

const store = new AsyncLocalStorage<Frame | undefined>();

/** The context in which tasktree was loaded: host timers armed there keep no task's context alive. */
const loaded = new AsyncResource("tasktree");

const versions: Record<string, string | undefined> = process.versions;
const onNode = versions["bun"] === undefined && versions["deno"] === undefined;

/** The running code's frame; undefined outside of any scope. */
export function currentFrame(): Frame | undefined {
  return store.getStore();
}

/** The root of what runs outside of any `run`: never cancelled. */
export let implicitRoot: () => ScopeNode;

export function setImplicitRoot(root: () => ScopeNode): void {
  implicitRoot = root;
}

/**
 * The node that counts here: of a scope that has ended, the nearest living one around it, unless it was cancelled. Not a
 * checkpoint.
 *
 * Only to be given to `refused` and `passed`, so that they need not look themselves, which costs as much as the rest of a
 * fast operation. Who wants the task or the scope asks `currentTask()` or `currentScope()`: they note that somebody has it.
 *
 * @example
 * ```ts
 * import { here, passed, refused } from "tasktree/lowlevel";
 * let count = 0;
 * function next(): Promise<number> {
 *   const node = here();
 *   return refused(node) ?? passed(++count, node);
 * }
 * ```
 */
export function here(): ScopeNode {
  return hereIn(store.getStore());
}

/** {@link here}, where the frame is known. */
export function hereIn(frame: Frame | undefined): ScopeNode {
  if (frame === undefined) return implicitRoot();
  const { node } = frame;
  if (frame.turn?.over === true) return node.parent!.living();
  return node.ended && node.force === undefined ? node.heir() : node;
}

/** What Node keeps of the context in which an AsyncResource was made. */
type Kept = ReadonlyMap<unknown, unknown>;

/** Under which symbol it keeps that; undefined if there is none. */
const keptUnder: symbol | undefined = store.run({} as Frame, () => {
  const resource = new AsyncResource("tasktree") as unknown as Record<symbol, Partial<Kept> | undefined>;
  return Object.getOwnPropertySymbols(resource).find((symbol) => {
    const kept = resource[symbol];
    return typeof kept?.has === "function" && kept.has(store) && typeof kept.size === "number";
  });
});

/** A resource with the context of now in it, to go into a frame from; without, where that has no store but ours. */
function gate(): AsyncResource {
  const resource = new AsyncResource("tasktree");
  if (keptUnder === undefined) return resource;
  const keeper = resource as unknown as Record<symbol, Kept | undefined>;
  const kept = keeper[keptUnder];
  if (kept !== undefined && kept.size === 1 && kept.has(store)) keeper[keptUnder] = undefined;
  return resource;
}

/** Calls `fn(a, b)` with `frame` as the store, also in what it goes on to await. */
export const enter: <A, B, R>(frame: Frame | undefined, fn: (a: A, b: B) => R, a: A, b: B) => R = onNode
  ? (frame, fn, a, b) => gate().runInAsyncScope(enterHere, null, frame, fn, a, b) as never
  : (frame, fn, a, b) => store.run(frame, fn, a, b);

/** {@link enter}, but always in the context of now: for those who know that it stays the same. */
export const entering: () => typeof enter = onNode
  ? () => {
      const resource = gate();
      return (frame, fn, a, b) => resource.runInAsyncScope(enterHere, null, frame, fn, a, b) as never;
    }
  : () => enter;

function enterHere<A, B, R>(frame: Frame | undefined, fn: (a: A, b: B) => R, a: A, b: B): R {
  store.enterWith(frame);
  return fn(a, b);
}

/** Calls `fn` outside of every task and of every other library's context. */
export function inHostContext<R>(fn: () => R): R {
  return loaded.runInAsyncScope(fn);
}

/** Calls a function with every store of the process as it was when this was made. */
export type Snapshot = <R>(fn: () => R) => R;

export function captureContext(): Snapshot {
  const resource = new AsyncResource("tasktree");
  return (fn) => resource.runInAsyncScope(fn);
}

/** `fn`, to be called later in the context of now. */
export function bound<A extends unknown[], R>(fn: (...args: A) => R): (...args: A) => R {
  if (typeof fn !== "function") throw new TypeError(`Cannot bind ${brief(fn)}: wanted a function`);
  return AsyncResource.bind(fn);
}

/** What the other copy, if there is one, would have to know of this one. */
const registryKey = Symbol.for("tasktree.core");

// Two copies would have a store each, and neither would see the other's tasks: work would escape its scope in silence.
const registry = globalThis as { [registryKey]?: string };
if (registry[registryKey] !== undefined && registry[registryKey] !== import.meta.url) {
  throw new InvalidStateError(
    `Cannot load a second copy of tasktree from ${import.meta.url}: the first is at ${registry[registryKey]}, and tasks of one would not see those of the other`,
  );
}
registry[registryKey] = import.meta.url;
