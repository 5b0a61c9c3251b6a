/**
 * Runs the suite on a runtime other than the pinned Node: `node tools/runtimes.ts node24|bun|deno [files…]`.
 * The binaries (Linux x64) are pinned in tools/runtimes/package.json and installed when missing.
 */
import { join } from "node:path";
import { command, installed } from "./command.ts";
import { filesIn, root, stop } from "./source.ts";
import { runner } from "./test.ts";

const condition = "--conditions=@tasktree/source";

const ofPackages = "packages/*/{src,test}/**/*.test.ts";
const ofExamples = "examples/*/**/*.test.ts"; // programs for Node: they tell network errors apart by Node's codes

interface Runtime {
  readonly binary: string;
  readonly args: readonly string[];
  readonly suite: readonly string[];
}

const runtimes: Record<string, Runtime> = {
  node24: {
    binary: "node24/bin/node",
    args: [...runner, "--test-reporter=spec"],
    suite: [ofPackages, ofExamples],
  },
  bun: {
    binary: "@oven/bun-linux-x64/bin/bun",
    args: ["test", condition, "--timeout=60000"],
    suite: [ofPackages],
  },
  deno: {
    binary: "@deno/linux-x64-glibc/deno",
    args: ["test", "-A", "--no-check", condition],
    suite: [ofPackages],
  },
};

/** The binary of a runtime, and what it wants to run a file of the source. */
export async function toRun(
  name: "node24" | "bun" | "deno",
): Promise<readonly [file: string, args: readonly string[]]> {
  const args = name === "deno" ? ["run", "-A", "--no-check", condition] : [condition];
  return [join(await installed("tools/runtimes"), runtimes[name]!.binary), args];
}

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Reads the closing lines of node's, Bun's or Deno's test runner. They count suites and subtests differently. */
export function countsIn(output: string): Counts {
  const sum = (...patterns: RegExp[]) =>
    patterns
      .map((pattern) => [...output.matchAll(pattern)].at(-1)?.slice(1) ?? [])
      .flat()
      .reduce((total, digits) => total + Number(digits ?? 0), 0);
  return {
    passed: sum(/^ℹ pass (\d+)$/gm, /^ *(\d+) pass$/gm, /\| (\d+) passed(?: \((\d+) steps?\))?/g),
    failed: sum(
      /^ℹ fail (\d+)$/gm,
      /^ℹ cancelled (\d+)$/gm,
      /^ *(\d+) fail$/gm,
      /\| (\d+) failed(?: \((\d+) steps?\))?/g,
    ),
    skipped: sum(/^ℹ skipped (\d+)$/gm, /^ *(\d+) skip$/gm, /\| (\d+) ignored(?: \((\d+) steps?\))?/g),
  };
}

export function showCounts({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

async function main([name = "", ...files]: string[]): Promise<void> {
  const runtime = runtimes[name];
  if (runtime === undefined) stop(`Say which runtime: ${Object.keys(runtimes).join(", ")}`);
  if (process.platform !== "linux" || process.arch !== "x64") {
    stop("Cannot run other runtimes here: tools/runtimes pins them for Linux x64 only");
  }
  const suite = files.length > 0 ? files : filesIn(root, ...runtime.suite);
  const binary = join(await installed("tools/runtimes"), runtime.binary);
  // "./" makes Bun take a path as a path: a bare one is a pattern to it.
  const { ok, ending, output } = await command(binary, [...runtime.args, ...suite.map((file) => `./${file}`)]);
  const counts = countsIn(output);
  const fine = ok && counts.failed === 0 && counts.passed > 0;
  if (!fine) {
    console.log(output);
    console.log(`${name} ended with ${ending}`);
    process.exitCode = 1;
  }
  console.log(`${name}: ${showCounts(counts)}`);
}

if (import.meta.main) await main(process.argv.slice(2));
