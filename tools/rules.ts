/**
 * Checks that the rules of DESIGN.md (section 4) and the tests cover each other.
 *
 * - Every rule, and every clause in tools/clauses.ts, is in the name of a test ("K4a a failed child cancels the rest").
 * - Every id in a test's name exists.
 * - A test skipped on a runtime stands in docs/runtimes.md: its rule, or its name, begins a row of a table there.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { clauses } from "./clauses.ts";
import { filesIn, report, root, shown, stop } from "./source.ts";
import { idsIn, switchedOff, testsIn, type NamedTest } from "./test-names.ts";

/** Rules of parts that are not built yet, with the reason. Take an entry out when its part comes. */
const notYet: Record<string, string> = {
  W1: "worker threads are not built yet",
};

interface Coverage {
  readonly rules: readonly string[];
  readonly clauses: Readonly<Record<string, string>>;
  readonly notYet: Readonly<Record<string, string>>;
  readonly tests: readonly NamedTest[];
}

/** The ids that section 4 defines: at the start of a bullet, or of a later sentence in it ("D2 `failAfter` …"). */
export function rulesIn(design: string): string[] {
  const section = /^## 4\b.*?(?=^## |$(?![\s\S]))/ms.exec(design)?.[0];
  if (section === undefined) throw new Error("Cannot find the rules: DESIGN.md has no section that begins with '## 4'");
  const bullets = section.split(/^- /m).slice(1);
  return bullets.flatMap((bullet) => {
    const first = /^([A-Z])\d+[a-z]? /.exec(bullet);
    if (first === null) return [];
    const sentences = new RegExp(String.raw`(?:^|[.:;)]\s)(${first[1]!}\d+[a-z]?) (?=[A-Z"\`*])`, "g");
    return [...bullet.matchAll(sentences)].map(([, id]) => id!);
  });
}

/** What is wrong between rules, clauses and tests. */
export function coverageProblems({ rules, clauses, notYet, tests }: Coverage): string[] {
  const families = new Set(rules.map((rule) => rule[0]!));
  const uses = tests.flatMap((test) => idsIn(test.name, families).map((id) => ({ id, test })));
  const used = new Set(uses.map(({ id }) => id));
  const covered = new Set(uses.map(({ id }) => ruleOf(id, rules)));

  return [
    ...uses
      .filter(({ id }) => !rules.includes(id) && !(id in clauses))
      .map(({ id, test }) => `${shown(test.file)}:${test.line}: ${id} is neither a rule nor in tools/clauses.ts`),
    ...rules
      .filter((rule) => !covered.has(rule) && !(rule in notYet))
      .map((rule) => `rule ${rule} is in no test's name`),
    ...Object.keys(clauses)
      .filter((clause) => !used.has(clause))
      .map((clause) => `clause ${clause} is in no test's name: ${clauses[clause]}`),
    ...Object.keys(clauses)
      .filter((clause) => rules.includes(clause) || ruleOf(clause, rules) === undefined)
      .map((clause) => `clause ${clause} in tools/clauses.ts is not a rule's id and a small letter`),
    ...Object.keys(notYet)
      .filter((rule) => covered.has(rule) || !rules.includes(rule))
      .map(
        (rule) =>
          `rule ${rule} is ${covered.has(rule) ? "covered" : "unknown"}: take it out of notYet in tools/rules.ts`,
      ),
  ];
}

/** "K4a" → "K4", "C2b" → "C2b" (a rule of its own), "C2ba" → "C2b" */
function ruleOf(id: string, rules: readonly string[]): string | undefined {
  return [id, id.replace(/[a-z]$/, "")].find((candidate) => rules.includes(candidate));
}

/** Tests skipped on a runtime that docs/runtimes.md does not tell about. */
export function skipProblems(tests: readonly NamedTest[], rules: readonly string[], runtimesDoc: string): string[] {
  const families = new Set(rules.map((rule) => rule[0]!));
  const rows = new Set([...runtimesDoc.matchAll(/^\|([^|]+)\|/gm)].map(([, cell]) => cell!.replaceAll("`", "").trim()));
  return tests
    .filter((test) => test.skippedOn.length > 0)
    .filter((test) => {
      const ids = idsIn(test.name, families);
      return ![test.name, ...ids, ...ids.map((id) => ruleOf(id, rules))].some(
        (key) => key !== undefined && rows.has(key.trim()),
      );
    })
    .map((test) => {
      const where = `${shown(test.file)}:${test.line}`;
      return `${where}: "${test.name}" is skipped on ${test.skippedOn.join(", ")}: docs/runtimes.md has no row for it`;
    });
}

function main(): void {
  const files = filesIn(root, "packages/*/{src,test}/**/*.test.ts").map((file) => join(root, file));
  const tests = files.flatMap(testsIn);
  const design = join(root, "DESIGN.md");
  if (!existsSync(design)) stop("Cannot find the rules: there is no DESIGN.md");
  const rules = rulesIn(readFileSync(design, "utf8"));
  const runtimes = join(root, "docs/runtimes.md");
  const off = files.flatMap((file) =>
    switchedOff(file).map((line) => `${shown(file)}:${line}: skip tests with skipOn(…) only`),
  );
  report(
    [
      ...coverageProblems({ rules, clauses, notYet, tests }),
      ...skipProblems(tests, rules, existsSync(runtimes) ? readFileSync(runtimes, "utf8") : ""),
      ...off,
    ],
    `rules: ${rules.length} rules and ${Object.keys(clauses).length} clauses stand in the names of ${tests.length} tests`,
  );
  for (const [rule, reason] of Object.entries(notYet)) console.log(`not yet: ${rule}, ${reason}`);
}

if (import.meta.main) main();
