/** What a run does to its process, and takes back: signals, the deadlock report, errors that nobody awaited (R1 to R3, R6). */
import { DeadlockError } from "../errors.ts";
import { Alarm, hostClock } from "./clock.ts";
import { currentFrame, inHostContext } from "./current.ts";
import { deadlockReport, dumpTree, tasksOf } from "./dump.ts";
import type { Root } from "./root.ts";

type SignalName = "SIGINT" | "SIGTERM";

const signalNumbers: Record<SignalName, number> = { SIGINT: 2, SIGTERM: 15 };

/** After the last cut, code needs a moment to end by itself, in milliseconds. */
const lastMoment = 100;
/** Debug mode reports a tree in which nothing has moved for so long, in milliseconds. */
const quietAfter = 5000;

/** The run that owns the process. */
let owner: Host | undefined;
/** Whether a signal has ended a run of this process. */
let signalled = false;
/** How many runs there are. */
let attached = 0;
/** What is to be done before a forced exit. */
const lastCalls = new Set<() => void>();

export class Host {
  /** Resolves when there is no point in waiting for the tree any longer. */
  readonly gaveUp: Promise<true>;
  deadlock: DeadlockError | undefined = undefined;
  readonly #root: Root;
  readonly #drainMs: number;
  #giveUp!: (value: true) => void;
  #signal: SignalName | undefined = undefined;
  readonly #alarm: Alarm = new Alarm(this);
  readonly #quiet: Alarm = new Alarm(this, false);
  #lastSteps = -1;
  #told = false;

  static attach(root: Root, host: boolean | undefined, drainMs: number): Host {
    const instance = new Host(root, drainMs);
    if (attached++ === 0) listenForErrors();
    if (owner === undefined && (host ?? (root.clock === hostClock && isMainThread()))) instance.#own();
    return instance;
  }

  private constructor(root: Root, drainMs: number) {
    this.#root = root;
    this.#drainMs = drainMs;
    const { promise, resolve } = Promise.withResolvers<true>();
    this.gaveUp = promise;
    this.#giveUp = resolve;
  }

  get root(): Root {
    return this.#root;
  }

  #own(): void {
    owner = this;
    process.on("SIGINT", this.#onSignal);
    process.on("SIGTERM", this.#onSignal);
    process.on("beforeExit", this.#onBeforeExit);
    if (this.#root.debug) this.#watch();
  }

  detach(): void {
    this.#root.clock.clear(this.#alarm);
    this.#root.clock.clear(this.#quiet);
    if (--attached === 0) stopListeningForErrors();
    if (owner !== this) return;
    owner = undefined;
    process.off("SIGINT", this.#onSignal);
    process.off("SIGTERM", this.#onSignal);
    process.off("beforeExit", this.#onBeforeExit);
  }

  /** After a shutdown by signal: what foreign code has left open (a connecting socket, say) soon holds the process no more. */
  static letGo(): void {
    if (signalled) inHostContext(() => setTimeout(() => process.exit(), lastMoment).unref());
  }

  // --- signals

  readonly #onSignal = (signal: SignalName): void => {
    if (this.#signal !== undefined) return this.#forceExit();
    this.#signal = signal;
    signalled = true;
    process.exitCode = 128 + signalNumbers[signal];
    const { node, clock, grace } = this.#root;
    node.drain(this.#drainMs);
    clock.set(this.#alarm, clock.now() + this.#drainMs + grace + lastMoment);
  };

  #forceExit(): void {
    for (const call of lastCalls) makeLastCall(call);
    console.error(`tasktree: gave up what is still alive:\n${dumpTree(this.#root)}`);
    process.exit(128 + signalNumbers[this.#signal!]);
  }

  ring(alarm: Alarm): void {
    if (alarm === this.#alarm) this.#forceExit();
    else this.#watch();
  }

  // --- deadlocks

  /** The process would end now, and the tree has not: nothing can wake what still waits. */
  readonly #onBeforeExit = (): void => {
    // Keeps the loop going once more: cleanup begins in a microtask, and a second silence means that it hangs.
    setImmediate(() => {});
    if (this.deadlock !== undefined) return this.#giveUp(true);
    const report = deadlockReport(this.#root);
    this.deadlock = new DeadlockError(`Deadlock: nothing can wake what still waits\n${report}`, { report });
    this.#root.node.cancelAs("deadlock");
  };

  /** In debug mode: a socket or stdin may keep a process alive in which nothing will ever move. */
  #watch(): void {
    const { clock } = this.#root;
    const moved = clock.steps !== this.#lastSteps || clock.holding > 0;
    if (moved) this.#told = false;
    else if (!this.#told && tasksOf(this.#root)[Symbol.iterator]().next().done !== true) {
      this.#told = true;
      console.error(`tasktree: nothing has moved for ${quietAfter} ms:\n${deadlockReport(this.#root)}`);
    }
    this.#lastSteps = clock.steps;
    clock.set(this.#quiet, clock.now() + quietAfter);
  }
}

/**
 * Calls `fn` when a run gives up what is alive and exits the process (rule R2), for what must not outlive it. `fn` cannot wait; what
 * it throws is printed. The returned function takes it back. Not a checkpoint.
 */
export function onForcedExit(fn: () => void): () => void {
  lastCalls.add(fn);
  return () => void lastCalls.delete(fn);
}

function makeLastCall(call: () => void): void {
  try {
    call();
  } catch (error) {
    console.error(error);
  }
}

function isMainThread(): boolean {
  return process.getBuiltinModule?.("node:worker_threads")?.isMainThread ?? true;
}

// --- errors that nobody awaited

function listenForErrors(): void {
  process.on("unhandledRejection", onUnhandledRejection);
  process.on("uncaughtException", onUncaughtException);
}

function stopListeningForErrors(): void {
  process.off("unhandledRejection", onUnhandledRejection);
  process.off("uncaughtException", onUncaughtException);
}

function onUnhandledRejection(error: unknown, promise: Promise<unknown>): void {
  attribute("unhandledRejection", error, promise);
}

function onUncaughtException(error: unknown): void {
  attribute("uncaughtException", error);
}

/** Brings `error` to the task in whose context it happened, to the owner of the process, or back to the runtime. */
function attribute(
  event: "unhandledRejection" | "uncaughtException",
  error: unknown,
  promise?: Promise<unknown>,
): void {
  const frame = currentFrame();
  if (frame?.turn?.over === true) frame.node.root.lateFailure(error, frame.node.parent, { ended: true });
  else if (frame !== undefined) frame.node.root.lateFailure(error, frame.node, { promise });
  else if (process.listenerCount(event as "uncaughtException") > 1) return;
  else if (owner !== undefined && !owner.root.node.ended) owner.root.lateFailure(error, undefined);
  else handBack(error);
}

/** As if we had not listened. */
function handBack(error: unknown): void {
  stopListeningForErrors();
  inHostContext(() =>
    setImmediate(() => {
      throw error;
    }),
  );
}
