import { checkFunction, checkGrace, checkMilliseconds, checkOptions } from "./check.ts";
import { brief, DeadlockError, InvalidStateError, isObject, suppress, WorkCancelledError } from "../errors.ts";
import type { ClockDriver } from "./clock.ts";
import { currentFrame, here, implicitRoot } from "./current.ts";
import type { GroupNode } from "./group.ts";
import { Host } from "./host.ts";
import type { Instrument } from "./instrument.ts";
import { debugByEnvironment, Root, type RootOptions } from "./root.ts";

export interface RunOptions extends RootOptions {
  /**
   * Whether this run owns the process: signals, exit code, deadlock reports, rejections that belong to no task. Default:
   * the first run of the main thread does, while it lasts, unless it has a clock of its own, as in tests.
   */
  readonly host?: boolean;
  /** How long, after SIGINT or SIGTERM, the tree may drain before it is cancelled, in milliseconds; default 0. */
  readonly drainMs?: number;
  /** For the root's part in paths and reports; default "main". */
  readonly name?: string;
}

/**
 * Runs `main` as the first task of a new tree, and resolves with its value when everything in the tree has ended.
 *
 * As host it answers the first SIGINT or SIGTERM by draining, then cancelling the tree; when grace is over, or at a second
 * signal, it gives up what is alive, prints it and exits the process.
 *
 * @throws {InvalidStateError} If called inside a task or scope.
 * @throws {WorkCancelledError} If the tree was shut down before `main` returned.
 * @throws {DeadlockError} If nothing could wake what still waited.
 * @example
 * ```ts
 * import { run, sleep } from "tasktree";
 * import assert from "node:assert";
 * const value = await run(async () => {
 *   await sleep(1);
 *   return 42;
 * });
 * assert.equal(value, 42);
 * ```
 */
export async function run<T>(main: () => T | PromiseLike<T>, options: RunOptions = {}): Promise<T> {
  const frame = currentFrame();
  if (frame !== undefined && !frame.node.root.node.ended && frame.node !== implicitRoot()) {
    throw new InvalidStateError(
      `Cannot run inside '${frame.node.path}': open a group there, or call run outside of every task`,
    );
  }
  checkFunction("run", main, here());
  checkRunOptions(options);
  const root = new Root({ ...options, debug: options.debug ?? debugByEnvironment() });
  const host = Host.attach(root, options.host, options.drainMs ?? 0);
  try {
    return await runIn(root, main, options.name ?? "main", host);
  } finally {
    host.detach();
  }
}

async function runIn<T>(root: Root, main: () => T | PromiseLike<T>, name: string, host: Host): Promise<T> {
  const group = root.node;
  const task = group.spawn(main, { name });
  const gaveUp = await Promise.race([group.finishRoot(task), host.gaveUp]);
  if (host.deadlock !== undefined) throw withFailures(host.deadlock, group);
  if (gaveUp !== undefined || group.failed) throw group.failure;
  const outcome = await task.outcome();
  if (outcome.status === "ok") return outcome.value;
  if (group.own === undefined) throw outcome.error;
  throw new WorkCancelledError("The run was shut down before main returned", { cause: group.own.error });
}

/** What failed while a deadlock was being unwound is listed on its error. */
function withFailures(deadlock: DeadlockError, group: GroupNode): DeadlockError {
  if (group.failed) suppress(deadlock, group.failure);
  return deadlock;
}

function checkRunOptions(options: RunOptions): void {
  checkOptions("run", options);
  checkGrace(options.grace);
  if (options.drainMs !== undefined) {
    checkMilliseconds("drainMs", options.drainMs, undefined);
    if (options.drainMs < 0)
      throw new RangeError(`Cannot use ${options.drainMs} as drainMs: wanted milliseconds from 0`);
  }
  const { clock, instruments } = options;
  if (clock !== undefined && typeof (clock as Partial<ClockDriver> | null)?.now !== "function") {
    throw new TypeError(`Cannot use ${brief(clock)} as clock: wanted a clock, as new VirtualClock()`);
  }
  if (
    instruments !== undefined &&
    typeof (instruments as { [Symbol.iterator]?: unknown } | null)?.[Symbol.iterator] !== "function"
  ) {
    throw new TypeError(`Cannot use ${brief(instruments)} as instruments: wanted an array of instruments`);
  }
  if (options.onStuck !== undefined && options.onStuck !== "wait" && options.onStuck !== "abandon") {
    throw new TypeError(`Cannot use ${brief(options.onStuck)} as onStuck: wanted "wait" or "abandon"`);
  }
}

/**
 * As {@link run}, for a program's outermost call: prints what `main` failed with, and sets the exit code: 0 done, 1 failed,
 * 70 deadlock, 128+n after signal n. After a signal, once the tree has ended, the process ends too.
 */
export async function runMain<T>(main: () => T | PromiseLike<T>, options: RunOptions = {}): Promise<T | undefined> {
  try {
    return await run(main, options);
  } catch (error) {
    report(error);
    return undefined;
  } finally {
    Host.letGo();
  }
}

function report(error: unknown): void {
  if (error instanceof WorkCancelledError && error.why === "shutdown") return;
  if (error instanceof DeadlockError) {
    console.error(error.message);
    process.exitCode = 70;
  } else {
    console.error(error);
    process.exitCode ||= 1;
  }
}

/** Tells `instrument` what happens on the current run's tree, until the returned function is called. */
export function addInstrument(instrument: Instrument): () => void {
  if (!isObject(instrument)) throw new TypeError(`Cannot add ${brief(instrument)} as instrument: wanted an object`);
  return here().root.addInstrument(instrument);
}
