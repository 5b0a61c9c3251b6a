import { createRequire } from "node:module";
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import type * as tasktree from "../index.ts";
import type * as inspector from "../inspector/index.ts";
import { ownFile } from "../internal/own-folder.ts";
import { UsageError } from "./usage.ts";

interface Command {
  readonly file: string;
  readonly options: tasktree.RunOptions;
  readonly args: readonly string[];
}

/** `tasktree run`: what follows it on the command line. */
export async function runCommand(argv: readonly string[]): Promise<void> {
  const { file, options, args } = parse(argv);
  const url = pathToFileURL(resolve(file)).href;
  const { outside, runMain } = (await import(doorFor(url, "index"))) as typeof tasktree;
  const debug = options.debug ?? process.env["TASKTREE_DEBUG"] === "1";
  const watch = debug ? await watchEventLoop(url) : undefined;
  let wrong: UsageError | undefined;
  // Loaded inside the run, so that a signal meanwhile finds it, and outside of its task, so that nothing is bound to that.
  const result = await runMain(async () => {
    const { default: main } = await outside(() => import(url) as Promise<{ default?: unknown }>);
    if (typeof main === "function") return (main as (args: readonly string[]) => unknown)(args);
    wrong = new UsageError(`Cannot run ${file}: its default export is not a function`);
  }, options);
  watch?.[Symbol.dispose]();
  if (wrong !== undefined) throw wrong;
  if (Number.isInteger(result)) process.exitCode ||= result as number;
}

function parse(argv: readonly string[]): Command {
  const split = argv.indexOf("--");
  const own = split < 0 ? argv : argv.slice(0, split);
  const args = split < 0 ? [] : argv.slice(split + 1);
  const { values, positionals } = parsed(own);
  const [file, ...others] = positionals;
  if (file === undefined) throw new UsageError("Wanted a file to run");
  if (others.length > 0)
    throw new UsageError(`Cannot run ${positionals.length} files; arguments for the program come after --`);
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) throw new UsageError(`Cannot run ${file}: there is no such file`);
  if (found.isDirectory()) throw new UsageError(`Cannot run ${file}: it is a folder`);
  const options = {
    ...(values.debug === true && { debug: true }),
    ...(values.grace !== undefined && { grace: milliseconds("--grace", values.grace) }),
    ...(values.drain !== undefined && { drainMs: milliseconds("--drain", values.drain) }),
  };
  return { file, options, args };
}

function parsed(own: readonly string[]) {
  try {
    return parseArgs({
      args: [...own],
      allowPositionals: true,
      options: { debug: { type: "boolean" }, grace: { type: "string" }, drain: { type: "string" } },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function milliseconds(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0))
    throw new UsageError(`Cannot use "${text}" for ${option}: wanted milliseconds from 0`);
  return value;
}

async function watchEventLoop(url: string): Promise<Disposable> {
  const { watchEventLoop } = (await import(doorFor(url, "inspector/index"))) as typeof inspector;
  return watchEventLoop();
}

/** A door of the copy of tasktree that the program itself imports, so that there are not two; or else of the one around this file. */
function doorFor(url: string, file: "index" | "inspector/index"): string {
  try {
    const door = file === "index" ? "tasktree" : "tasktree/inspector";
    return pathToFileURL(createRequire(url).resolve(door)).href;
  } catch {
    return ownFile(file);
  }
}
