/**
 * Tells when the event loop is blocked: for how long, by which task, and where (rule R4).
 *
 * The main thread leaves a beat at an interval; a beat that is late makes a stall. On Node a second thread looks out for
 * that, since the first cannot. Through the inspector's protocol it has the first one evaluate an expression: V8 does so in
 * the middle of the blocked code, with that code's stack below it and its AsyncLocalStorage context around it. So the main
 * thread itself sees and prints what blocks it. Elsewhere the late beat tells, when the stall is over and its stack is gone.
 *
 * The road not taken: `Debugger.pause`. To enable a debugger makes V8 describe every script, which takes 50 ms and more of
 * the blocked thread's time; while it is enabled an `await` takes 18 times as long (Node 26); and a thread that nobody
 * resumes stands still for good, and does not even answer to signals.
 */
import { writeSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as util from "node:util";
import { isMainThread, Worker } from "node:worker_threads";
import { currentFrame } from "../core/current.ts";
import { brief } from "../errors.ts";
import { isOwn, ownFile } from "../internal/own-folder.ts";
import { describe, lateness, slot, type Orders, type Stall } from "./stall.ts";

export interface WatchEventLoopOptions {
  /** What counts as a stall: above 0, in milliseconds; default 100. */
  readonly ms?: number;
  /**
   * Told each stall when it is over, in the context of the call to `watchEventLoop`. Default: it is printed on standard
   * error, on Node while it lasts.
   */
  readonly report?: (stall: Stall) => void;
}

/** A deep recursion is told by its innermost calls. */
const longestStack = 20;

const versions: Record<string, string | undefined> = process.versions;
const onNode = versions["bun"] === undefined && versions["deno"] === undefined;

let watches = 0;

/**
 * Reports when something blocks the event loop, until it is disposed.
 *
 * On Node the default report names the task and the code while they block, again when that has lasted ten times as long, and
 * says at the end how long it was. Native code cannot look up before it returns; then what follows it may be named. A stall
 * in which no code of the program is running (Node loads modules, the machine is busy) is told from ten times `ms`.
 * With an inspector attached, in worker threads and on other runtimes stalls are told when they are over, without task and
 * stack. Does not keep the process alive. Not a checkpoint.
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
 * const end = performance.now() + 500;
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
  readonly #shared: Orders["shared"] = new BigInt64Array(new SharedArrayBuffer(24));
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #key = `tasktree.inspector.${++watches}`;
  /** The second thread. */
  #lookout: Worker | undefined = undefined;
  /** What was last seen of the stall that lasts. */
  #seen: Stall | undefined = undefined;
  #disposed = false;

  constructor(ms: number, report: ((stall: Stall) => void) | undefined) {
    this.#ms = ms;
    this.#every = Math.min(Math.max(ms / 5, 1), 50);
    this.#report = report;
    Atomics.store(this.#shared, slot.beat, process.hrtime.bigint());
    this.#timer = setInterval(() => this.#beat(), this.#every);
    this.#timer.unref();
    if (onNode) this.#post();
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    clearInterval(this.#timer);
    try {
      this.#beat();
    } finally {
      this.#withdraw();
    }
  }

  #beat(): void {
    const last = Atomics.load(this.#shared, slot.beat);
    const ms = this.#lateness();
    Atomics.store(this.#shared, slot.beat, process.hrtime.bigint());
    if (this.#lookout !== undefined && inspectorIsOpen()) this.#fallBack("an inspector is attached");
    const seen = this.#seen;
    this.#seen = undefined;
    if (ms > this.#ms) this.#stallIsOver(ms, seen, last);
  }

  #stallIsOver(ms: number, seen: Stall | undefined, beat: bigint): void {
    const told = seen !== undefined || Atomics.load(this.#shared, slot.native) === beat;
    if (!told && this.#lookout !== undefined) return;
    if (this.#report !== undefined) this.#report({ task: undefined, stack: [], ...seen, ms });
    else if (told) console.error(`tasktree: the event loop is free again after ${Math.round(ms)} ms`);
    else console.error(`tasktree: the event loop was blocked for ${Math.round(ms)} ms`);
  }

  #lateness(): number {
    return lateness(Atomics.load(this.#shared, slot.beat), process.hrtime.bigint(), this.#every);
  }

  // --- with the second thread

  #post(): void {
    if (!isMainThread) return this.#fallBack("only that of the main thread can be");
    if (inspectorIsOpen()) return this.#fallBack("an inspector is attached");
    if (!inspectorIsAllowed()) return this.#fallBack("wanted --allow-inspector");
    const key = Symbol.for(this.#key);
    Object.defineProperty(globalThis, key, { value: () => this.#look(), configurable: true });
    const orders: Orders = {
      shared: this.#shared,
      every: this.#every,
      ms: this.#ms,
      look: `globalThis[Symbol.for("${this.#key}")]?.()`,
      print: this.#report === undefined,
    };
    try {
      this.#lookout = lookoutWith(orders);
      this.#lookout.on("error", (error) => {
        if (this.#lookout !== undefined) this.#fallBack((error as Error).message);
      });
    } catch (error) {
      this.#fallBack((error as Error).message);
    }
  }

  /** Called by the second thread, in the middle of what blocks this one. */
  #look(): void {
    Atomics.add(this.#shared, slot.looks, 1n);
    const ms = this.#lateness();
    // This thread may have got on before it was reached: then what runs here is other code, and innocent.
    if (ms <= this.#ms) return;
    const task = currentFrame()?.node.task?.path;
    const stack = stackBelow(ms > 10 * this.#ms);
    if (task === undefined && stack.length === 0) return;
    this.#seen = { ms, task, stack };
    if (this.#report === undefined) print(describe(this.#seen));
  }

  #fallBack(reason: string): void {
    this.#withdraw();
    console.error(
      `tasktree: stalls are told when they are over: the stack of a blocked event loop cannot be read (${reason})`,
    );
  }

  #withdraw(): void {
    void this.#lookout?.terminate();
    this.#lookout = undefined;
    Reflect.deleteProperty(globalThis, Symbol.for(this.#key));
  }
}

function lookoutWith(orders: Orders): Worker {
  // What the program preloads, and its environment, is none of that thread's business.
  const isolated = { execArgv: [], env: {} };
  const worker = new Worker(new URL(ownFile("inspector/watchdog-worker")), {
    ...isolated,
    name: "tasktree watchdog",
    workerData: orders,
  });
  worker.unref();
  return worker;
}

function inspectorIsOpen(): boolean {
  return process.features.inspector && process.getBuiltinModule("node:inspector").url() !== undefined;
}

/** Don't leave this to the second thread: where it is not allowed, `connectToMainThread` aborts the process. */
function inspectorIsAllowed(): boolean {
  return process.permission?.has("inspector") ?? true;
}

/** What runs below the expression that the second thread evaluates; `all`: if none of it is the program's, also other code. */
function stackBelow(all: boolean): string[] {
  const sites = util.getCallSites(200);
  const below = sites.slice(sites.findIndex(({ scriptName }) => scriptName === "") + 1);
  const ofProgram = below.filter(({ scriptName }) => !scriptName.startsWith("node:") && !isOwn(scriptName));
  const shown = ofProgram.length === 0 && all ? below : ofProgram;
  return shown.slice(0, longestStack).map(line);
}

/** As V8 writes it. */
function line({ functionName, scriptName, lineNumber, columnNumber }: util.CallSiteObject): string {
  const file = scriptName.startsWith("file:") ? fileURLToPath(scriptName) : scriptName || "<anonymous>";
  const place = `${file}:${lineNumber}:${columnNumber}`;
  return functionName === "" ? `at ${place}` : `at ${functionName} (${place})`;
}

/** Past the console and the stream, which the blocked code may be in the middle of using. */
function print(text: string): void {
  try {
    writeSync(2, `${text}\n`);
  } catch {
    // Standard error is closed, or a pipe that is full: not worth failing, or waiting, for.
  }
}
