import assert from "node:assert/strict";
import { test } from "node:test";
import { skipOn } from "../../../test/runtime.ts";

// What it does with vitest is tested with the packed package, in test/package.test.ts.
test("tasktree/vitest says how vitest is installed where it is not", skipOn({ bun: "has its own" }), async () => {
  await assert.rejects(import("./vitest.ts"), {
    message: "Cannot load tasktree/vitest: vitest is not installed (npm install --save-dev vitest)",
  });
});
