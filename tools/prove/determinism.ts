/** Explores the examples of the docs on every runtime: equal seeds give equal schedules. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { command } from "../command.ts";
import { toRun } from "../runtimes.ts";
import { root } from "../source.ts";
import { counted, type Effort, type Finding } from "./finding.ts";
import { loadPrograms } from "./programs.ts";

const schedules = { short: 5, long: 100 };

type Hashes = Readonly<Record<string, string>>;

export async function determinism({ isShort }: Effort): Promise<Finding> {
  const folder = join(root, ".cache/prove/determinism");
  const { programs } = await loadPrograms(folder);
  const stepped = withWebStreams(folder);
  const compared = programs.length - stepped.size;
  const many = schedules[isShort ? "short" : "long"];
  const on = new Map<string, Hashes>();
  for (const [runtime, file, args] of await runtimesHere()) {
    const { ok, stdout, output } = await command(file, [
      ...args,
      join(import.meta.dirname, "hashes.ts"),
      folder,
      String(many),
    ]);
    if (!ok) return { figure: `none: ${runtime} has failed`, faults: [output] };
    const hashes = JSON.parse(stdout.trim().split("\n").at(-1)!) as Hashes;
    on.set(runtime, Object.fromEntries(Object.entries(hashes).filter(([name]) => !stepped.has(name))));
  }
  const runtimes = [...on.keys()].join(", ");
  return {
    figure: `${counted(compared * many, "schedule")} of ${counted(compared, "program")} on ${runtimes}`,
    faults: differences(on, rewritten(folder)),
  };
}

type ToRun = readonly [runtime: string, file: string, args: readonly string[]];

/** This one, and those that are pinned for this platform. */
async function runtimesHere(): Promise<ToRun[]> {
  const here: ToRun = [`Node ${process.versions.node}`, process.execPath, ["--conditions=@tasktree/source"]];
  if (process.platform !== "linux" || process.arch !== "x64") return [here];
  const others = (["node24", "bun", "deno"] as const).map(async (name): Promise<ToRun> => [
    name,
    ...(await toRun(name)),
  ]);
  return [here, ...(await Promise.all(others))];
}

/** The programs in which the platform's web streams wait as often as they like. */
function withWebStreams(folder: string): ReadonlySet<string> {
  const names = /\b(new TransformStream|new Response|(from|to)(Readable|Writable)Stream)\b/;
  return new Set(readdirSync(folder).filter((file) => names.test(readFileSync(join(folder, file), "utf8"))));
}

/** The programs that Bun rewrites before it runs them: its `await using` waits another number of times. */
function rewritten(folder: string): ReadonlySet<string> {
  return new Set(
    readdirSync(folder).filter((file) => readFileSync(join(folder, file), "utf8").includes("await using")),
  );
}

/** Where a runtime does not do as the first. */
export function differences(on: ReadonlyMap<string, Hashes>, rewritten: ReadonlySet<string> = new Set()): string[] {
  const [[first, expected] = ["", {}], ...others] = [...on];
  return others.flatMap(([runtime, hashes]) =>
    [...new Set([...Object.keys(expected), ...Object.keys(hashes)])]
      .filter((name) => hashes[name] !== expected[name] && !(runtime === "bun" && rewritten.has(name)))
      .map((name) => `${name}: ${expected[name]} on ${first}, ${hashes[name]} on ${runtime}`),
  );
}
