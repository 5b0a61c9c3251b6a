import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const child = fileURLToPath(new URL("../child.ts", import.meta.url));

/** One measurement in a process of its own, with more flags for Node if given; what `child.ts` says at its end. */
export async function inChild<T>(job: string[], dist: boolean, more: string[] = []): Promise<T> {
  const flags = ["--expose-gc", "--max-old-space-size=6144", ...more, child];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, ...job, ...(dist ? ["--dist"] : [])]);
  return JSON.parse(stdout.trimEnd().split("\n").at(-1)!) as T;
}
