import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { bareExamples, docComments, examplesIn, problemsOf } from "./docs.ts";
import { root } from "./source.ts";

const page = `# Page

\`\`\`ts
console.log("hello");
\`\`\`

It prints:

\`\`\`output
hello
\`\`\`

- in a list:

  \`\`\`ts no-run
  const a: number = 1;
    a.toFixed();
  \`\`\`

\`\`\`\`md
\`\`\`ts
not an example, but one shown
\`\`\`
\`\`\`\`

\`\`\`ts no-check
...
\`\`\`
\`\`\`sh
npm start
\`\`\`
`;

const source = `
const text = "/** not a comment";
/** One line. */
export const a = 1; // \`\`\`ts
/**
 * Does it.
 *
 * @example Adding
 * \`\`\`ts
 * let a = 1;
 *   a++;
 * \`\`\`
 *
 * @example Nothing follows
 */
export function b(): void {}
`;

describe("docs", () => {
  test("finds the ts blocks of a page, with modes and outputs", () => {
    assert.deepEqual(examplesIn("a.md", page), [
      { file: "a.md", line: 4, mode: "run", code: 'console.log("hello");', output: "hello" },
      { file: "a.md", line: 16, mode: "no-run", code: "const a: number = 1;\n  a.toFixed();" },
      { file: "a.md", line: 27, mode: "no-check", code: "..." },
    ]);
  });

  test("refuses an unknown word after ```ts", () => {
    assert.throws(() => examplesIn("a.md", "```ts norun\n```"), /a\.md:1: unknown word after ```ts: norun/);
  });

  test("finds the examples of doc comments where they stand", () => {
    const comments = docComments(source);
    assert.deepEqual(examplesIn("b.ts", comments), [
      { file: "b.ts", line: 10, mode: "run", code: "let a = 1;\n  a++;" },
    ]);
    assert.deepEqual(bareExamples("b.ts", comments), ["b.ts:14: @example wants a ```ts block on the next line"]);
  });

  test("type-checks and runs examples, and names file and line of what fails", async () => {
    const examples = examplesIn(
      "docs/a.md",
      [
        '```ts\nimport assert from "node:assert";\nassert.equal(1, await Promise.resolve(1));\n```', // line 2
        '```ts no-run\nconst a: number = "one";\nawait new Promise(() => {});\nexport { a };\n```', // 6: wrong type
        '```ts\nthrow new Error("broken");\n```', // 11: fails
        "```ts\nconsole.log(1);\n```\n```output\n2\n```", // 14: prints something else
        "```ts no-check\nnonsense(;\n```",
      ].join("\n"),
    );
    const problems = await problemsOf(examples, join(root, ".cache/docs-test"));
    assert.equal(problems.length, 3, problems.join("\n"));
    assert.match(problems[0]!, /^docs\/a\.md\(6,7\): error TS2322: [^\n]*\n$/);
    assert.match(problems[1]!, /^docs\/a\.md:11: the example failed\ndocs\/a\.md:11\n/);
    assert.match(problems[2]!, /^docs\/a\.md:14: the example printed\n1\ninstead of\n2\n$/);
  });
});
