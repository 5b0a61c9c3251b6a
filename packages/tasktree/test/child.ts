/** Runs the small programs in test/programs, each in a process of its own. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { join } from "node:path";
import { runtime } from "./runtime.ts";

/** A program that has not ended by then is killed, in milliseconds: a bound on liveness, not on speed. */
const timeLimit = 60_000;

/** How this runtime is told to run a file of the source. */
const runtimeArgs = {
  node: ["--conditions=@tasktree/source"],
  bun: ["--conditions=@tasktree/source"],
  deno: ["run", "-A", "--no-check", "--conditions=@tasktree/source"],
}[runtime];

export interface Ended {
  /** The exit code, or the name of the signal that ended it. */
  readonly code: number | NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Runs it as somebody else; only root may. */
  readonly uid?: number;
}

/** The path of a program in test/programs. */
export function program(name: string): string {
  return join(import.meta.dirname, "programs", name);
}

/** Runs a file to its end. */
export function runFile(file: string, args: readonly string[] = [], options: ChildOptions = {}): Promise<Ended> {
  return startFile(file, args, options).ended;
}

export function startFile(file: string, args: readonly string[] = [], options: ChildOptions = {}): Child {
  return new Child(file, args, options);
}

export class Child {
  readonly ended: Promise<Ended>;
  readonly #process: ChildProcess;
  #stdout = "";
  #stderr = "";

  constructor(file: string, args: readonly string[], { env, cwd, uid }: ChildOptions) {
    const inherited = { ...process.env };
    // What this suite runs under must not change what is tested.
    for (const name of ["NODE_TEST_CONTEXT", "NODE_OPTIONS", "TASKTREE_DEBUG"]) delete inherited[name];
    this.#process = spawn(process.execPath, [...runtimeArgs, file, ...args], {
      cwd,
      uid,
      env: { ...inherited, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: timeLimit,
      killSignal: "SIGKILL",
    });
    this.#process.stdout!.setEncoding("utf8").on("data", (text: string) => (this.#stdout += text));
    this.#process.stderr!.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    this.ended = once(this.#process, "close").then(([code, signal]) => ({
      code: (code as number | null) ?? endedBy(signal as NodeJS.Signals),
      stdout: this.#stdout,
      stderr: this.#stderr,
    }));
  }

  /** Resolves when its standard output holds `text`; rejects if it ends without. */
  async printed(text: string): Promise<void> {
    let over = false;
    void this.ended.then(() => (over = true));
    while (!this.#stdout.includes(text)) {
      if (over) throw new Error(`The program ended without printing "${text}"\n${this.#stdout}${this.#stderr}`);
      await Promise.race([once(this.#process.stdout!, "data"), this.ended]);
    }
  }

  /** What it has printed so far. */
  get stdout(): string {
    return this.#stdout;
  }

  kill(signal: NodeJS.Signals): void {
    process.kill(this.#process.pid!, signal);
  }
}

/** Deno gives the name of a signal for every exit code above 128. */
function endedBy(signal: NodeJS.Signals): Ended["code"] {
  return runtime === "deno" ? 128 + constants.signals[signal] : signal;
}
