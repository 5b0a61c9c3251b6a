/**
 * Builds the package in whose folder it is run, as it is published: `npm run build`. Declarations by tsc, file by file; JavaScript by
 * esbuild, in few files, since on Node each one that is imported costs a third of a millisecond.
 */
import { readFileSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { build, type BuildOptions, type Plugin } from "esbuild";
import { command } from "./command.ts";
import { filesIn, stop } from "./source.ts";

interface Manifest {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly bin?: Readonly<Record<string, string>>;
}

/** The condition under which a door is its source. */
const source = "@tasktree/source";

/**
 * Puts the JavaScript into `out`. Every door, command and thread (a file called …-worker) stays at its own path; what doors share is in
 * chunks, a folder below `out`. `internal/own-folder.ts` knows these places.
 *
 * Neither names nor lines are made shorter: it would not load faster, and stacks could not be read. `keepNames` stays off: it defines
 * the name of a closure each time one is made.
 */
export async function buildCode(packageFolder: string, out: string): Promise<void> {
  const { exports, bin = {} } = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8")) as Manifest;
  const sourceOf = (door: string | Readonly<Record<string, string>>) =>
    typeof door === "string" ? [] : [resolve(packageFolder, door[source]!)];
  const doors = Object.values(exports).flatMap(sourceOf);
  const [everyday] = sourceOf(exports["."]!) as [string];
  const commands = Object.values(bin).map((path) => path.replace("./dist/", "./src/").replace(/\.js$/, ".ts"));
  const threads = filesIn(packageFolder, "src/**/*-worker.ts");
  const common: BuildOptions = {
    absWorkingDir: packageFolder,
    outbase: "src",
    outdir: out,
    bundle: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "node24",
    sourcemap: true,
    sourcesContent: false, // the source is published too
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } }, // not the paths that tsconfig.json has for the types of peers
  };
  const plugins = [oneChunkFor(everyday, doors)];
  await build({ ...common, entryPoints: doors, splitting: true, chunkNames: "chunks/tasktree-[hash]", plugins });
  await build({ ...common, entryPoints: [...commands, ...threads] }); // each alone: they load none of the core
}

/**
 * Makes one chunk of all that a door is made of. esbuild keeps together what is used by the same entry points: so all doors use this one.
 */
function oneChunkFor(everyday: string, doors: readonly string[]): Plugin {
  const others = doors.filter((door) => door !== everyday);
  return {
    name: "one chunk for the everyday door",
    setup({ onResolve, onLoad }) {
      // What nothing is imported from would be left out. What may be left out of a user's bundle, package.json says.
      onResolve({ filter: /^\.{0,2}\// }, ({ path, resolveDir }) => ({
        path: resolve(resolveDir, path),
        sideEffects: true,
      }));
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const text = await readFile(path, "utf8");
        const contents = others.includes(path) ? `${text}\nimport ${JSON.stringify(everyday)};\n` : text;
        return { contents, loader: "ts" };
      });
    },
  };
}

async function main(packageFolder: string): Promise<void> {
  const out = join(packageFolder, "dist");
  await rm(out, { recursive: true, force: true });
  const types = await command("tsc", ["-p", "tsconfig.build.json", "--emitDeclarationOnly"], { cwd: packageFolder });
  if (!types.ok) stop(`Cannot build the declarations:\n${types.output}`);
  await buildCode(packageFolder, out);
}

if (import.meta.main) await main(process.cwd());
