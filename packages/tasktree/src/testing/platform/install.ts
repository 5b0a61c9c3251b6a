/**
 * The patches, in place while somebody wants them: who gets which time, and who is told of what was set.
 *
 * Named imports of a built-in module follow on Node alone (`syncBuiltinESMExports`); the globals, and what is read from the
 * module when it is called, follow everywhere.
 */
import module from "node:module";
import timersModule from "node:timers";
import timersPromises from "node:timers/promises";
import { promisify } from "node:util";
import { currentFrame, type Frame } from "../../core/current.ts";
import { belowAmbient } from "../../ambient/on-top.ts";
import { InvalidStateError } from "../../errors.ts";
import { patch } from "../../internal/patch.ts";
import type { VirtualClock } from "../virtual-clock.ts";
import { intervalBy, sleepBy } from "./timers-promises.ts";
import { virtualDate } from "./virtual-date.ts";
import { timerMs, VirtualTimer, VirtualTimers } from "./virtual-timers.ts";

type Callback = (...args: never[]) => unknown;
type SetTimer = (callback: Callback, ms: unknown, ...args: unknown[]) => TimerHandle;

/** What `setTimeout` or `setInterval` has given. */
export interface TimerHandle {
  hasRef(): boolean;
  /** As all runtimes have it: whether it is over, or was cleared. */
  readonly _destroyed?: boolean;
}

/** Wants to know what code in some contexts sets. */
export interface PlatformWatch {
  covers(frame: Frame | undefined): boolean;
  timerSet(timer: TimerHandle, what: string): void;
  promiseMade(promise: Promise<unknown>, what: string): void;
  listenerAdded(signal: AbortSignal, listener: unknown): void;
  /** Called in any context. */
  listenerRemoved(signal: AbortSignal, listener: unknown): void;
}

interface Installation {
  readonly clock: VirtualClock;
  readonly covers: (frame: Frame | undefined) => boolean;
  readonly timers: VirtualTimers;
}

const installations: Installation[] = [];
const watches = new Set<PlatformWatch>();
let unpatch: (() => void) | undefined;

/**
 * Lets code whose frame is covered go by `clock` where it asks the platform for the time, until the returned function is
 * called; what it has set then never happens. There may be several, one clock at most once; where they overlap, the last counts.
 *
 * @throws {InvalidStateError} If `clock` has the platform already.
 */
export function installPlatform(clock: VirtualClock, covers: (frame: Frame | undefined) => boolean): () => void {
  if (installations.some((other) => other.clock === clock))
    throw new InvalidStateError("Cannot install the platform on this clock: it goes by it already");
  const installation = { clock, covers, timers: new VirtualTimers(clock) };
  installations.push(installation);
  wanted();
  return function uninstallPlatform() {
    const place = installations.indexOf(installation);
    if (place < 0) return;
    installations.splice(place, 1);
    installation.timers.close();
    wanted();
  };
}

/** Tells `watch` of what is set, until the returned function is called. */
export function watchPlatform(watch: PlatformWatch): () => void {
  watches.add(watch);
  wanted();
  return function unwatchPlatform() {
    watches.delete(watch);
    wanted();
  };
}

function wanted(): void {
  const isWanted = installations.length + watches.size > 0;
  if (isWanted) {
    unpatch ??= belowAmbient(patchAll);
  } else if (unpatch !== undefined) {
    belowAmbient(unpatch);
    unpatch = undefined;
  }
}

function installationHere(): Installation | undefined {
  const frame = currentFrame();
  return frame === undefined ? undefined : installations.findLast(({ covers }) => covers(frame));
}

function timeHere(): number | undefined {
  return installationHere()?.clock.now();
}

function tellWatches(tell: (watch: PlatformWatch) => void): void {
  if (watches.size === 0) return;
  const frame = currentFrame();
  for (const watch of watches) if (watch.covers(frame)) tell(watch);
}

// --- what stands in place of the platform's functions; each goes on to what it has replaced

function patchAll(): () => void {
  const promises = patchedPromises();
  const functions = patchedTimers(promises);
  const undo = [
    ...Object.entries(functions).flatMap(([name, value]) => [
      patch(globalThis, name, value),
      patch(timersModule, name, value),
    ]),
    ...Object.entries(promises.functions).map(([name, value]) => patch(timersPromises, name, value)),
    patch(timersPromises.scheduler, "wait", promises.wait),
    ...patchedDate(),
    ...patchedSignals(),
  ];
  module.syncBuiltinESMExports?.();
  return () => {
    for (const put of undo.toReversed()) put();
    module.syncBuiltinESMExports?.();
  };
}

type Promises = ReturnType<typeof patchedPromises>;

