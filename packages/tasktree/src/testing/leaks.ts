import { setImmediate as turnOfTheLoop } from "node:timers/promises";
import v8 from "node:v8";
import { runInNewContext } from "node:vm";
import { checkFunction } from "../core/check.ts";
import { currentFrame, here, implicitRoot, inHostContext, type Frame } from "../core/current.ts";
import type { Instrument } from "../core/instrument.ts";
import type { Orphan, Root } from "../core/root.ts";
import type { Scope, ScopeNode } from "../core/scope.ts";
import type { Outcome, Task } from "../core/task.ts";
import { withTaskGroup } from "../core/task-group.ts";
import { rememberSite, siteOf } from "../core/wait-list.ts";
import { isObject, LeakError, StuckTaskError, suppress } from "../errors.ts";
import { watchers } from "./quiet.ts";
import { watchPlatform, type PlatformWatch, type TimerHandle } from "./platform/install.ts";

/** Something that was made in a place of the tree. */
class Made {
  readonly what: string;
  readonly path: string;

  constructor(what: string) {
    const { node } = currentFrame()!;
    this.what = what;
    this.path = node.path;
    if (node.root.debug) rememberSite(this);
  }

  toString(): string {
    const site = siteOf(this);
    return `${this.what}, made in '${this.path}'${site === undefined ? "" : ` (${site})`}`;
  }
}

/** Watches a subtree, and tells what of it is left when it has ended. */
export class LeakWatch implements PlatformWatch, Instrument {
  readonly #top: ScopeNode;
  readonly #root: Root;
  readonly #orphansBefore: ReadonlySet<Orphan>;
  readonly #implicitBefore: ReadonlySet<ScopeNode>;
  readonly #stop: (() => void)[];
  readonly #told = new Set<string>();
  readonly #timers = new Map<TimerHandle, Made>();
  #sweepAt = 256;
  readonly #promises = new Set<Made>();
  /** Weak, so that who listens to a signal that nobody else has leaks nothing. */
  readonly #signals = new Set<WeakRef<AbortSignal>>();
  readonly #listeners = new WeakMap<AbortSignal, Map<unknown, Made>>();

  constructor(top: ScopeNode) {
    this.#top = top;
    this.#root = top.root;
    this.#orphansBefore = new Set(top.root.orphans);
    this.#implicitBefore = new Set(implicitRoot().children ?? []);
    this.#stop = [watchPlatform(this), top.root.addInstrument(this)];
  }

