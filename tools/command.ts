/** Runs commands and gives back what they printed. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { root, shown } from "./source.ts";

export interface Outcome {
  readonly ok: boolean;
  /** "exit code 1", or the name of a signal. */
  readonly ending: string;
  /** Standard output alone; `output` has both, as they came. */
  readonly stdout: string;
  readonly output: string;
  readonly timedOut: boolean;
  readonly ms: number;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Milliseconds until the command and all it started are killed. */
  readonly timeout?: number;
}

const alive = new Set<number>();
process.on("exit", () => alive.forEach(kill));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

/** Runs a program; never rejects. Tools of this repository are found by name. */
export function command(file: string, args: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
  const { cwd = root, env = {}, timeout = 600_000 } = options;
  const path = `${join(root, "node_modules/.bin")}${delimiter}${process.env["PATH"]}`;
  const started = performance.now();
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const child = spawn(file, args, {
    cwd,
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined, NODE_TEST_CONTEXT: undefined, PATH: path, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // a process group of its own: a time limit ends the grandchildren too
  });
  let [stdout, output, timedOut] = ["", "", false];
  child.stdout.setEncoding("utf8").on("data", (text: string) => ((stdout += text), (output += text)));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
  if (child.pid !== undefined) alive.add(child.pid);
  const timer = setTimeout(() => {
    timedOut = true;
    kill(child.pid!);
  }, timeout);
  child.on("error", (error) => (output += `Cannot run ${file}: ${error.message}\n`));
  child.on("close", (code, signal) => {
    clearTimeout(timer);
    if (child.pid !== undefined) alive.delete(child.pid);
    if (timedOut) output += `\nKilled after ${timeout / 1000} s\n`;
    resolve({
      ok: code === 0,
      ending: signal ?? `exit code ${code}`,
      stdout,
      output,
      timedOut,
      ms: performance.now() - started,
    });
  });
  return promise;
}

function kill(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // it has just ended
  }
}

/** Runs `fn` over the items, `limit` at a time; the results are in the items' order. */
export async function mapLimited<T, R>(limit: number, items: readonly T[], fn: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const entries = items.entries();
  async function work(): Promise<void> {
    for (const [index, item] of entries) results[index] = await fn(item);
  }
  await Promise.all(Array.from({ length: limit }, work));
  return results;
}

/** Installs the packages of a folder that has a lock file of its own, if that was not done yet. */
export async function installed(folder: string): Promise<string> {
  const path = join(root, folder);
  if (!existsSync(join(path, "node_modules"))) {
    console.log(`installing ${shown(path)} …`);
    const { ok, output } = await command("npm", ["ci", "--prefix", path]);
    if (!ok) throw new Error(`Cannot install ${shown(path)}:\n${output}`);
  }
  return join(path, "node_modules");
}
