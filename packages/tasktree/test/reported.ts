/** Runs a file of test/programs under this runtime's own test runner, and reads what it reports. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { runtime } from "./runtime.ts";

const runnerArgs = {
  node: ["--conditions=@tasktree/source", "--test", "--test-reporter=spec"],
  bun: ["test", "--conditions=@tasktree/source"],
  deno: ["test", "-A", "--no-check", "--conditions=@tasktree/source"],
}[runtime];

/** A line that tells how a test has ended: a mark and the name, or the name and a word. */
const lines = {
  node: /^ *(?<verdict>[✔✖﹣]) (?<name>.+?) \([\d.]+ms\)(?: # (?<note>TODO|SKIP))?$/gm,
  bun: /^\((?<verdict>pass|fail|skip|todo)\) (?:suite > )?(?<name>.+?)(?: \[[\d.]+ms\])?$/gm,
  deno: /^ *(?<name>\S.*?) \.\.\. (?<verdict>ok|FAILED|ignored) \(/gm,
}[runtime];

const failed = ["✖", "fail", "FAILED"];

export interface Report {
  /** What was printed, on both streams. */
  readonly output: string;
  /** The names of tests, and whether they have failed. */
  readonly failed: ReadonlyMap<string, boolean>;
}

export function reportOf(program: string, env: Readonly<Record<string, string>> = {}): Report {
  const cwd = join(import.meta.dirname, "programs");
  const inherited = {
    ...process.env,
    NO_COLOR: "1",
    FORCE_COLOR: undefined,
    NODE_OPTIONS: "",
    NODE_TEST_CONTEXT: undefined,
  };
  const ended = spawnSync(process.execPath, [...runnerArgs, `./${program}`], {
    cwd,
    env: { ...inherited, ...env },
    encoding: "utf8",
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  const output = ended.stdout + ended.stderr;
  const found = [...output.matchAll(lines)].map(({ groups }) => groups as { name: string; verdict: string });
  return { output, failed: new Map(found.map(({ name, verdict }) => [name, failed.includes(verdict)])) };
}
