/**
 * The examples of the docs as programs that can be run again and again: each is a function, and tells the stage what it enters
 * and leaves, what it catches, and where it is about to wait.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import { docComments, examplesIn, type Example } from "../docs.ts";
import { filesIn, isTest, lineOf, root } from "../source.ts";

export interface Program {
  /** "docs/channels.md:20" */
  readonly name: string;
  readonly code: string;
  readonly main: () => Promise<void>;
}

/** What cannot run inside of an exploration, by what it names. */
const leftOut: readonly [pattern: RegExp, reason: string][] = [
  [/\bexplore\(/, "explores itself"],
  [/"tasktree\/(node-test|vitest)"/, "needs its test runner"],
  [/\bwatchEventLoop\(/, "watches real time"],
  [/\b(VirtualClock|runVirtual)\b/, "has a clock of its own"],
  [/\bwithLeakCheck\(|await Promise\.race\(\[slow/, "leaves something over on purpose"],
  [/setTimeout\(\(\) => scope\.cancel/, "does not clear the timer that it sets"],
  [/\bDeadlockError\b/, "deadlocks on purpose"],
  [
    /"tasktree\/(net|fs|process|ambient|http|streams\/node)\b/,
    "does real input and output, which comes in an order of its own",
  ],
  [/\bretry\(/, "draws its pauses, of which there are too many"],
];

export interface Programs {
  readonly programs: readonly Program[];
  /** "docs/exploring.md:14: explores itself" */
  readonly leftOut: readonly string[];
}

/** Every example that `npm run check -- docs` runs, but for those left out; written into a folder of this repository. */
export async function loadPrograms(folder: string): Promise<Programs> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const examples = allExamples().filter(({ mode }) => mode === "run");
  const programs: Program[] = [];
  const without: string[] = [];
  for (const example of examples) {
    const name = `${example.file}:${example.line}`;
    const reason = leftOut.find(([pattern]) => pattern.test(example.code))?.[1];
    if (reason === undefined) programs.push({ name, code: example.code, main: await load(example, folder) });
    else without.push(`${name}: ${reason}`);
  }
  return { programs, leftOut: without };
}

function allExamples(): Example[] {
  const read = (file: string) => readFileSync(join(root, file), "utf8");
  const pages = filesIn(root, "README.md", "docs/**/*.md", "packages/tasktree/**/*.md");
  const sources = filesIn(root, "packages/tasktree/src/**/*.ts").filter((file) => !isTest(file));
  return [
    ...pages.flatMap((file) => examplesIn(file, read(file))),
    ...sources.flatMap((file) => examplesIn(file, docComments(read(file)))),
  ];
}

async function load(example: Example, folder: string): Promise<Program["main"]> {
  const path = join(folder, `${example.file.replaceAll("/", "__")}.${example.line}.ts`);
  writeFileSync(path, "\n".repeat(example.line - 1) + asProgram(example.code, example.line));
  const module = (await import(pathToFileURL(path).href)) as { default: Program["main"] };
  return module.default;
}

/** Text to be put in at a place; `length` characters go. */
interface Edit {
  readonly at: number;
  readonly text: string;
  readonly length?: number;
}

const stage = pathToFileURL(join(import.meta.dirname, "stage.ts")).href;
const ours = /^tasktree(\/|$)/;
/** What the stage has in place of what others export. */
const staged = ["run"];

/**
 * The code of an example as a module whose default export runs it, on the lines where it was.
 *
 * @param firstLine The line of its first line, for the names of places.
 */
export function asProgram(code: string, firstLine: number = 1): string {
  const file = ts.createSourceFile("example.ts", code, ts.ScriptTarget.Latest, true);
  const imports: string[] = [];
  const known = new Set<string>();
  for (const statement of file.statements.filter(ts.isImportDeclaration)) imports.push(...importsOf(statement, known));
  const edits = [...editsIn(file, known, (node) => `line ${lineOf(node) + firstLine - 1}`)];
  const head = [`import * as __stage from "${stage}"; const { console } = __stage;`, ...imports].join(" ");
  return `${head} export default async function main() { ${applied(code, edits)}\n}\n`;
}

/** The code of a module, instrumented alike, and otherwise as it is. */
export function asModule(code: string, name: string): string {
  const file = ts.createSourceFile(name, code, ts.ScriptTarget.Latest, true);
  const edits = editsIn(file, new Set(), (node) => `${name}:${lineOf(node)}`);
  const others = [...edits].filter(({ length }) => length === undefined); // the imports stay
  return `import * as __stage from "${stage}"; const { console } = __stage; ${applied(code, others)}`;
}

/** The declaration as it is to be, on one line; notes the names that come from tasktree. */
function importsOf(statement: ts.ImportDeclaration, known: Set<string>): string[] {
  const from = (statement.moduleSpecifier as ts.StringLiteral).text;
  const text = statement.getText().replaceAll("\n", " ");
  const bindings = statement.importClause?.namedBindings;
  if (from === "node:assert") return [`const { assert } = __stage;`];
  if (!ours.test(from) || bindings === undefined || !ts.isNamedImports(bindings)) return [text];
  const names = bindings.elements.map((element) => element.getText());
  for (const name of names) known.add(name);
  const others = names.filter((name) => !staged.includes(name));
  return [
    ...(others.length === 0 ? [] : [`import { ${others.join(", ")} } from "${from}";`]),
    ...names.filter((name) => staged.includes(name)).map((name) => `const ${name} = __stage.run;`),
  ];
}

function* editsIn(node: ts.Node, known: ReadonlySet<string>, place: (node: ts.Node) => string): Generator<Edit> {
  const where = JSON.stringify(place(node));
  if (ts.isImportDeclaration(node)) {
    // its lines stay
    const lines = node.getText().split("\n").length - 1;
    return yield { at: node.getStart(), length: node.getEnd() - node.getStart(), text: "\n".repeat(lines) };
  }
  if (ts.isTryStatement(node)) yield* tryEdits(node, where);
  if (ts.isVariableDeclarationList(node) && isUsing(node)) yield usingEdit(node, where);
  if (ts.isAwaitExpression(node)) yield* around(node.expression, where);
  if (ts.isForOfStatement(node) && node.awaitModifier !== undefined) yield* around(node.expression, where);
  if (isCatchCall(node)) yield* wrapped(node.arguments[0]!, "__stage.noting(");
  if (ts.isArrowFunction(node) && waits(node.body, known)) yield* around(node.body, where);
  const inner: ts.Node[] = [];
  ts.forEachChild(node, (child) => void inner.push(child));
  for (const child of inner) yield* editsIn(child, known, place);
}

function* tryEdits({ tryBlock, catchClause, finallyBlock }: ts.TryStatement, where: string): Generator<Edit> {
  const afterBrace = (block: ts.Block) => block.getStart() + 1;
  if (finallyBlock !== undefined) {
    yield { at: afterBrace(tryBlock), text: ` __stage.enter(${where});` };
    yield { at: afterBrace(finallyBlock), text: ` __stage.leave(${where});` };
  }
  if (catchClause === undefined) return;
  const { variableDeclaration, block } = catchClause;
  const name = variableDeclaration === undefined ? "__error" : variableDeclaration.name.getText();
  if (variableDeclaration === undefined) yield { at: block.getStart(), text: "(__error) " };
  if (/^\w+$/.test(name)) yield { at: afterBrace(block), text: ` __stage.note(${name});` };
}

function isUsing(list: ts.VariableDeclarationList): boolean {
  const using: number = ts.NodeFlags.Using;
  return (list.flags & using) === using;
}

/** Before it: so that it is left after that was disposed of. */
function usingEdit(list: ts.VariableDeclarationList, where: string): Edit {
  const declares = `using __block${list.getStart()} = __stage.within(${where}); `;
  if (!ts.isForOfStatement(list.parent)) return { at: list.getStart(), text: declares };
  const { statement } = list.parent;
  if (!ts.isBlock(statement)) throw new Error(`Cannot transform ${list.parent.getText()}: wanted a block as body`);
  return { at: statement.getStart() + 1, text: declares };
}

function around(expression: ts.Node, where: string): Generator<Edit> {
  return wrapped(expression, `(__stage.mayFail(${where}), `);
}

function* wrapped(expression: ts.Node, before: string): Generator<Edit> {
  yield { at: expression.getStart(), text: before };
  yield { at: expression.getEnd(), text: ")" };
}

/** `promise.catch(…)` */
function isCatchCall(node: ts.Node): node is ts.CallExpression {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return false;
  return node.expression.name.text === "catch" && node.arguments.length === 1;
}

/** Whether the body of an arrow function is a call of something of tasktree's: `() => sleep(10)`. */
function waits(body: ts.Node, known: ReadonlySet<string>): boolean {
  return ts.isCallExpression(body) && ts.isIdentifier(body.expression) && known.has(body.expression.text);
}

function applied(code: string, edits: readonly Edit[]): string {
  let text = "";
  let from = 0;
  for (const edit of edits.toSorted((a, b) => a.at - b.at)) {
    text += code.slice(from, edit.at) + edit.text;
    from = edit.at + (edit.length ?? 0);
  }
  return text + code.slice(from);
}
