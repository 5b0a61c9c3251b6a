import { isCancelled, isObject } from "../errors.ts";
import { passed, refused } from "./checkpoint.ts";
import { isCancellation } from "./classify.ts";
import { Clock, hostClock, type ClockDriver } from "./clock.ts";
import { captureContext, enter, here, inHostContext, setImplicitRoot } from "./current.ts";
import { GroupNode } from "./group.ts";
import { Instruments, type Instrument } from "./instrument.ts";
import type { ScopeNode } from "./scope.ts";
import { StuckWatch } from "./stuck.ts";
import { siteOf, timeless, Wait, WaitList } from "./wait-list.ts";

/** After this long, in milliseconds, cleanup is cut. */
export const defaultGrace = 5000;

export interface RootOptions {
  /** How long tasks may go on cleaning up after a cancellation, in milliseconds; default 5,000; 0: not at all. */
  readonly grace?: number;
  /** What becomes of a task that has not ended when its grace is over: it is waited for ("wait", default), or given up. */
  readonly onStuck?: "wait" | "abandon";
  /** Records where tasks were spawned and where they wait, and tells on the console what is suspicious. */
  readonly debug?: boolean;
  /** The clock that its sleeps and deadlines go by; default: the machine's. */
  readonly clock?: ClockDriver;
  readonly instruments?: Iterable<Instrument>;
}

interface LateFailureOptions {
  /** Whether it is news even if something around has thrown it on. */
  readonly known?: boolean;
  /** Whether it comes from a function in `node` that is over, though the task there goes on. */
  readonly ended?: boolean;
  /** The promise that was rejected with it. */
  readonly promise?: Promise<unknown> | undefined;
}

/** A foreign promise that somebody has stopped waiting for. */
export interface Orphan {
  readonly path: string;
  readonly since: number;
}

/** What is common to one tree of tasks. */
export class Root {
  readonly clock: Clock;
  readonly grace: number;
  readonly debug: boolean;
  readonly node: GroupNode;
  onStuck: "wait" | "abandon";
  instruments: Instruments | undefined;
  nextTaskId = 1;
  /** Foreign promises that were abandoned and have not settled. */
  readonly orphans: Set<Orphan> = new Set();
  /** The nodes in which waits were cut whose waiters have not resumed yet. */
  readonly justCut: ScopeNode[] = [];
  /** Whether the step in which they resume is ordered. */
  delivering = false;
  readonly #reported = new WeakMap<object, WeakSet<ScopeNode>>();
  readonly #context = captureContext();
  /** Never cancelled: for code outside of any run. */
  readonly implicit: boolean;

  constructor(options: RootOptions, implicit = false) {
    this.clock = options.clock === undefined ? hostClock : new Clock(options.clock);
    this.grace = options.grace ?? defaultGrace;
    this.debug = options.debug === true;
    this.onStuck = options.onStuck ?? "wait";
    this.implicit = implicit;
    const instruments = [...(options.instruments ?? [])];
    if (this.debug) instruments.push(consoleInstrument);
    this.instruments = instruments.length > 0 ? new Instruments(instruments) : undefined;
    this.node = new GroupNode("root", undefined, this, undefined, {}, false);
  }

  addInstrument(instrument: Instrument): () => void {
    (this.instruments ??= new Instruments([])).add(instrument);
    return () => {
      this.instruments?.delete(instrument);
      if (this.instruments?.size === 0) this.instruments = undefined;
    };
  }

  /** Calls `fn` under the root itself, in the context of whoever made the root. */
  outside<R>(fn: () => R): R {
    return this.#context(() =>
      enter(this.implicit ? undefined : this.node.frame, fn as (a: undefined, b: undefined) => R, undefined, undefined),
    );
  }

  waitDraining(node: ScopeNode): Promise<void> {
    const caller = here();
    const refusal = refused(caller);
    if (refusal !== undefined) return refusal;
    if (node.draining || node.ended) return passed(undefined, caller);
    const waits = this.drainLine(node);
    const wait = new Wait(waits.owner, caller, timeless);
    waits.add(wait);
    caller.root.clock.sleep(wait, Infinity);
    return wait.promise as Promise<void>;
  }

  /** Where to wait for the draining of `node`. */
  drainLine(node: ScopeNode): WaitList {
    return (node.drainWaits ??= new WaitList({ describe: () => `the draining of '${node.path}'` }));
  }

  // --- errors that nobody waited for

  /** `node` has this error, and brings it to whoever awaits it. */
  report(error: unknown, node: ScopeNode): void {
    if (!isObject(error)) return;
    const reporters = this.#reported.get(error);
    if (reporters === undefined) this.#reported.set(error, new WeakSet([node]));
    else reporters.add(node);
  }

  /** Whether something around `node` has `error`, and brings it on. */
  knows(error: unknown, node: ScopeNode): boolean {
    const reporters = isObject(error) ? this.#reported.get(error) : undefined;
    if (reporters === undefined) return false;
    let at: ScopeNode | undefined = node;
    while (at !== undefined && !reporters.has(at)) at = at.parent;
    return at !== undefined;
  }

  /**
   * An error that came when nobody listened: it fails the living task it belongs to, or else the root (rule R6). Not if
   * something around `node` has it already; that inside of what has thrown it on does not count, since it may be lost there.
   */
  lateFailure(
    error: unknown,
    node: ScopeNode | undefined,
    { known = false, ended = false, promise }: LateFailureOptions = {},
  ): void {
    if (isCancelled(error) || (node !== undefined && isCancellation(error, node))) return;
    // What a scope has thrown on leaving, and nobody has awaited, it brings nowhere: that it had it itself does not count.
    const from = promise !== undefined && node?.handle === promise ? node.parent : node;
    if (!known && this.knows(error, from ?? this.node)) return;
    const task = node?.task;
    if (task !== undefined && !task.ended && !ended) task.noteFailure(error);
    else if (this.implicit || this.node.ended) inHostContext(() => void Promise.reject(error));
    else this.node.noteFailure(error);
  }

  /** A listener of `scope`'s signal has thrown. */
  listenerFailed(error: unknown, scope: ScopeNode): void {
    if (scope.ended) this.lateFailure(error, scope);
    else if (!isCancellation(error, scope)) scope.noteFailure(error);
  }

  /** `scope`'s grace is over. */
  graceIsOver(scope: ScopeNode): void {
    new StuckWatch(scope);
  }
}

const consoleInstrument: Instrument = {
  failureSuppressed: (error, _primary, scope) => console.error(`tasktree: another failure in '${scope.path}'`, error),
  promiseAbandoned: (path, settled) => {
    if (!settled) console.error(`tasktree: '${path}' stopped waiting for a foreign promise, which goes on`);
  },
  taskStuck(task, waitsFor) {
    const site = siteOf(task);
    const spawned = site === undefined ? "" : ` (spawned ${site})`;
    console.error(`tasktree: task '${task.path}'${spawned} has not ended though its grace is over; it ${waitsFor}`);
  },
  warning: (message) => console.error(`tasktree: ${message}`),
};

let implicit: Root | undefined;

setImplicitRoot(() => (implicit ??= new Root({ debug: debugByEnvironment() }, true)).node);

export function debugByEnvironment(): boolean {
  return process.env["TASKTREE_DEBUG"] === "1";
}
