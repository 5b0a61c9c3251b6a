/**
 * Shows that the tests of the rules can fail: applies each mutation of tools/mutations to a copy of packages/tasktree and
 * runs the tests that name its clause, which must turn red there and be green without it.
 *
 *   npm run mutate:rules               all
 *   npm run mutate:rules -- K4a C3     those of these clauses
 */
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ts from "typescript";
import { command, mapLimited } from "./command.ts";
import { mutations, type Mutation } from "./mutations/index.ts";
import { countsIn } from "./runtimes.ts";
import { filesIn, root } from "./source.ts";
import { testsIn } from "./test-names.ts";

/** How long the tests of a clause may take. A test that hangs in a mutant counts as red: so do those that take three times as long there. */
const timeLimit = 120_000;
const atLeast = 15_000;

type Verdict = "killed" | "killed (hangs)" | "SURVIVED" | "NO TEST" | "RED WITHOUT IT" | "DOES NOT APPLY";

export interface Result {
  readonly mutation: Mutation;
  readonly verdict: Verdict;
  readonly detail: string;
}

/** Tries mutations against the package in a folder, two at a time. */
export async function tryMutations(
  packageFolder: string,
  list: readonly Mutation[],
  scratch: string,
): Promise<Result[]> {
  rmSync(scratch, { recursive: true, force: true });
  const tests = filesIn(packageFolder, "{src,test}/**/*.test.ts");
  const filesOf = (clause: string) =>
    tests.filter((file) => textsAbout(join(packageFolder, file)).some((text) => pattern(clause).test(text)));

  const green = new Map<string, Promise<Unmutated>>();
  return await mapLimited(2, [...list.entries()], async ([index, mutation]): Promise<Result> => {
    const { clause } = mutation;
    const mutated = apply(packageFolder, mutation);
    if (typeof mutated !== "string") return { mutation, verdict: "DOES NOT APPLY", detail: mutated.why };
    const files = filesOf(clause);
    if (files.length === 0) return { mutation, verdict: "NO TEST", detail: "no test's name has the clause" };

    if (!green.has(clause)) green.set(clause, unmutatedRun(packageFolder, clause, files));
    const { obstacle, ms: usual } = await green.get(clause)!;
    if (obstacle !== undefined) return { mutation, verdict: obstacle, detail: files.join(", ") };

    const mutant = copy(packageFolder, join(scratch, String(index)));
    writeFileSync(join(mutant, relativeFile(mutation)), mutated);
    const { ok, timedOut, output, ms } = await runTests(mutant, clause, files, atLeast + 3 * usual);
    rmSync(join(scratch, String(index)), { recursive: true });
    const verdict = ok ? "SURVIVED" : timedOut ? "killed (hangs)" : "killed";
    const { passed, failed } = countsIn(output);
    return { mutation, verdict, detail: `${failed} of ${passed + failed} red, ${(ms / 1000).toFixed(1)} s` };
  });
}

/** The names of a file's tests, and the suites that it takes from test/ to run them on something of its own. */
function textsAbout(file: string): string[] {
  const imports = readFileSync(file, "utf8").matchAll(/ from "(\.[^"]*\/test\/[^"]+-conformance\.ts)"/g);
  const suites = Array.from(imports, ([, suite]) => readFileSync(join(dirname(file), suite!), "utf8"));
  return [...testsIn(file).map(({ name }) => name), ...suites];
}

/** The mutated text, or why there is none. */
function apply(packageFolder: string, mutation: Mutation): string | { why: string } {
  const parts = readFileSync(join(packageFolder, relativeFile(mutation)), "utf8").split(mutation.find);
  if (parts.length !== 2) return { why: `\`find\` occurs ${parts.length - 1} times in ${mutation.file}` };
  const text = parts.join(mutation.replace);
  // a file that does not parse would turn every test red
  const { diagnostics = [] } = ts.transpileModule(text, { reportDiagnostics: true });
  return diagnostics.length === 0 ? text : { why: `the mutated ${mutation.file} does not parse` };
}

/** What keeps a clause's mutations from being tried, and how long its tests take. */
interface Unmutated {
  readonly obstacle: Verdict | undefined;
  readonly ms: number;
}

async function unmutatedRun(packageFolder: string, clause: string, files: string[]): Promise<Unmutated> {
  const { ok, output, ms } = await runTests(packageFolder, clause, files, timeLimit);
  if (!ok) return { obstacle: "RED WITHOUT IT", ms };
  return { obstacle: countsIn(output).passed === 0 ? "NO TEST" : undefined, ms };
}

function runTests(packageFolder: string, clause: string, files: string[], timeout: number) {
  const args = ["--conditions=@tasktree/source", "--test", "--test-reporter=spec"];
  const options = { cwd: packageFolder, timeout };
  return command(process.execPath, [...args, `--test-name-pattern=${pattern(clause)}`, ...files], options);
}

function pattern(clause: string): RegExp {
  return new RegExp(String.raw`\b${clause}\b`);
}

/** A copy where `tasktree` means the copy, from inside the package (package.json) as from beside it (node_modules). */
function copy(packageFolder: string, to: string): string {
  const folder = join(to, "packages/tasktree");
  for (const part of ["package.json", "src", "test"]) {
    cpSync(join(packageFolder, part), join(folder, part), { recursive: true });
  }
  mkdirSync(join(to, "node_modules"));
  symlinkSync(folder, join(to, "node_modules/tasktree"));
  return folder;
}

function relativeFile(mutation: Mutation): string {
  return relative("packages/tasktree", mutation.file);
}

async function main(clauses: string[]): Promise<void> {
  const list = mutations.filter(({ clause }) => clauses.length === 0 || clauses.includes(clause));
  const results = await tryMutations(join(root, "packages/tasktree"), list, join(root, ".cache/mutants"));
  for (const { mutation, verdict, detail } of results) {
    console.log(
      `${mutation.clause.padEnd(6)}${verdict.padEnd(16)}${mutation.file.split("/").slice(2).join("/").padEnd(32)}${detail}`,
    );
  }
  const bad = results.filter(({ verdict }) => !verdict.startsWith("killed"));
  console.log(`mutate:rules: ${results.length - bad.length} of ${results.length} mutants killed`);
  if (bad.length > 0) process.exitCode = 1;
}

if (import.meta.main) await main(process.argv.slice(2));