  /** What is left, one line each, once everything inside has ended. */
  async leaks(): Promise<string[]> {
    // Time must not go on meanwhile: a timer that is left would be over.
    watchers.count++;
    try {
      // What has just been let go of, an aborted fetch, say, gets a moment to end.
      await inHostContext(() => turnOfTheLoop());
      const listeners = await this.#leftListeners();
      const made = [...this.#leftTimers(), ...this.#promises, ...listeners];
      return [...this.#told, ...this.#leftOrphans(), ...this.#leftOutside(), ...made.map(String)];
    } finally {
      watchers.count--;
    }
  }

  stop(): void {
    for (const stop of this.#stop.splice(0)) stop();
  }

  // --- the tree

  warning(message: string, scope: Scope): void {
    const node = scope as ScopeNode;
    const runsOn = node.ended && node.own === undefined;
    // Without either it tells of a cancellation that was swallowed.
    if (node.isInside(this.#top) && (runsOn || !node.ended)) this.#told.add(message);
  }

  taskEnded(task: Task, outcome: Outcome<unknown>): void {
    if (outcome.status !== "failed" || !(outcome.error instanceof StuckTaskError)) return;
    const isIt = outcome.error.task === task.path && (task as unknown as ScopeNode).isInside(this.#top);
    if (isIt) this.#told.add(`task '${task.path}' was given up, and may still run`);
  }

  #leftOrphans(): string[] {
    return [...this.#root.orphans]
      .filter((orphan) => !this.#orphansBefore.has(orphan) && this.#isInside(orphan.path))
      .map(({ path }) => `a foreign promise that '${path}' has stopped waiting for and that has not settled`);
  }

  #isInside(path: string): boolean {
    return this.#top.parent === undefined || `${path}/`.startsWith(`${this.#top.path}/`);
  }

  /** What callbacks without a context have begun, and not ended. */
  #leftOutside(): string[] {
    return [...(implicitRoot().children ?? [])]
      .filter((node) => !this.#implicitBefore.has(node))
      .map(({ path }) => `'${path}', which was begun outside of every run meanwhile and goes on`);
  }

  // --- the platform

  covers(frame: Frame | undefined): boolean {
    return frame !== undefined && frame.node.isInside(this.#top);
  }

  timerSet(timer: TimerHandle, what: string): void {
    if (this.#timers.size >= this.#sweepAt) this.#sweepTimers();
    this.#timers.set(timer, new Made(what));
  }

  /** Forgets those that are over, once they are many. */
  #sweepTimers(): void {
    for (const timer of this.#timers.keys()) if (timer._destroyed === true) this.#timers.delete(timer);
    this.#sweepAt = Math.max(256, 2 * this.#timers.size);
  }

  #leftTimers(): Made[] {
    return [...this.#timers].filter(([timer]) => timer._destroyed !== true && timer.hasRef()).map(([, made]) => made);
  }

  promiseMade(promise: Promise<unknown>, what: string): void {
    const made = new Made(what);
    const settled = (): void => void this.#promises.delete(made);
    this.#promises.add(made);
    promise.then(settled, settled);
  }

  listenerAdded(signal: AbortSignal, listener: unknown): void {
    let listeners = this.#listeners.get(signal);
    if (listeners === undefined) {
      listeners = new Map();
      this.#listeners.set(signal, listeners);
      this.#signals.add(new WeakRef(signal));
    }
    listeners.set(listener, new Made("a listener on an abort signal that lives on"));
  }

  listenerRemoved(signal: AbortSignal, listener: unknown): void {
    this.#listeners.get(signal)?.delete(listener);
  }

  async #leftListeners(): Promise<Made[]> {
    if (this.#listened().length === 0) return [];
    await collectGarbage();
    return this.#listened();
  }

  #listened(): Made[] {
    return [...this.#signals].flatMap((ref) => {
      const signal = ref.deref();
      return signal === undefined || signal.aborted ? [] : [...this.#listeners.get(signal)!.values()];
    });
  }
}

let collect: (() => void) | undefined;

/** Frees what nobody holds; gives those who want to be told the time to take their listeners back. */
async function collectGarbage(): Promise<void> {
  collect ??= collector();
  for (let round = 0; round < 2; round++) {
    await inHostContext(() => turnOfTheLoop());
    collect();
  }
  await inHostContext(() => turnOfTheLoop());
}

function collector(): () => void {
  const bun = (globalThis as { Bun?: { gc(force: boolean): void } }).Bun;
  if (bun !== undefined) return () => bun.gc(true);
  v8.setFlagsFromString("--expose-gc");
  // The flag counts for contexts made after it was set.
  return runInNewContext("gc") as () => void;
}

/**
 * Runs `fn`, and rejects if it has left something over, though everything in it has ended: timers that are still set, abort
 * listeners on a signal that lives on, promises given to `abandonOnCancel` that have not settled, task groups that were opened and
 * not closed, code that runs on after the end of its task, tasks that were given up, and what callbacks without a context
 * have begun outside of every run. Where each was made is told in debug mode.
 *
 * Timers with `unref()` are not counted. What `fn` throws comes as it is, with the leaks suppressed on it.
 *
 * Cancellation: Not a checkpoint on entry: `fn` is called, and its first checkpoint throws.
 *
 * @throws {LeakError} If something is left over.
 * @example
 * ```ts
 * import { run } from "tasktree";
 * import { LeakError, withLeakCheck } from "tasktree/testing";
 * import assert from "node:assert";
 * let timer: NodeJS.Timeout | undefined;
 * const leaking = run(() => withLeakCheck(() => void (timer = setTimeout(() => {}, 1000))));
 * await assert.rejects(leaking, LeakError);
 * clearTimeout(timer);
 * ```
 */
export async function withLeakCheck<T>(fn: () => T | PromiseLike<T>): Promise<T> {
  let watch: LeakWatch | undefined;
  return checked(
    () =>
      withTaskGroup(
        () => {
          checkFunction("check for leaks", fn, here());
          watch = new LeakWatch(here());
          return fn();
        },
        { name: "leak check" },
      ),
    () => watch,
  );
}

/** What `run` gives, unless `watch` has found something; stops the watch. */
export async function checked<T>(run: () => Promise<T>, watch: () => LeakWatch | undefined): Promise<T> {
  let failure: { readonly thrown: unknown } | undefined;
  let value: T | undefined;
  try {
    value = await run();
  } catch (error) {
    failure = { thrown: error };
  }
  const leaks = (await watch()?.leaks()) ?? [];
  watch()?.stop();
  if (leaks.length === 0) {
    if (failure !== undefined) throw failure.thrown;
    return value as T;
  }
  const leak = new LeakError(leaks);
  if (failure === undefined) throw leak;
  if (!isObject(failure.thrown)) throw new AggregateError([failure.thrown, leak], "Failed, and left something over");
  suppress(failure.thrown, leak);
  throw failure.thrown;
}
