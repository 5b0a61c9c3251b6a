import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { completed, missingFrom, type Lock } from "./complete-lock.ts";
import { filesIn, root } from "./source.ts";

describe("lock files", () => {
  test("completed() adds what is missing, with its platform", () => {
    const tool = {
      version: "1.0.0",
      optionalDependencies: { "@a/binding-linux-x64-musl": "1.0.0", "@a/darwin-arm64": "1.0.0" },
    };
    const there = { version: "1.0.0", integrity: "sha512-…" };
    const lock = {
      lockfileVersion: 3,
      packages: { "": {}, "node_modules/tool": tool, "node_modules/@a/darwin-arm64": there },
    };
    assert.deepEqual(completed(lock).packages, {
      "": {},
      "node_modules/@a/binding-linux-x64-musl": {
        version: "1.0.0",
        os: ["linux"],
        cpu: ["x64"],
        libc: ["musl"],
        dev: true,
        optional: true,
      },
      "node_modules/@a/darwin-arm64": there,
      "node_modules/tool": tool,
    });
  });

  for (const file of filesIn(root, "**/package-lock.json")) {
    const text = readFileSync(join(root, file), "utf8");

    test(`${file} is complete: run \`npm run lock\` if not`, () => {
      assert.deepEqual(missingFrom(JSON.parse(text) as Lock), []);
    });

    test(`${file} names no download addresses: .npmrc leaves them out`, () => {
      assert.doesNotMatch(text, /"resolved": *"\w+:/);
    });
  }
});
