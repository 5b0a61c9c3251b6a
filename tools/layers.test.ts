import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { checkLayers } from "./layers.ts";

/** The problems of a source folder with these files, each as "path:line: text". */
function problems(files: Record<string, string>): string[] {
  const src = mkdtempSync(join(tmpdir(), "layers-"));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(src, path)), { recursive: true });
      writeFileSync(join(src, path), text);
    }
    return checkLayers(src).map((problem) => problem.slice(src.length + 1));
  } finally {
    rmSync(src, { recursive: true });
  }
}

function assertProblem(files: Record<string, string>, expected: RegExp): void {
  const found = problems(files);
  assert.equal(found.length, 1, found.join("\n"));
  assert.match(found[0]!, expected);
}

describe("layers", () => {
  test("lets value imports go down and within a folder", () => {
    const files = {
      "internal/heap.ts": `export const heap = 1;`,
      "core/clock.ts": `import { heap } from "../internal/heap.ts";\nexport { heap };`,
      "core/scope.ts": `import "./clock.ts";\nimport "../errors.ts";`,
      "errors.ts": ``,
      "lowlevel.ts": `export * from "./core/scope.ts";`,
      "sync/mutex.ts": `import { a } from "../lowlevel.ts";\nimport "../timeouts.ts";`,
      "timeouts.ts": `import "./core/scope.ts";`,
      "index.ts": `export { a } from "./sync/mutex.ts";\nexport type { B } from "./core/scope.ts";`,
      "testing/index.ts": `export * from "./clock.ts";`,
      "testing/clock.ts": `import "../core/clock.ts";\nimport "node:test";\nimport "../index.ts";`,
    };
    assert.deepEqual(problems(files), []);
  });

  test("refuses a value import that goes up, also as `export … from`, import() and inline `type`", () => {
    for (const line of [
      `import { sleep } from "../timeouts.ts";`,
      `export { sleep } from "../timeouts.ts";`,
      `export * from "../timeouts.ts";`,
      `import { type Sleep } from "../timeouts.ts";`,
      `const lazy = () => import("../timeouts.ts");`,
    ]) {
      assertProblem({ "core/run.ts": `\n${line}` }, /^core\/run\.ts:2: imports timeouts\.ts, which is above it/);
    }
  });

  test("lets types go up", () => {
    const text = `import type { A } from "../timeouts.ts";\nexport type { B } from "../sync/mutex.ts";\ntype C = import("../cli/main.ts").C;`;
    assert.deepEqual(problems({ "core/run.ts": text }), []);
  });

  test("is not misled by comments and strings", () => {
    const text = `// import "../cli/main.ts";\n/* import "../cli/main.ts"; */\nconst a = 'import "../cli/main.ts"';`;
    assert.deepEqual(problems({ "core/run.ts": text }), []);
  });

  test("refuses another part of the same floor", () => {
    assertProblem({ "fs/file.ts": `import "../net/tcp.ts";` }, /another part of its own floor/);
    assertProblem({ "errors.ts": `import "./internal/heap.ts";` }, /another part of its own floor/);
    assertProblem({ "core/run.ts": `import "../lowlevel.ts";` }, /another part of its own floor/);
  });

  test("refuses a family that reaches into the core, for types too", () => {
    assertProblem(
      { "sync/mutex.ts": `import { a } from "../core/scope.ts";` },
      /^sync\/mutex\.ts:1: .*through lowlevel\.ts/,
    );
    assertProblem({ "flow/retry.ts": `import type { A } from "../core/scope.ts";` }, /through lowlevel\.ts/);
  });

  test("refuses what is on no floor or outside src", () => {
    assertProblem({ "magic/wand.ts": `` }, /^magic\/wand\.ts:1: magic stands on no floor/);
    assertProblem({ "core/run.ts": `import "../magic.ts";` }, /imports magic\.ts, which stands on no floor/);
    assertProblem({ "core/run.ts": `import "../../test/runtime.ts";` }, /outside src/);
  });

  test("keeps doors to re-exports", () => {
    assertProblem(
      { "index.ts": `export * from "./errors.ts";\nexport const version = 1;` },
      /^index\.ts:2: a door file only/,
    );
    assertProblem({ "testing/index.ts": `import { a } from "./clock.ts";` }, /a door file only re-exports/);
    assertProblem({ "index.ts": `export * from "./testing/index.ts";` }, /which is above it/);
  });

  test("gives Node's modules only to those in the table", () => {
    assert.deepEqual(problems({ "core/current.ts": `import { AsyncLocalStorage } from "node:async_hooks";` }), []);
    assert.deepEqual(problems({ "core/run.ts": `import type { Server } from "node:net";` }), []);
    assertProblem(
      { "core/run.ts": `import { AsyncLocalStorage } from "node:async_hooks";` },
      /imports node:async_hooks/,
    );
    assertProblem({ "core/current.ts": `import "node:fs";` }, /imports node:fs/);
  });

  test("refuses dependencies and imports of itself by name", () => {
    assertProblem({ "net/tcp.ts": `import "undici";` }, /imports "undici": .* no dependencies/);
    assertProblem({ "testing/leaks.ts": `import "vitest";` }, /imports "vitest": .* no dependencies/);
    assert.deepEqual(problems({ "testing/runners/vitest.ts": `await import("vitest");` }), []);
    assertProblem({ "sync/mutex.ts": `import "tasktree/lowlevel";` }, /only relative paths/);
  });

  test("lets one file listen to abort signals", () => {
    const text = `\n  signal.addEventListener("abort", f);`;
    assert.deepEqual(
      problems({ "core/signal-bridge.ts": text, "core/a.ts": `target.addEventListener("open", f);` }),
      [],
    );
    assertProblem({ "core/scope.ts": text }, /^core\/scope\.ts:2: listens to an abort signal/);
  });

  test("leaves tests alone", () => {
    const text = `import "tasktree";\nimport "node:fs";\nimport "../../test/runtime.ts";`;
    assert.deepEqual(problems({ "core/run.test.ts": text, "core/run.test-d.ts": text }), []);
  });
});
