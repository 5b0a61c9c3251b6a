/**
 * The only place where waiting meets cancellation: one waiting primitive under all others (Trio's parking lot).
 *
 * A wait stands in two lines: that of what it waits for, and that of the scope it waits in. Whoever takes it out first
 * decides: `wake` its value, `fail` its error, `cut` its cancellation. Taking out is synchronous, the waiter resumes later;
 * so a permit given to a waiter is never lost to a cancellation that comes after, nor given to one that came before.
 */
import { LinkedList, type Linked } from "../internal/linked-list.ts";
import { isOwn } from "../internal/own-folder.ts";
import type { Clock } from "./clock.ts";
import { here } from "./current.ts";
import type { ScopeNode } from "./scope.ts";
import type { Task } from "./task.ts";

/** What a wait is for, as reports show it. */
export interface Waitable {
  /** A noun phrase: "semaphore 'db' (0 of 2 free)". */
  describe(): string;
  /** The tasks without which the wait cannot end, where they are known. */
  holders?(): Iterable<Task>;
  /**
   * Somebody has left its line without having been woken there: was cut, or got another of the things it waited for. May
   * wake who stood behind; must not throw, nor call user code.
   */
  left?(): void;
}

export interface WaitOptions {
  /** Cleanup that always begins: only the cut-off cuts its wait. */
  readonly exempt?: boolean;
}

let lastResolve: (value: never) => void;
let lastReject: (error: unknown) => void;

/** One executor for all promises: no closure per wait. */
function capture(resolve: (value: never) => void, reject: (error: unknown) => void): void {
  lastResolve = resolve;
  lastReject = reject;
}

function ignore(): void {}

/** Who stands in a line: one that waits there alone, or one that waits in several (see `choice.ts`). */
export interface InLine extends Linked<InLine> {
  /** What the waiter brought: an item to send, a number of permits. */
  readonly payload: unknown;
  /** The waiter goes on with `value`. */
  wake(value: unknown): void;
  /** The waiter goes on with `error`. */
  fail(error: unknown): void;
  /** Keeps what was handed out from being reported as unhandled. */
  handled(): void;
}

/** The payload of waits that only a cancellation, or what a signal brings, can end: they keep the process alive for it. */
export const timeless: unique symbol = Symbol("timeless");

/** One wait in progress. */
export class Wait implements InLine {
  prev: InLine | undefined = undefined;
  next: InLine | undefined = undefined;
  list: LinkedList<InLine> | undefined = undefined;
  older: Wait | undefined = undefined;
  newer: Wait | undefined = undefined;
  /** The scope it waits in; undefined when over. */
  node: ScopeNode | undefined = undefined;
  /** What was handed out, and is to be kept from being reported as unhandled when a cancellation rejects it. */
  promise!: Promise<unknown>;
  readonly exempt: boolean;
  readonly on: Waitable | undefined;
  readonly payload: unknown;
  /** The clock in one of whose lines it stands, if it sleeps. */
  asleep: Clock | undefined = undefined;
  /** Takes the cancellation in place of the waiter, who then goes on waiting. */
  onCut: ((error: unknown) => void) | undefined = undefined;
  #resolve!: (value: unknown) => void;
  #reject!: (error: unknown) => void;

  constructor(on: Waitable | undefined, node: ScopeNode, payload?: unknown, exempt = false) {
    this.on = on;
    this.payload = payload;
    this.exempt = exempt;
    if (node.root.debug) rememberSite(this);
    this.begin(node);
  }

  /** Waits in `node`, for the first time or, when that is over, once more. */
  begin(node: ScopeNode): void {
    this.promise = new Promise<unknown>(capture as never);
    this.#resolve = lastResolve as never;
    this.#reject = lastReject;
    this.enter(node);
  }

  wake(value: unknown): void {
    this.#over()?.inTurn(this.#resolve, value);
  }

  fail(error: unknown): void {
    this.#over()?.inTurn(this.#reject, error);
  }

