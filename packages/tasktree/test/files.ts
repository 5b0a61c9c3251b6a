/** Folders, pipes and descriptors for the tests of files. */
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readdirSync, readlinkSync } from "node:fs";
import fs, { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs a test in a folder of its own. */
export function inFolder(use: (folder: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = await mkdtemp(join(tmpdir(), "tasktree-test-"));
    try {
      await use(folder);
    } finally {
      await rm(folder, { recursive: true });
    }
  };
}

/** A named pipe: who opens one end waits for the other. */
export interface Pipe {
  readonly path: string;
  /** Lets go on who waits for another end, with nothing to read, until `condition` holds. */
  releaseUntil(condition: () => boolean, what: string): Promise<void>;
}

export function makePipe(folder: string): Pipe {
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  // again and again: who waits may not have come yet
  const release = (): void => closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
  return {
    path,
    releaseUntil: (condition, what) =>
      until(() => {
        release();
        return condition();
      }, what),
  };
}

/** How many files of a folder this process has open. */
export function openIn(folder: string): number {
  return readdirSync("/proc/self/fd").filter((fd) => linkOf(fd)?.startsWith(folder)).length;
}

function linkOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined; // the one of the listing itself
  }
}

/** Waits for what goes on alone, a turn of the event loop at least: a bound on liveness, not on speed. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 10_000; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (condition()) return;
  }
  throw new Error(`It never came about: ${what}`);
}

type Methods = Record<string, (...args: unknown[]) => unknown>;

const calls = ["realpath", "stat", "open", "opendir", "rename", "rm", "mkdtemp"];
const callsOfHandles = ["stat", "read", "write", "chmod", "chown", "sync", "close"];

/** Calls `see` before each call of the file system that the library makes; what it throws is what the call fails with. */
export function watchCalls(see: (name: string) => void): Disposable {
  const before = Object.fromEntries(calls.map((name) => [name, (fs as unknown as Methods)[name]!]));
  watch(fs as unknown as Methods, calls, see, (opened) => watch(opened as Methods, callsOfHandles, see));
  return { [Symbol.dispose]: () => void Object.assign(fs, before) };
}

function watch(
  on: Methods,
  names: readonly string[],
  see: (name: string) => void,
  opened?: (what: unknown) => void,
): void {
  for (const name of names) {
    const call = on[name]!.bind(on);
    on[name] = async function watched(...args: unknown[]) {
      try {
        see(name);
      } catch (error) {
        // as the system does it: what fails to close is closed nevertheless
        if (name === "close") await call(...args);
        throw error;
      }
      const result = await call(...args);
      if (name === "open") opened?.(result);
      return result;
    };
  }
}
