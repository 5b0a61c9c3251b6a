/**
 * Tells when the event loop is blocked: for how long, by which task, and where (rule R4).
 *
 * The main thread leaves a beat at an interval; a beat that is late makes a stall. On Node a second thread looks out for
 * that, since the first cannot: through the inspector's protocol it pauses the blocked code, reads its stack, has it say
 * which task it is (evaluated there, AsyncLocalStorage answers as it would to the blocked code), prints that, and lets it go
 * on. Elsewhere the late beat itself tells, when the stall is over and its stack is gone.
 *
 * The road not taken: a session that stays. An enabled debugger has V8 keep books on every function and promise.
 */
import { isMainThread, MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from "node:worker_threads";
import { currentFrame } from "../core/current.ts";
import { brief } from "../errors.ts";
import { describe, lateness, type Beats, type Orders, type Sighting, type Stall } from "./stall.ts";

export interface WatchEventLoopOptions {
  /** What counts as a stall: above 0, in milliseconds; default 100. */
  readonly ms?: number;
  /**
   * Told each stall when it is over, in the context of the call to `watchEventLoop`. Default: it is printed on standard
   * error, on Node while it lasts.
   */
  readonly report?: (stall: Stall) => void;
}

const versions: Record<string, string | undefined> = process.versions;
const onNode = versions["bun"] === undefined && versions["deno"] === undefined;

let watches = 0;

/**
 * Reports when something blocks the event loop, until it is disposed.
 *
 * On Node the default report names the task and the code while they block, again when that has lasted ten times as long, and
 * says at the end how long it was. Native code can be looked at only when it returns; then code that follows may be named. A stall in which no code of the program is running (Node loads modules, the machine is
 * busy) is told from ten times `ms`. With a debugger attached, in worker threads and on other runtimes stalls are
 * reported when they are over, without task and stack. Does not keep the process alive. Not a checkpoint.
 *
 * @throws {RangeError} If `ms` is not above 0.
 * @example
 * ```ts
 * import { watchEventLoop, type Stall } from "tasktree/inspector";
 * import { setTimeout } from "node:timers/promises";
 * import assert from "node:assert";
 * const stalls: Stall[] = [];
 * const watch = watchEventLoop({ ms: 50, report: (stall) => stalls.push(stall) });
 * await setTimeout(100);
 * const end = performance.now() + 200;
 * while (performance.now() < end);
 * watch[Symbol.dispose]();
 * assert(stalls[0]!.ms > 50);
 * ```
 */
export function watchEventLoop(options: WatchEventLoopOptions = {}): Disposable {
  const { ms = 100, report } = options;
  if (!(ms > 0)) throw new RangeError(`Cannot watch for stalls of ${brief(ms)} ms: wanted a number above 0`);
  return new Watchdog(ms, report);
}

class Watchdog implements Disposable {
  readonly #ms: number;
  readonly #every: number;
  readonly #report: ((stall: Stall) => void) | undefined;
  readonly #beats: Beats = new BigInt64Array(new SharedArrayBuffer(8));
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #key = `tasktree.inspector.${++watches}`;
  #lookout: Lookout | undefined = undefined;
  #over = false;

  constructor(ms: number, report: ((stall: Stall) => void) | undefined) {
    this.#ms = ms;
    this.#every = Math.min(Math.max(ms / 5, 1), 50);
    this.#report = report;
    this.#beats[0] = process.hrtime.bigint();
    this.#timer = setInterval(() => this.#beat(), this.#every);
    this.#timer.unref();
    if (onNode) this.#post();
  }

  [Symbol.dispose](): void {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#timer);
    try {
      this.#beat();
    } finally {
      this.#withdraw();
    }
  }

  #beat(): void {
    const last = Atomics.load(this.#beats, 0);
    const now = process.hrtime.bigint();
    Atomics.store(this.#beats, 0, now);
    if (this.#lookout !== undefined && inspectorIsOpen()) this.#fallBack("an inspector is attached");
    const ms = lateness(last, now, this.#every);
    if (ms > this.#ms) this.#stallIsOver(last, ms);
  }

  #stallIsOver(beat: bigint, ms: number): void {
    const seen = this.#lookout?.sightingOf(beat);
    if (seen !== undefined && "unavailable" in seen) this.#fallBack(seen.unavailable);
    if (this.#lookout === undefined) this.#tell({ ms, task: undefined, stack: [] });
    else if (seen !== undefined && "stack" in seen) this.#tell({ ms, task: seen.task, stack: seen.stack });
  }

  #tell(stall: Stall): void {
    if (this.#report !== undefined) this.#report(stall);
    else if (this.#lookout === undefined) console.error(describe(stall, "was"));
    else console.error(`tasktree: the event loop is free again after ${Math.round(stall.ms)} ms`);
  }

  // --- the second thread

  #post(): void {
    if (!isMainThread) return this.#fallBack("only that of the main thread can be");
    if (inspectorIsOpen()) return this.#fallBack("an inspector is attached");
    Object.defineProperty(globalThis, Symbol.for(this.#key), { value: runningTask, configurable: true });
    try {
      this.#lookout = new Lookout({
        beats: this.#beats,
        every: this.#every,
        ms: this.#ms,
        print: this.#report === undefined,
        taskPath: `globalThis[Symbol.for("${this.#key}")]()`,
      });
      this.#lookout.worker.on("error", (error) => {
        if (this.#lookout !== undefined) this.#fallBack((error as Error).message);
      });
    } catch (error) {
      this.#fallBack((error as Error).message);
    }
  }

  #fallBack(reason: string): void {
    this.#withdraw();
    console.error(
      `tasktree: stalls are told when they are over: the stack of a blocked event loop cannot be read (${reason})`,
    );
  }

  #withdraw(): void {
    void this.#lookout?.worker.terminate();
    this.#lookout = undefined;
    Reflect.deleteProperty(globalThis, Symbol.for(this.#key));
  }
}

/** The second thread, seen from the first. */
class Lookout {
  readonly worker: Worker;
  readonly #port: MessagePort;

  constructor(orders: Omit<Orders, "ownFolder" | "port">) {
    const { port1, port2 } = new MessageChannel();
    const file = import.meta.url.endsWith(".ts") ? "./watchdog-worker.ts" : "./watchdog-worker.js";
    const ownFolder = new URL("..", import.meta.url).href;
    // What the program preloads, and its environment, is none of that thread's business.
    this.worker = new Worker(new URL(file, import.meta.url), {
      name: "tasktree watchdog",
      execArgv: [],
      env: {},
      workerData: { ...orders, ownFolder, port: port2 },
      transferList: [port2],
    });
    this.worker.unref();
    this.#port = port1;
  }

  /** What was last seen in the stall since `beat`. Read without waiting: it was sent before the blocked code went on. */
  sightingOf(beat: bigint): Sighting | undefined {
    let seen: Sighting | undefined;
    for (let next = this.#next(); next !== undefined; next = this.#next()) if (next.beat === beat) seen = next;
    return seen;
  }

  #next(): Sighting | undefined {
    return receiveMessageOnPort(this.#port)?.message;
  }
}

/** Called by the second thread in the context of the blocked code. */
function runningTask(): string | undefined {
  return currentFrame()?.node.task?.path;
}

function inspectorIsOpen(): boolean {
  return process.features.inspector && process.getBuiltinModule("node:inspector").url() !== undefined;
}
