/** A running process: its pipes, its end, and how it is ended. */
import type { ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { brief, checkOptions, InvalidStateError, ProcessError } from "../errors.ts";
import { graceIsOver, here, onForcedExit, passed, refused, shield, WaitList, type Waitable } from "../lowlevel.ts";
import type { ByteSink, ByteSource } from "../streams/index.ts";
import { fromNodeReadable, fromNodeWritable } from "../streams/node/index.ts";
import { later } from "./later.ts";
import { ProcessGroup } from "./process-group.ts";
import type { Process, ProcessExit, ProcessStatistics, SignalName } from "./process.ts";
import type { Watched } from "./watchdog.ts";

/** Those that a forced exit kills. */
const running = new Set<ProcessGroup>();
let killedOnForcedExit = false;

/** Of the platform's timers: one for longer would go off at once. */
const longestTimer = 2 ** 31 - 1;

function killAll(): void {
  const errors: unknown[] = [];
  for (const group of running) {
    try {
      group.signal("SIGKILL");
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, `Cannot kill ${errors.length} of ${running.size} processes`);
}

export class OpenedProcess implements Process, Waitable {
  readonly command: string;
  readonly pid: number;
  readonly #stdin: ByteSink | undefined;
  readonly #stdout: ByteSource | undefined;
  readonly #stderr: ByteSource | undefined;
  readonly #grace: number;
  readonly #group: ProcessGroup;
  readonly #waiters: WaitList<ProcessExit> = new WaitList(this);
  readonly #ended = Promise.withResolvers<ProcessExit>();
  /** How its first process has ended. */
  #first: ProcessExit | undefined = undefined;
  #killTimer: NodeJS.Timeout | undefined = undefined;
  #killAt = Infinity;
  #closing: Promise<void> | undefined = undefined;

  constructor(child: ChildProcess, command: string, grace: number, ownGroup: boolean, watched: Watched) {
    this.command = command;
    this.pid = child.pid!;
    this.#grace = grace;
    const named = (pipe: string) => ({ name: `the ${pipe} of ${this.#name}`, owned: true });
    this.#stdin = child.stdin === null ? undefined : fromNodeWritable(child.stdin, named("stdin"));
    this.#stdout = child.stdout === null ? undefined : fromNodeReadable(child.stdout, named("stdout"));
    this.#stderr = child.stderr === null ? undefined : fromNodeReadable(child.stderr, named("stderr"));
    this.#group = new ProcessGroup(this.pid, ownGroup, () => this.#allEnded(watched));
    watched.started(this.#group.target);
    if (!killedOnForcedExit) onForcedExit(killAll);
    killedOnForcedExit = true;
    running.add(this.#group);
    child.once("exit", (exitCode, signal) => {
      this.#first = { exitCode: exitCode ?? undefined, signal: signal ?? undefined };
      if (this.#group.leaderEnded()) this.#terminate(this.#grace);
    });
  }

  get stdin(): ByteSink {
    return this.#stdin ?? this.#noPipe("write to the stdin");
  }

  get stdout(): ByteSource {
    return this.#stdout ?? this.#noPipe("read the stdout");
  }

  get stderr(): ByteSource {
    return this.#stderr ?? this.#noPipe("read the stderr");
  }

  get exit(): ProcessExit | undefined {
    return this.#group.over ? this.#first : undefined;
  }

  wait(): Promise<ProcessExit> {
    const node = here();
    const refusal = refused(node);
    if (refusal !== undefined) return refusal;
    return this.exit === undefined ? this.#waiters.wait() : passed(this.exit, node);
  }

  async terminate(options: { readonly grace?: number } = {}): Promise<ProcessExit> {
    checkOptions("terminate a process", options);
    const { grace = this.#grace } = options;
    checkGrace(grace);
    this.#terminate(graceIsOver() ? 0 : grace);
    return await this.#waitExempt();
  }

  sendSignal(signal: SignalName): void {
    if (!Object.hasOwn(constants.signals, signal)) {
      throw new TypeError(`Cannot send ${brief(signal)} to ${this.#name}: wanted the name of a signal, as "SIGTERM"`);
    }
    this.#signal(signal as NodeJS.Signals);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  statistics(): ProcessStatistics {
    return { running: this.exit === undefined, waiting: this.#waiters.size };
  }

  describe(): string {
    return `the end of ${this.#name}`;
  }

  get #name(): string {
    return `process '${this.command}' (pid ${this.pid})`;
  }

  #noPipe(what: string): never {
    throw new InvalidStateError(`Cannot ${what} of ${this.#name}: it was not opened as "pipe"`);
  }

  /** What was stopped has to go on to hear TERM. */
  #terminate(grace: number): void {
    if (this.#group.over) return;
    const killAt = performance.now() + grace;
    if (killAt >= this.#killAt) return;
    if (this.#killAt === Infinity && grace > 0) this.#signal("SIGTERM", "SIGCONT");
    if (grace === 0) this.#signal("SIGKILL");
    clearTimeout(this.#killTimer);
    this.#killAt = killAt;
    if (grace > 0 && grace < Infinity) this.#killIn(grace);
  }

  #killIn(ms: number): void {
    const rest = ms - longestTimer;
    this.#killTimer = later(() => (rest > 0 ? this.#killIn(rest) : this.#graceIsOver()), Math.min(ms, longestTimer));
  }

  #graceIsOver(): void {
    try {
      this.#signal("SIGKILL");
    } catch (error) {
      this.#waiters.failAll(error);
    }
  }

  #signal(...signals: readonly NodeJS.Signals[]): void {
    try {
      for (const signal of signals) this.#group.signal(signal);
    } catch (cause) {
      throw new ProcessError(`Cannot send ${signals[0]!} to ${this.#name}: ${brief(cause)}`, {
        command: this.command,
        cause,
      });
    }
  }

  /** Cleanup: if it is cut, nothing is left all the same. */
  async #waitExempt(): Promise<ProcessExit> {
    if (this.exit !== undefined) return this.exit;
    if (graceIsOver()) return await this.#ended.promise;
    try {
      return await this.#waiters.wait(undefined, { exempt: true });
    } catch (error) {
      this.#terminate(0);
      await this.#ended.promise;
      throw error;
    }
  }

  #allEnded(watched: Watched): void {
    watched.over();
    running.delete(this.#group);
    clearTimeout(this.#killTimer);
    this.#ended.resolve(this.#first!);
    this.#waiters.wakeAll(this.#first!);
  }

  async #close(): Promise<void> {
    const sources = [this.#stdout, this.#stderr].filter((source) => source !== undefined);
    this.#stdin?.abort();
    const dropped = this.#group.over ? [] : sources.map(dropAll);
    try {
      await this.terminate();
    } finally {
      for (const source of sources) source.abort();
      await Promise.all(dropped);
    }
  }
}

/** Reads what nobody wants any more, so that who prints while it ends neither waits nor is told of a broken pipe. */
async function dropAll(source: ByteSource): Promise<void> {
  try {
    await shield(
      async () => {
        while ((await source.read()) !== undefined);
      },
      { timeout: Infinity },
    );
  } catch {
    // closed, or somebody else reads it
  }
}

/** @throws {RangeError} If `grace` is not milliseconds from 0. */
export function checkGrace(grace: unknown): asserts grace is number {
  if (typeof grace === "number" && grace >= 0) return;
  throw new RangeError(`Cannot use ${brief(grace)} as the grace of a process: wanted milliseconds from 0`);
}
