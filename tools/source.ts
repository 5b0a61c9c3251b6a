/** What the checks share: where the repository is, its files, and TypeScript's parser. */
import { globSync, readFileSync } from "node:fs";
import { relative, resolve, sep } from "node:path";
import ts from "typescript";

export const root: string = resolve(import.meta.dirname, "..");

/** The files under `folder` that match one of the patterns, sorted, relative to `folder`, with `/`. */
export function filesIn(folder: string, ...patterns: string[]): string[] {
  const found = globSync(patterns, { cwd: folder, exclude: ["**/node_modules", "**/dist", "**/.cache"] });
  return found.map((path) => path.split(sep).join("/")).sort();
}

/** The path people read: relative to the repository where the file is inside it. */
export function shown(path: string): string {
  const inside = relative(root, path);
  return inside.startsWith("..") ? path : inside;
}

export function isTest(path: string): boolean {
  return /\.test(-d)?\.ts$/.test(path);
}

export function parse(path: string): ts.SourceFile {
  return ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, true);
}

export function lineOf(node: ts.Node): number {
  const source = node.getSourceFile();
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
}

/** The text of a string literal; of a template, what stands before its first `${`. */
export function literalText(node: ts.Node | undefined): string | undefined {
  if (node === undefined) return undefined;
  if (ts.isStringLiteralLike(node)) return node.text;
  return ts.isTemplateExpression(node) ? node.head.text : undefined;
}

/** For what the caller of a script got wrong: the message without a stack. */
export function stop(message: string): never {
  console.error(message);
  process.exit(2);
}

/** Prints each problem and a closing line; the process fails if there is one. */
export function report(problems: readonly string[], fine: string): void {
  for (const problem of problems) console.error(problem);
  if (problems.length === 0) return console.log(fine);
  console.error(`${problems.length} ${problems.length === 1 ? "problem" : "problems"}`);
  process.exitCode = 1;
}
