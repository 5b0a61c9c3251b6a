import assert from "node:assert/strict";
import { test } from "node:test";
import { countsIn } from "./runtimes.ts";

test("countsIn() reads the closing lines of three test runners", () => {
  const node = "ℹ tests 9\nℹ suites 1\nℹ pass 4\nℹ fail 1\nℹ cancelled 2\nℹ skipped 3\n";
  const bun = " 3 pass\n 1 skip\n 2 fail\nRan 6 tests across 1 file. [24.00ms]\n";
  const deno = "FAILED | 2 passed (3 steps) | 1 failed | 0 ignored (1 step) (18ms)\n";
  assert.deepEqual(countsIn(node), { passed: 4, failed: 3, skipped: 3 });
  assert.deepEqual(countsIn(bun), { passed: 3, failed: 2, skipped: 1 });
  assert.deepEqual(countsIn(deno), { passed: 5, failed: 1, skipped: 1 });
  assert.deepEqual(countsIn("nothing"), { passed: 0, failed: 0, skipped: 0 });
});
