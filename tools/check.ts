/**
 * Runs everything that must hold before a change is done, one step after the other.
 *
 *   npm run check                       all steps
 *   npm run check -- lint types         these
 *   npm run check -- --skip test bun    all but these
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { command, installed, type Outcome } from "./command.ts";
import { countsIn, showCounts } from "./runtimes.ts";
import { root, stop } from "./source.ts";

const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> };

/** In this order: the fast ones first. */
const steps: Record<string, string> = {
  format: `${scripts["format"]} --check`,
  lint: scripts["lint"]!,
  types: scripts["types"]!,
  layers: "node tools/layers.ts",
  rules: "node tools/rules.ts",
  api: "node tools/api.ts",
  docs: "node tools/docs.ts",
  test: scripts["test"]!,
  node24: "node tools/runtimes.ts node24",
  bun: "node tools/runtimes.ts bun",
  deno: "node tools/runtimes.ts deno",
};

/** The test runners of these keep one core busy: they run at once. */
const onOneCore = ["bun", "deno"];

const begun = new Map<string, Promise<Outcome>>();

function begin(name: string): Promise<Outcome> {
  const running = begun.get(name) ?? command("sh", ["-c", steps[name]!]);
  begun.set(name, running);
  return running;
}

async function main(args: readonly string[]): Promise<void> {
  const named = args.filter((arg) => arg !== "--skip");
  const unknown = named.filter((name) => !(name in steps));
  if (unknown.length > 0) stop(`No step ${unknown.join(", ")}. There are: ${Object.keys(steps).join(", ")}`);
  const chosen = Object.keys(steps).filter(
    (name) => named.length === 0 || named.includes(name) !== args.includes("--skip"),
  );

  // they look at the adapters for other libraries too
  if (chosen.includes("lint") || chosen.includes("types")) await installed("bench");
  const failed: string[] = [];
  const started = performance.now();
  for (const name of chosen) {
    if (onOneCore.includes(name)) for (const other of onOneCore) if (chosen.includes(other)) void begin(other);
    const outcome = await begin(name);
    console.log(
      `${outcome.ok ? "✔" : "✖"} ${name.padEnd(8)}${seconds(outcome.ms)}  ${detail(name, outcome)}`.trimEnd(),
    );
    if (outcome.ok) continue;
    failed.push(name);
    console.log(`\n${outcome.output.trim()}\n`);
  }
  const verdict = failed.length === 0 ? "all steps fine" : `failed: ${failed.join(", ")}`;
  console.log(`check: ${chosen.length} steps in${seconds(performance.now() - started)}, ${verdict}`);
  if (failed.length > 0) process.exitCode = 1;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`.padStart(8);
}

/** The one line of a step's output that is worth showing when it went well. */
function detail(name: string, { output }: Outcome): string {
  if (name === "test") return showCounts(countsIn(output));
  const line = output.split("\n").findLast((line) => line.startsWith(`${name}: `));
  return line?.slice(name.length + 2) ?? "";
}

await main(process.argv.slice(2));
