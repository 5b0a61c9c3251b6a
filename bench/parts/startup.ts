import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { startupGoals } from "../goals.ts";
import { cacheFolder } from "../lib/cache.ts";
import { median } from "../lib/statistics.ts";
import type { Options } from "./options.ts";

const SPAWNS = 30;
const QUICK_SPAWNS = 5;

const packageFolder = fileURLToPath(new URL("../../packages/tasktree", import.meta.url));
const built = `${cacheFolder}built/dist/`;

export type Startup = { importMs: number; emptyMs: number; minifiedBytes: number; gzippedBytes: number };

/** What it costs to have tasktree at all: time to import the built package, and the size of its everyday door. */
export async function measureStartup({ quick }: Options): Promise<Startup> {
  console.log(
    "\nstartup: import of the built package over an empty program, and the everyday door minified and compressed",
  );
  await build();
  const { importMs, emptyMs } = importTime(quick ? QUICK_SPAWNS : SPAWNS);
  const { minifiedBytes, gzippedBytes } = await sizes();
  const overEmpty = `over the ${emptyMs.toFixed(1)} ms of an empty program`;
  const unpacked = `by gzip -9, ${kilobytes(minifiedBytes)} by esbuild`;
  print(
    "import",
    `${importMs.toFixed(1)} ms ${overEmpty}`,
    `${startupGoals.importMs} ms`,
    importMs <= startupGoals.importMs,
  );
  const { gzippedBytes: most } = startupGoals;
  print("size", `${kilobytes(gzippedBytes)} ${unpacked}`, kilobytes(most), gzippedBytes <= most);
  return { importMs, emptyMs, minifiedBytes, gzippedBytes };
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

function print(what: string, measured: string, goal: string, met: boolean): void {
  console.log(`  ${what}: ${measured} (goal: at most ${goal}, ${met ? "met" : "not met"})`);
}

/** As it is published, but elsewhere: a build that is in use stays as it is. */
async function build(): Promise<void> {
  rmSync(built, { recursive: true, force: true });
  mkdirSync(built, { recursive: true });
  writeFileSync(`${built}package.json`, '{ "type": "module", "sideEffects": false }\n');
  const { buildCode } = await import("../../tools/build.ts");
  await buildCode(packageFolder, built);
}

function importTime(spawns: number): { importMs: number; emptyMs: number } {
  const empty = program("empty", "");
  const importing = program(
    "importing",
    `import { run } from "${pathToFileURL(`${built}index.js`).href}";\nvoid run;\n`,
  );
  const times: Record<"empty" | "importing", number[]> = { empty: [], importing: [] };
  for (let spawn = 0; spawn < spawns; spawn++) {
    times.empty.push(timeOf(empty));
    times.importing.push(timeOf(importing));
  }
  const emptyMs = median(times.empty);
  return { importMs: median(times.importing) - emptyMs, emptyMs };
}

function program(name: string, source: string): string {
  const file = `${cacheFolder}${name}.mjs`;
  writeFileSync(file, source);
  return file;
}

function timeOf(file: string): number {
  const start = performance.now();
  const { status, stderr } = spawnSync(process.execPath, [file], { encoding: "utf8" });
  const ms = performance.now() - start;
  if (status !== 0) throw new Error(`${file} failed: ${stderr}`);
  return ms;
}

async function sizes(): Promise<{ minifiedBytes: number; gzippedBytes: number }> {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [`${built}index.js`],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "node",
    write: false,
  });
  const code = outputFiles[0]!.contents;
  return { minifiedBytes: code.length, gzippedBytes: gzipSync(code, { level: 9 }).length };
}