function patchedTimers(promises: Promises): Record<string, unknown> {
  const real = {
    setTimeout: globalThis.setTimeout as unknown as SetTimer,
    setInterval: globalThis.setInterval as unknown as SetTimer,
    setImmediate: globalThis.setImmediate,
    clearTimeout: globalThis.clearTimeout,
    clearInterval: globalThis.clearInterval,
  };

  function setTimer(kind: "setTimeout" | "setInterval", callback: Callback, ms: unknown, args: unknown[]): unknown {
    const timers = typeof callback === "function" ? installationHere()?.timers : undefined;
    const timer =
      timers?.set({ callback, ms: timerMs(ms), args, repeats: kind === "setInterval" }) ??
      real[kind](callback, ms, ...args);
    tellWatches((watch) => watch.timerSet(timer, `${kind} of ${timerMs(ms)} ms`));
    return timer;
  }

  // Methods: declarations of these names would get others in the published build.
  const functions = {
    setTimeout(callback: Callback, ms?: unknown, ...args: unknown[]): unknown {
      return setTimer("setTimeout", callback, ms, args);
    },

    setInterval(callback: Callback, ms?: unknown, ...args: unknown[]): unknown {
      return setTimer("setInterval", callback, ms, args);
    },

    setImmediate(callback: Callback, ...args: never[]): unknown {
      const timers = typeof callback === "function" ? installationHere()?.timers : undefined;
      if (timers === undefined) return real.setImmediate(callback, ...args);
      return real.setImmediate(() => {
        timers.steps++;
        callback(...args);
      });
    },
  };

  function clear(kind: "clearTimeout" | "clearInterval", timer: unknown): void {
    const virtual = timer instanceof VirtualTimer ? timer : timerOfNumber(timer);
    if (virtual === undefined) real[kind](timer as NodeJS.Timeout | undefined);
    else virtual.close();
  }

  Object.defineProperty(functions.setTimeout, promisify.custom, {
    get: () => promises.functions.setTimeout,
    enumerable: true,
  });
  Object.defineProperty(functions.setImmediate, promisify.custom, {
    get: () => promises.functions.setImmediate,
    enumerable: true,
  });
  return {
    ...functions,
    clearTimeout: (timer: unknown): void => clear("clearTimeout", timer),
    clearInterval: (timer: unknown): void => clear("clearInterval", timer),
  };
}

function timerOfNumber(id: unknown): VirtualTimer | undefined {
  if (typeof id !== "number" && typeof id !== "string") return undefined;
  for (const { timers } of installations) {
    const timer = timers.byId(id);
    if (timer !== undefined) return timer;
  }
  return undefined;
}

interface PromiseOptions {
  readonly signal?: AbortSignal;
  readonly ref?: boolean;
}

function patchedPromises() {
  const real = { ...timersPromises };

  const functions = {
    setTimeout<T>(ms?: number, value?: T, options?: PromiseOptions): Promise<T> {
      const timers = installationHere()?.timers;
      const promise =
        timers === undefined
          ? real.setTimeout(ms, value, options)
          : sleepBy(timers, real.setTimeout, ms, value as T, options);
      if (options?.ref !== false)
        tellWatches((watch) => watch.promiseMade(promise, `setTimeout of node:timers/promises, of ${timerMs(ms)} ms`));
      return promise;
    },

    setInterval<T>(ms?: number, value?: T, options?: PromiseOptions): AsyncIterable<T> {
      const timers = installationHere()?.timers;
      if (timers === undefined) return real.setInterval(ms, value, options);
      return intervalBy(timers, real.setTimeout, ms, value as T, options);
    },

    setImmediate<T>(value?: T, options?: PromiseOptions): Promise<T> {
      const timers = installationHere()?.timers;
      const promise = real.setImmediate(value, options);
      if (timers === undefined) return promise;
      return promise.finally(() => timers.steps++);
    },
  };

  function wait(ms: number, options?: PromiseOptions): Promise<void> {
    return functions.setTimeout(ms, undefined, options);
  }

  return { functions, wait };
}

function patchedDate(): (() => void)[] {
  const real = Date;
  const realNow = Date.now;
  const { now: realPerformanceNow } = performance;
  const date = virtualDate(real, () => whole(timeHere()));
  return [
    patch(globalThis, "Date", date),
    patch(real.prototype, "constructor", date),
    patch(real, "now", function now(): number {
      return whole(timeHere()) ?? realNow.call(real);
    }),
    patch(performance, "now", function now(): number {
      return timeHere() ?? realPerformanceNow.call(performance);
    }),
  ];
}

/** Dates count in whole milliseconds. */
function whole(time: number | undefined): number | undefined {
  return time === undefined ? undefined : Math.floor(time);
}

function patchedSignals(): (() => void)[] {
  const { timeout: realTimeout } = AbortSignal;
  const { addEventListener: add, removeEventListener: remove } = AbortSignal.prototype;

  function timeout(ms: number): AbortSignal {
    const timers = ms >= 0 && ms <= Number.MAX_SAFE_INTEGER ? installationHere()?.timers : undefined;
    if (timers === undefined) return realTimeout.call(AbortSignal, ms);
    const controller = new AbortController();
    const abort = (): void =>
      controller.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError"));
    timers.set({ callback: abort, ms });
    return controller.signal;
  }

  function addEventListener(this: AbortSignal, ...args: Parameters<AbortSignal["addEventListener"]>): void {
    add.apply(this, args);
    if (args[0] === "abort" && !this.aborted) tellWatches((watch) => watch.listenerAdded(this, args[1]));
  }

  function removeEventListener(this: AbortSignal, ...args: Parameters<AbortSignal["removeEventListener"]>): void {
    remove.apply(this, args);
    if (args[0] === "abort") for (const watch of watches) watch.listenerRemoved(this, args[1]);
  }

  return [
    patch(AbortSignal, "timeout", timeout),
    patch(AbortSignal.prototype, "addEventListener", addEventListener),
    patch(AbortSignal.prototype, "removeEventListener", removeEventListener),
  ];
}
