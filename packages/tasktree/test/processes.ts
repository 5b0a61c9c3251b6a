/** What runs on this machine, as `/proc` tells. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { needs, proc } from "./needs.ts";

/** Options for tests that look into `/proc`. */
export const withProc: { skip: string | false } = needs(proc);

/** An argument for `sleep` that nobody else uses: about a quarter of an hour. */
export function sleepMark(): string {
  return `1000.${process.pid}${Math.random().toString().slice(2, 10)}`;
}

/** The processes that have `mark` in their arguments. */
export function withMark(mark: string): number[] {
  return pids().filter((pid) => textOf(pid, "cmdline").includes(mark) && stateOf(pid) !== "Z");
}

/** Our children that have ended and were not collected. */
export function zombies(): number[] {
  return pids().filter((pid) => stateOf(pid) === "Z" && statOf(pid)[1] === String(process.pid));
}

/** Waits in real time until `condition` holds: a bound on liveness, not on speed. */
export async function eventually(what: string, condition: () => boolean): Promise<void> {
  for (const start = performance.now(); !condition();) {
    assert.ok(performance.now() - start < 15_000, `still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** How many files, sockets and pipes this process has open. */
export function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

function pids(): number[] {
  return readdirSync("/proc").map(Number).filter(Number.isInteger);
}

function stateOf(pid: number): string | undefined {
  return statOf(pid)[0];
}

/** State, parent, group … */
export function statOf(pid: number): string[] {
  const text = textOf(pid, "stat");
  return text.slice(text.lastIndexOf(")") + 2).split(" ");
}

function textOf(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return ""; // it has ended meanwhile
  }
}
