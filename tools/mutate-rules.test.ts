import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { tryMutations } from "./mutate-rules.ts";
import { root } from "./source.ts";

const files = {
  "package.json": JSON.stringify({
    name: "tasktree",
    type: "module",
    exports: { ".": { "@tasktree/source": "./src/index.ts" } },
  }),
  "src/index.ts": `
    export function add(a: number, b: number): number { return a + b; }
    export function twice(a: number): number { return a * 2; }
    export const unused = "unused";`,
  "src/index.test.ts": `
    import assert from "node:assert";
    import { test } from "node:test";
    import { add } from "tasktree"; // by name: must be the mutated copy
    test("K1a adds", () => assert.equal(add(1, 2), 3));
    test("K1b is red already", () => assert.fail());`,
  "test/twice.test.ts": `
    import assert from "node:assert";
    import { test } from "node:test";
    import { twice } from "../src/index.ts";
    test("K1 doubles", () => assert.equal(twice(2), 4));
    test("K10 another rule", () => assert.fail());`,
};

const file = "packages/tasktree/src/index.ts";
const cases: [clause: string, find: string, replace: string, verdict: string][] = [
  ["K1a", "a + b", "a - b", "killed"],
  ["K1", "a * 2", "a * 3", "killed"],
  ["K1a", '"unused"', '"other"', "SURVIVED"],
  ["K1b", "a + b", "a - b", "RED WITHOUT IT"],
  ["K2", "a + b", "a - b", "NO TEST"],
  ["K1a", "number", "string", "DOES NOT APPLY"],
  ["K1a", "a + b", "a + ", "DOES NOT APPLY"],
];

test("tryMutations() tells killed mutants from survivors and from what proves nothing", async () => {
  mkdirSync(join(root, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(root, ".cache/mutate-test-"));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, "package", path)), { recursive: true });
      writeFileSync(join(folder, "package", path), text);
    }
    const mutations = cases.map(([clause, find, replace]) => ({ clause, file, find, replace }));
    const results = await tryMutations(join(folder, "package"), mutations, join(folder, "mutants"));
    assert.deepEqual(
      results.map(({ verdict }) => verdict),
      cases.map(([, , , verdict]) => verdict),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