  /** The waiter goes on in this turn, however long that has lasted. */
  wakeNow(): void {
    if (this.#over() !== undefined) this.#resolve(undefined);
  }

  /** The waiter's scope was cancelled. */
  cut(error: unknown): void {
    if (this.onCut !== undefined) {
      this.onCut(error);
      return;
    }
    const clock = this.#over()!; // whoever cuts it has found it waiting
    this.handled();
    clock.inTurn(this.#reject, error);
    this.on?.left?.();
  }

  handled(): void {
    this.promise.then(undefined, ignore);
  }

  /** Whether it sleeps without a time to wake. */
  get forever(): boolean {
    return this.payload === timeless;
  }

  enter(node: ScopeNode): void {
    this.node = node;
    const top = node.waits;
    this.older = top;
    if (top !== undefined) top.newer = this;
    node.waits = this;
  }

  leave(): void {
    const { node, older, newer } = this;
    if (newer === undefined) node!.waits = older;
    else newer.older = older;
    if (older !== undefined) older.newer = newer;
    this.older = this.newer = this.node = undefined;
  }

  /** Takes it out of both lines; gives the clock that knows when to resume, or undefined if it was out. */
  #over(): Clock | undefined {
    const { node } = this;
    if (node === undefined) return undefined;
    const clock = this.asleep ?? node.root.clock;
    this.leave();
    this.asleep?.sleeperLeft(this);
    this.list?.remove(this);
    clock.steps++;
    return clock;
  }
}

let watcher: ((line: object, isNew?: boolean) => void) | undefined;

/** Whether somebody explores schedules, and will ask for the names of tasks that have ended. */
export function linesAreWatched(): boolean {
  return watcher !== undefined;
}

/** Tells `told` of each use of a line, for whoever explores schedules: these are the steps whose order can matter. */
export function watchLines(told: ((line: object, isNew?: boolean) => void) | undefined): void {
  watcher = told;
}

/**
 * A line of waiters, first in, first out.
 *
 * @example A gate that lets everybody through once it is open
 * ```ts
 * import { refused, passed, WaitList } from "tasktree/lowlevel";
 * class Gate {
 *   #open = false;
 *   readonly #waiters = new WaitList<void>({ describe: () => "gate" });
 *   open(): void {
 *     this.#open = true;
 *     this.#waiters.wakeAll();
 *   }
 *   pass(): Promise<void> {
 *     return refused() ?? (this.#open ? passed() : this.#waiters.wait());
 *   }
 * }
 * ```
 */
export class WaitList<T = void, P = undefined> {
  readonly #line = new LinkedList<InLine>();
  /** @internal */
  readonly owner: Waitable;

  constructor(owner: Waitable) {
    this.owner = owner;
    watcher?.(this, true);
  }

  /** How many wait. */
  get size(): number {
    watcher?.(this);
    return this.#line.size;
  }

  /**
   * Waits at the end of the line until woken, in the scope that calls. Not itself a checkpoint on entry: ask `refused()`
   * first, and have no effect before.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, its place in line is gone.
   */
  wait(
    ...payload: P extends undefined ? [payload?: undefined, options?: WaitOptions] : [payload: P, options?: WaitOptions]
  ): Promise<T>;
  wait(payload?: unknown, options?: WaitOptions): Promise<T> {
    return this.waitIn(here(), payload as P, options);
  }

  /** {@link wait}, where {@link here} is known. */
  waitIn(node: ScopeNode, payload: P, options?: WaitOptions): Promise<T> {
    watcher?.(this);
    const wait = new Wait(this.owner, node, payload, options?.exempt);
    this.#line.push(wait);
    return wait.promise as Promise<T>;
  }

  /** What the first in line brought. */
  get first(): P | undefined {
    watcher?.(this);
    return this.#line.first?.payload as P | undefined;
  }

  /** Lets the first in line go on with `value`; false if nobody waits. */
  wake(value: T): boolean {
    watcher?.(this);
    const first = this.#line.first;
    first?.wake(value);
    return first !== undefined;
  }

  /** Lets the first in line go on with `error`; false if nobody waits. */
  fail(error: unknown): boolean {
    watcher?.(this);
    const first = this.#line.first;
    first?.fail(error);
    return first !== undefined;
  }

  /**
   * Lets the first in line go to the end of another line, and wait on there; false if nobody waits. Reports go on to name
   * the owner of this line.
   */
  moveFirst(to: WaitList<T, P>): boolean {
    watcher?.(this);
    watcher?.(to);
    const first = this.#line.first;
    if (first === undefined) return false;
    this.#line.remove(first);
    to.#line.push(first);
    return true;
  }

  /** Lets everybody go on with `value`. */
  wakeAll(value: T): void {
    watcher?.(this);
    for (let first = this.#line.first; first !== undefined; first = this.#line.first) first.wake(value);
  }

  /** Lets everybody go on with `error`. */
  failAll(error: unknown): void {
    watcher?.(this);
    for (let first = this.#line.first; first !== undefined; first = this.#line.first) first.fail(error);
  }

  /** Lets those go on with an error whose payload `which` accepts; it is made if there are any. */
  failWhere(which: (payload: P) => boolean, error: () => unknown): void {
    watcher?.(this);
    let found: InLine[] | undefined;
    for (let at = this.#line.first; at !== undefined; at = at.next) if (which(at.payload as P)) (found ??= []).push(at);
    if (found === undefined) return;
    const thrown = error();
    for (const wait of found) wait.fail(thrown);
  }

  /** Puts a wait that somebody made in this line. @internal */
  add(wait: InLine): void {
    watcher?.(this);
    this.#line.push(wait);
  }

  /** @internal */
  get waits(): LinkedList<InLine> {
    watcher?.(this);
    return this.#line;
  }
}

const sites = new WeakMap<object, string>();

/** In debug mode: keeps the place in the program that called into tasktree to make `what`. */
export function rememberSite(what: object): void {
  const lines = new Error("site").stack?.split("\n").slice(1) ?? [];
  const site = lines.find((line) => line.includes(":") && !isOwn(line) && !line.includes("node:"));
  if (site !== undefined) sites.set(what, site.trim().replace(/^at /, ""));
}

export function siteOf(what: object): string | undefined {
  return sites.get(what);
}
