/**
 * Checks the examples in the docs and in the doc comments: each ```ts block is a program of its own that must type-check
 * and run to its end within 20 s.
 *
 *   ```ts              type-checked and run
 *   ```ts no-run       type-checked only
 *   ```ts no-check     neither; listed at the end, so that it stays rare
 *   ```output          as the next block: exactly what the example prints
 *
 * An `@example` in a doc comment is followed by a ```ts block.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { command, mapLimited } from "./command.ts";
import { filesIn, isTest, report, root } from "./source.ts";

export interface Example {
  readonly file: string;
  /** Of the first line of code. */
  readonly line: number;
  readonly code: string;
  readonly mode: "run" | "no-run" | "no-check";
  /** What it must print. */
  readonly output?: string;
}

/** The ```ts blocks of a Markdown text. */
export function examplesIn(file: string, text: string): Example[] {
  const blocks = fencesIn(text.split("\n"));
  return blocks.flatMap(({ info, line, body }, index) => {
    const [language, mode = "run"] = info.split(/\s+/);
    if (language !== "ts") return [];
    if (mode !== "run" && mode !== "no-run" && mode !== "no-check") {
      throw new Error(`${file}:${line - 1}: unknown word after \`\`\`ts: ${mode}`);
    }
    const next = blocks[index + 1];
    const output = next?.info === "output" ? { output: next.body } : {};
    return [{ file, line, code: body, mode, ...output }];
  });
}

interface Fence {
  readonly info: string;
  readonly line: number;
  readonly body: string;
}

function fencesIn(lines: readonly string[]): Fence[] {
  const found: Fence[] = [];
  for (let at = 0; at < lines.length; at++) {
    const [, indent, ticks, info] = /^( *)(`{3,})\s*([^`]*)$/.exec(lines[at]!) ?? [];
    if (indent === undefined) continue;
    const start = at + 1;
    do at++;
    while (at < lines.length && lines[at]!.trim() !== ticks);
    const body = lines
      .slice(start, at)
      .map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line.trimStart()));
    found.push({ info: info!.trim(), line: start + 1, body: body.join("\n") });
  }
  return found;
}

/** A TypeScript file with all but the text of its doc comments blanked out: Markdown with the lines where they were. */
export function docComments(text: string): string {
  let inside = false;
  return text
    .split("\n")
    .map((line) => {
      inside ||= /^\s*\/\*\*/.test(line);
      if (!inside) return "";
      inside = !line.includes("*/");
      return line.replace(/^\s*(\/\*\*|\*\/|\*) ?/, "").replace(/\s*\*\/.*$/, "");
    })
    .join("\n");
}

/** `@example` lines that no ```ts block follows. */
export function bareExamples(file: string, comments: string): string[] {
  const lines = comments.split("\n");
  return lines.flatMap((line, index) => {
    if (!line.startsWith("@example")) return [];
    const next = lines.slice(index + 1).find((line) => line.trim() !== "");
    return next?.startsWith("```ts") ? [] : [`${file}:${index + 1}: @example wants a \`\`\`ts block on the next line`];
  });
}

/** Type-checks and runs examples as modules in a folder of this repository; gives what went wrong. */
export async function problemsOf(examples: readonly Example[], folder: string): Promise<string[]> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const modules = examples.filter(({ mode }) => mode !== "no-check").map((example) => write(example, folder));
  if (modules.length === 0) return [];

  const config = { extends: "../../tsconfig.json", files: modules.map(({ name }) => name), include: [], exclude: [] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const types = await command("tsc", ["-p", folder, "--pretty", "false"]);

  const toRun = modules.filter(({ example }) => example.mode === "run");
  const runs = await mapLimited(2, toRun, (module) => run(module, folder));
  return [...(types.ok ? [] : [types.output]), ...runs.flat()].map((text) => inTermsOfTheDocs(text, modules, folder));
}

interface Module {
  readonly name: string;
  readonly example: Example;
}

/** The module has its code on the lines where the example has it, so that messages name the right ones. */
function write(example: Example, folder: string): Module {
  const name = `${example.file.replaceAll("/", "__")}.${example.line}.ts`;
  writeFileSync(join(folder, name), "\n".repeat(example.line - 1) + example.code + "\n");
  return { name, example };
}

async function run({ name, example }: Module, folder: string): Promise<string[]> {
  const result = await command(process.execPath, ["--conditions=@tasktree/source", name], {
    cwd: folder,
    timeout: 20_000,
  });
  const where = `${example.file}:${example.line}`;
  if (!result.ok) return [`${where}: the example failed\n${result.output}`];
  if (example.output === undefined || result.stdout.trim() === example.output.trim()) return [];
  return [`${where}: the example printed\n${result.stdout.trim()}\ninstead of\n${example.output.trim()}\n`];
}

function inTermsOfTheDocs(text: string, modules: readonly Module[], folder: string): string {
  const paths = [`file://${folder}`, folder, relative(root, folder)];
  return modules.reduce(
    (text, { name, example }) => paths.reduce((text, path) => text.replaceAll(`${path}/${name}`, example.file), text),
    text,
  );
}

async function main(): Promise<void> {
  const sources = filesIn(root, "packages/tasktree/src/**/*.ts")
    .filter((file) => !isTest(file))
    .map((file) => ({ file, text: docComments(readFileSync(join(root, file), "utf8")) }));
  const pages = filesIn(root, "README.md", "docs/**/*.md", "packages/tasktree/**/*.md").map((file) => ({
    file,
    text: readFileSync(join(root, file), "utf8"),
  }));
  const examples = [...pages, ...sources].flatMap(({ file, text }) => examplesIn(file, text));
  const problems = [
    ...sources.flatMap(({ file, text }) => bareExamples(file, text)),
    ...(await problemsOf(examples, join(root, ".cache/doc-examples"))),
  ];
  const count = (mode: Example["mode"]) => examples.filter((example) => example.mode === mode).length;
  report(
    problems,
    `docs: ${count("run")} examples run, ${count("no-run")} type-checked only, ${count("no-check")} unchecked`,
  );
  for (const { file, line, mode } of examples) if (mode === "no-check") console.log(`unchecked: ${file}:${line}`);
}

if (import.meta.main) await main();
