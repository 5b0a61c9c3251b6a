/**
 * The one AsyncLocalStorage: where on the task tree the running code is.
 *
 * Entering it is the largest single cost of a task, so it happens once per task or scope and never at a checkpoint.
 * `AsyncLocalStorage.run` makes two context frames on Node, maps of all stores: one for the store, one to go back. Inside an
 * AsyncResource's scope `enterWith` makes one, since leaving the scope restores the caller's by pointer. Bun and Deno have it
 * the other way round. Don't share one resource between entries: `async_hooks` would see all tasks in one.
 *
 * Where no other store is in the map, it can be saved too: our {@link Frame} answers what Node asks a map with one entry, and
 * stands in its place in the resource, under a symbol that Node does not document. At load it is tried whether that works;
 * if not, frames are made as Node makes them. (A store that was run stays in the map, as undefined, in all that goes on from
 * there.)
 */
import { AsyncLocalStorage, AsyncResource, executionAsyncId } from "node:async_hooks";
import { brief, InvalidStateError } from "../errors.ts";
import type { ScopeNode } from "./scope.ts";

/** Ambient values, innermost first. */
export interface Locals {
  readonly key: object;
  readonly value: unknown;
  readonly outer: Locals | undefined;
}

/**
 * What the store holds: a place on the tree, and the ambient values there. Also the context frame of Node's in which there is
 * no other store: that is why it reads like a map with one entry.
 */
export class Frame {
  readonly node: ScopeNode;
  readonly locals: Locals | undefined;
  /** Where several functions take turns in one task: whether this one's is over. */
  turn: { readonly over: boolean } | undefined;

  constructor(node: ScopeNode, locals: Locals | undefined, turn?: { readonly over: boolean }) {
    this.node = node;
    this.locals = locals;
    this.turn = turn;
  }

  get size(): number {
    return 1;
  }

  has(key: unknown): boolean {
    return key === store;
  }

  get(key: unknown): this | undefined {
    return key === store ? this : undefined;
  }

  /** Another library's store is switched off: it is not in here. */
  disable(_key: unknown): void {}

  /** Another library enters its store: Node copies what there is. */
  *[Symbol.iterator](): Generator<[unknown, this]> {
    yield [store, this];
  }
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

/** The context frame in which an AsyncResource was made, and to which it goes back; and the resource, as its keeper. */
type Kept = Pick<ReadonlyMap<unknown, unknown>, "has" | "size">;
type Keeper = Record<symbol, Kept | undefined>;

/** Whether a context frame has no store but ours. */
function isAlone(kept: Kept | undefined): boolean {
  return kept === undefined || kept instanceof Frame || (kept.size === 1 && kept.has(store));
}

/** Under which symbol it keeps that; undefined if that is not found, or a frame of ours would not do. */
const keptUnder: symbol | undefined = onNode ? findKept() : undefined;

function findKept(): symbol | undefined {
  const frame = new Frame(undefined as never, undefined);
  return store.run(frame, () => {
    const resource = new AsyncResource("tasktree");
    const keeper = resource as unknown as Keeper;
    return Object.getOwnPropertySymbols(keeper).find((symbol) => {
      const kept = keeper[symbol];
      if (typeof kept?.has !== "function" || typeof kept.size !== "number" || !kept.has(store)) return false;
      const another = new Frame(undefined as never, undefined);
      keeper[symbol] = another;
      try {
        return resource.runInAsyncScope(() => holds(another)) && store.getStore() === frame;
      } catch {
        return false; // Node asks a frame something else
      }
    });
  });
}

/** Whether `frame` is the store here, also among others. */
function holds(frame: Frame): boolean {
  const other = new AsyncLocalStorage<number>();
  const among = other.run(1, () => store.getStore() === frame && other.getStore() === 1);
  return among && store.getStore() === frame && other.getStore() === undefined;
}

type Enter = <A, B, R>(frame: Frame | undefined, fn: (a: A, b: B) => R, a: A, b: B) => R;

function enterFrom<A, B, R>(resource: AsyncResource, frame: Frame | undefined, fn: (a: A, b: B) => R, a: A, b: B): R {
  const keeper = resource as unknown as Keeper;
  if (keptUnder === undefined || !isAlone(keeper[keptUnder]))
    return resource.runInAsyncScope(enterHere as typeof enterHere<A, B, R>, undefined, frame, fn, a, b);
  keeper[keptUnder] = frame;
  return resource.runInAsyncScope(fn, undefined, a, b);
}

/** Calls `fn(a, b)` with `frame` as the store, also in what it goes on to await. */
export const enter: Enter = onNode
  ? (frame, fn, a, b) => enterFrom(new AsyncResource("tasktree", executionAsyncId()), frame, fn, a, b) // with its trigger: 14 ns less
  : (frame, fn, a, b) => store.run(frame, fn, a, b);

/** {@link enter}, but always in the context of now: for those who know that it stays the same. */
export const entering: () => Enter = onNode
  ? () => {
      const resource = new AsyncResource("tasktree");
      return (frame, fn, a, b) => enterFrom(resource, frame, fn, a, b);
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
