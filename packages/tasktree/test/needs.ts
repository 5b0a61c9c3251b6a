/** What some tests need of the machine. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** Options for a test that needs something of the machine: skips it, saying why, where that is missing; never with CI=true. */
export function needs(...missing: readonly (string | undefined)[]): { skip: string | false } {
  const reasons = missing.filter((reason) => reason !== undefined);
  return { skip: process.env["CI"] !== "true" && reasons.length > 0 ? reasons.join("; ") : false };
}

export const root: string | undefined = process.getuid?.() === 0 ? undefined : "needs root: run it as root";

export const proc: string | undefined = existsSync("/proc/self/fd") ? undefined : "needs /proc: run it on Linux";

/** A program that Debian has in `package`. */
export function program(name: string, pack: string): string | undefined {
  if (spawnSync(name, ["--version"]).error === undefined) return undefined;
  return `needs ${name}: apt-get install ${pack}`;
}
