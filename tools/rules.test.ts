import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { coverageProblems, rulesIn, skipProblems } from "./rules.ts";
import { idsIn, switchedOff, testsIn, type NamedTest } from "./test-names.ts";

const design = `
## 3. Names
- K0 Not a rule: wrong section.
## 4. Semantics
- K1 A task has one group. Cut short by nothing but C10. K2 is mentioned only.
- C2 **One delivery**, else K1.
- C2b *Intake* throws.
- D1 The earliest wins. D2 \`failAfter\` turns. D3 \`ms <= 0\`: throws. See K1.
- a bullet without an id
- W1 A worker.
## 5. Performance
- Z1 Not a rule.
`;
const rules = ["K1", "C2", "C2b", "D1", "D2", "D3", "W1"];
const families = new Set(["K", "C", "D", "W"]);

function named(name: string, ...skippedOn: string[]): NamedTest {
  return { file: "some.test.ts", line: 7, name, skippedOn };
}

function testFile<T>(text: string, use: (path: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "rules-"));
  try {
    writeFileSync(join(folder, "a.test.ts"), text);
    return use(join(folder, "a.test.ts"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("rules", () => {
  test("finds the rules at the start of bullets and inside of them", () => {
    assert.deepEqual(rulesIn(design), rules);
  });

  test("says so when the design has no section 4", () => {
    assert.throws(() => rulesIn("## 1. Goals"), /no section/);
  });

  test("finds ids in names", () => {
    assert.deepEqual(idsIn("K4a a failed child, C2b, and D1: not A1, K4x5 or X25519", families), ["K4a", "C2b", "D1"]);
  });

  test("finds test names in every form, not in comments", () => {
    const text = [
      "test('K1 one', () => { t.test(`K1a ${inner} two`, f); });",
      'describe("D1 deadlines", () => { it("three", { timeout: 9 }, f); });',
      '// test("D9 old")',
    ].join("\n");
    const names = testFile(text, (path) => testsIn(path).map(({ name, line }) => `${line} ${name}`));
    assert.deepEqual(names, ["1 K1 one", "1 K1a ", "2 D1 deadlines", "2 three"]);
  });

  test("finds what skips a test, of its own options only", () => {
    const text = `
      describe("outer", () => {
        test("a", skipOn({ bun: "no context", deno: "dies first" }), f);
        test("b", { ...skipOn({ bun: "no context" }), timeout: 9 }, f);
      });
      test.only("c", f);
      test("d", (t) => t.skip());
    `;
    testFile(text, (path) => {
      assert.deepEqual(
        testsIn(path).map(({ name, skippedOn }) => [name, ...skippedOn]),
        [["outer"], ["a", "bun", "deno"], ["b", "bun"], ["d"]],
      );
      assert.deepEqual(switchedOff(path), [6, 7]);
    });
  });

  test("is content when every rule and clause is in a name", () => {
    const tests = ["K1 a", "C2a b", "C2ba c", "D1, D2 and D3 d"].map((name) => named(name));
    const clauses = { C2a: "…", C2ba: "…" };
    assert.deepEqual(coverageProblems({ rules, clauses, notYet: { W1: "later" }, tests }), []);
  });

  test("reports each kind of gap", () => {
    const tests = ["K1 a", "K9 b", "C2c d", "C2b e", "D1 D2 f"].map((name) => named(name));
    const found = coverageProblems({
      rules,
      clauses: { K1a: "a clause", K99a: "a slip" },
      notYet: { D1: "later", W1: "later" },
      tests,
    });
    assert.deepEqual(found, [
      "some.test.ts:7: K9 is neither a rule nor in tools/clauses.ts",
      "some.test.ts:7: C2c is neither a rule nor in tools/clauses.ts",
      "rule D3 is in no test's name",
      "clause K1a is in no test's name: a clause",
      "clause K99a is in no test's name: a slip",
      "clause K99a in tools/clauses.ts is not a rule's id and a small letter",
      "rule D1 is covered: take it out of notYet in tools/rules.ts",
    ]);
  });

  test("C2b does not cover C2", () => {
    const found = coverageProblems({ rules: ["C2", "C2b"], clauses: {}, notYet: {}, tests: [named("C2b intake")] });
    assert.deepEqual(found, ["rule C2 is in no test's name"]);
  });

  test("wants skipped tests in docs/runtimes.md, by rule, clause or name", () => {
    const doc = "| rule | why |\n|---|---|\n| K1 | no such event |\n| `D1` | … |\n| packs | npm |\n";
    const skipped = [
      named("K1 a", "bun"),
      named("K1b c", "bun"),
      named("D1 d", "deno"),
      named("packs", "bun"),
      named("D2 e"),
    ];
    assert.deepEqual(skipProblems(skipped, rules, doc), []);
    assert.deepEqual(skipProblems([named("D2 e", "bun", "deno")], rules, doc), [
      'some.test.ts:7: "D2 e" is skipped on bun, deno: docs/runtimes.md has no row for it',
    ]);
  });
});
