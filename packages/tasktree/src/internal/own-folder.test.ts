import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isOwn, ownFile } from "./own-folder.ts";

const here = import.meta.dirname;
let folder: string;

before(() => (folder = mkdtempSync(join(tmpdir(), "tasktree own-"))));
after(() => rmSync(folder, { recursive: true, force: true }));

async function copiedTo(...path: string[]): Promise<typeof import("./own-folder.ts")> {
  const file = join(folder, ...path);
  cpSync(join(here, "own-folder.ts"), file);
  return (await import(pathToFileURL(file).href)) as typeof import("./own-folder.ts");
}

test("isOwn() knows tasktree's source and its build, by path, by URL and in a line of a stack", () => {
  const file = join(here, "../core/task.ts");
  const built = join(here, "../../dist/chunks/tasktree-ABC.js");
  for (const place of [file, built]) {
    assert.ok(isOwn(place), place);
    assert.ok(isOwn(pathToFileURL(place).href), place);
    assert.ok(isOwn(`    at spawn (${pathToFileURL(place).href}:1:2)`), place);
  }
});

test("isOwn() knows that tests beside the source, programs beside the folder and Node's modules are not", () => {
  const others = [import.meta.url, join(here, "../../test/virtual.ts"), join(here, "../../main.js"), "node:events"];
  for (const place of others) assert.ok(!isOwn(place), place);
});

test("isOwn() knows a folder with odd characters", async () => {
  const copy = await copiedTo("a b#c%20é", "src", "internal", "own-folder.ts");
  const place = join(folder, "a b#c%20é", "src", "core", "task.ts");
  assert.ok(copy.isOwn(place));
  assert.ok(copy.isOwn(pathToFileURL(place).href));
  assert.ok(!copy.isOwn(join(folder, "a b#c%20é", "main.ts")));
});

test("ownFile() gives the URL of a file that is there", () => {
  assert.ok(existsSync(fileURLToPath(ownFile("inspector/watchdog-worker"))));
});

test("in somebody's bundle only what is in the same file is taken for tasktree's, and no file is found", async () => {
  const copy = await copiedTo("app", "dist", "main.ts");
  assert.ok(copy.isOwn(`at main (${pathToFileURL(join(folder, "app/dist/main.ts")).href}:1:2)`));
  for (const name of ["app/dist/other.js", "app/src/main.ts", "dist/main.js"])
    assert.ok(!copy.isOwn(pathToFileURL(join(folder, name)).href), name);
  assert.throws(() => copy.ownFile("inspector/watchdog-worker"), {
    message: /^Cannot load inspector\/watchdog-worker: tasktree is part of a bundle \(file:.*main\.ts\)$/,
  });
});
