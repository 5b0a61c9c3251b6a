import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import fs from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { inFolder, makePipe, openIn, until, watchCalls } from "../../test/files.ts";
import { needs, proc } from "../../test/needs.ts";
import { rejection } from "../../test/rejection.ts";
import { runtime, skipOn } from "../../test/runtime.ts";
import { CancelledError, moveOnAfter, sleepForever, withCancelScope } from "../index.ts";
import { fileLimiter, walk, type WalkEntry, type WalkOptions } from "./index.ts";

/** Makes files, and folders where a path ends with a slash. */
function plant(folder: string, ...paths: readonly string[]): void {
  for (const path of paths) {
    if (path.endsWith("/")) mkdirSync(join(folder, path), { recursive: true });
    else writeFileSync(join(folder, path), "");
  }
}

async function entriesOf(root: string, options?: WalkOptions): Promise<WalkEntry[]> {
  return await collect(walk(root, options));
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** "path, kind, depth", in the order of the paths. */
async function walked(root: string, options?: WalkOptions): Promise<string[]> {
  const entries = await entriesOf(root, options);
  return entries.map(({ path, kind, depth }) => `${path.slice(root.length + 1)}, ${kind}, ${depth}`).toSorted();
}

test(
  "walk() comes by all that is in a folder, a folder before what is in it",
  inFolder(async (folder) => {
    plant(folder, "a/b/", "a/b/c", "a/d", "e/", "f");
    makePipe(folder);
    symlinkSync("a", join(folder, "link"));
    assert.deepEqual(await walked(folder), [
      "a, directory, 1",
      "a/b, directory, 2",
      "a/b/c, file, 3",
      "a/d, file, 2",
      "e, directory, 1",
      "f, file, 1",
      "link, symlink, 1",
      "pipe, other, 1",
    ]);
    const names = (await entriesOf(folder)).map(({ name }) => name);
    assert.ok(names.indexOf("a") < names.indexOf("b") && names.indexOf("b") < names.indexOf("c"));
    const byUrl = await collect(walk(new URL(`file://${folder}/`)));
    assert.deepEqual(
      byUrl.map(({ name }) => name),
      names,
    );
  }),
);

test(
  "walk() comes by every one of many, and has one folder open for each level",
  needs(proc),
  inFolder(async (folder) => {
    const many = Array.from({ length: 500 }, (_, n) => `deep/in/side/${n}`);
    plant(folder, "deep/in/side/", ...many);
    let most = 0;
    const names = new Set<string>();
    for await (const { name } of walk(folder)) {
      names.add(name);
      most = Math.max(most, openIn(folder));
    }
    assert.equal(names.size, 503);
    assert.ok(most <= 4, String(most));
    assert.equal(openIn(folder), 0);
  }),
);

test(
  "walk() goes as deep, and into such folders, as it is told",
  inFolder(async (folder) => {
    plant(folder, "a/b/c/", "x/y/", "x/z");
    assert.deepEqual(await walked(folder, { maxDepth: 1 }), ["a, directory, 1", "x, directory, 1"]);
    const asked: string[] = [];
    const enter = ({ name, depth }: WalkEntry) => asked.push(`${depth} ${name}`) > 0 && name !== "a";
    assert.deepEqual(await walked(folder, { enter, maxDepth: 2 }), [
      "a, directory, 1",
      "x, directory, 1",
      "x/y, directory, 2",
      "x/z, file, 2",
    ]);
    assert.deepEqual(asked.toSorted(), ["1 a", "1 x"]);
  }),
);

test(
  "walk() follows symlinks if it is told to, not in circles, and shows those that lead nowhere",
  inFolder(async (folder) => {
    plant(folder, "a/b/", "a/file", "other/", "other/one");
    symlinkSync("..", join(folder, "a/b/up"));
    symlinkSync(folder, join(folder, "root"));
    symlinkSync("../../other", join(folder, "a/b/other"));
    symlinkSync("a/file", join(folder, "file"));
    symlinkSync("none", join(folder, "dangling"));
    symlinkSync("loop", join(folder, "loop"));
    assert.deepEqual(await walked(folder, { followSymlinks: true }), [
      "a, directory, 1",
      "a/b, directory, 2",
      "a/b/other, directory, 3",
      "a/b/other/one, file, 4",
      "a/b/up, directory, 3",
      "a/file, file, 2",
      "dangling, symlink, 1",
      "file, file, 1",
      "loop, symlink, 1",
      "other, directory, 1",
      "other/one, file, 2",
      "root, directory, 1",
    ]);
  }),
);

test(
  "walk() of a tree that changes passes over what is gone",
  inFolder(async (folder) => {
    plant(folder, "a/in/", "b/in/", "c/in/", "d/in/");
    const seen: string[] = [];
    for await (const { name, path, depth } of walk(folder)) {
      seen.push(name);
      if (depth > 1) continue;
      if (name === "a") rmSync(path, { recursive: true });
      if (name === "b") {
        rmSync(path, { recursive: true });
        writeFileSync(path, "");
      }
      if (name === "c") renameSync(path, join(folder, "..", "moved"));
    }
    rmSync(join(folder, "..", "moved"), { recursive: true });
    assert.deepEqual(seen.toSorted(), ["a", "b", "c", "d", "in"]);
  }),
);

test(
  "walk() throws what goes wrong with the root, whatever onError does",
  inFolder(async (folder) => {
    plant(folder, "file");
    const onError = (): void => {};
    await assert.rejects(entriesOf(join(folder, "none"), { onError }), { code: "ENOENT" });
    await assert.rejects(entriesOf(join(folder, "file"), { onError }), { code: "ENOTDIR" });
  }),
);

test(
  "walk() throws what goes wrong inside, or gives it to onError and goes on",
  needs(proc),
  inFolder(async (folder) => {
    plant(folder, "a/in/", "b/in/");
    const wrong = new Error("disk on fire");
    let opened = 0;
    using _watch = watchCalls((name) => {
      if (name === "opendir" && ++opened === 2) throw wrong;
    });
    assert.equal(await rejection(entriesOf(folder)), wrong);
    assert.equal(openIn(folder), 0);
    opened = 0;
    const errors: [unknown, string][] = [];
    const found = await entriesOf(folder, { onError: (error, path) => errors.push([error, path]) });
    assert.deepEqual(errors, [[wrong, found[0]!.path]]);
    assert.equal(found.filter(({ name }) => name === "in").length, 1);
    opened = 0;
    const worse = new Error("no more");
    const onError = () => {
      throw worse;
    };
    assert.equal(await rejection(entriesOf(folder, { onError })), worse);
  }),
);

test("walk() refuses what is no path, no depth and no options", () => {
  assert.throws(() => walk(7 as never), /^TypeError: Cannot walk 7: wanted a path/);
  assert.throws(() => walk("a", { maxDepth: 0 }), /^RangeError: Cannot walk 'a' 0 deep: wanted a whole number from 1/);
  assert.throws(() => walk("a", null as never), /^TypeError: Cannot walk 'a' with null: wanted an object/);
});

test(
  "walk() goes on only when the loop asks, and closes what is open when it is left, however",
  needs(proc),
  inFolder(async (folder) => {
    plant(folder, "a/b/c/d/");
    const leave = async (how: () => unknown) => {
      for await (const { depth } of walk(folder)) if (depth === 3) await how();
    };
    let opened = 0;
    using _watch = watchCalls((name) => {
      if (name === "opendir") opened++;
    });
    for await (const { depth } of walk(folder)) {
      assert.equal(opened, depth);
      if (depth === 2) break;
    }
    assert.equal(openIn(folder), 0);
    const wrong = new Error("no more");
    assert.equal(await rejection(leave(() => Promise.reject(wrong))), wrong);
    assert.equal(openIn(folder), 0);
    assert.equal(await moveOnAfter(20, () => leave(sleepForever)), undefined);
    assert.equal(openIn(folder), 0);
    await leave(() => {});
    assert.equal(opened, 2 + 3 + 3 + 5);
  }),
);

test(
  "C3a walk() cut while it waits ends, and closes what is open, and what is opened later",
  needs(proc),
  inFolder(async (folder) => {
    plant(folder, "a/b/c/d/");
    const opens = [1, 2, 4];
    for (const cutAt of opens) {
      let opened = 0;
      await withCancelScope(async (scope) => {
        using _watch = watchCalls((name) => name === "opendir" && ++opened === cutAt && scope.cancel());
        const error = await rejection(entriesOf(folder));
        assert.ok(error instanceof CancelledError);
      });
      assert.equal(opened, cutAt);
      await until(() => openIn(folder) === 0 && fileLimiter.borrowed === 0, "all is closed");
    }
    const errors: unknown[] = [];
    await withCancelScope(async (scope) => {
      using _watch = watchCalls((name) => name === "opendir" && scope.cancel());
      await entriesOf(folder, { onError: (error) => errors.push(error) });
    });
    assert.deepEqual(errors, []);
  }),
);

const odd = Buffer.from([0x61, 0xff]);

test(
  "walk() by strings tells of a folder whose name is not UTF-8, and cannot enter it",
  inFolder(async (folder) => {
    // the shell makes it, since Deno takes no such path
    execFileSync("sh", ["-c", 'cd "$1" && mkdir "$(printf \'a\\377\')"', "sh", folder]);
    const error = (await rejection(entriesOf(folder))) as NodeJS.ErrnoException;
    assert.equal(error.code, "ENOENT");
    const found = await entriesOf(folder, { onError: () => {} });
    assert.deepEqual(
      found.map(({ name }) => name),
      ["a\uFFFD"],
    );
  }),
);

test(
  "walk() of a Buffer gives names and paths as bytes",
  skipOn({ bun: "opendir gives no names as bytes", deno: "opendir takes no Buffer" }),
  inFolder(async (folder) => {
    const path = Buffer.concat([Buffer.from(`${folder}/`), odd]);
    await fs.mkdir(path);
    await fs.writeFile(Buffer.concat([path, Buffer.from("/"), odd]), "");
    const found = await collect(walk(Buffer.from(folder)));
    assert.deepEqual(
      found.map(({ name, kind }) => [name, kind]),
      [
        [odd, "directory"],
        [odd, "file"],
      ],
    );
    assert.deepEqual(await fs.readFile(found[1]!.path), Buffer.from(""));
  }),
);

if (runtime !== "node") {
  test(
    "walk() of a Buffer says that this runtime gives names as strings only",
    inFolder(async (folder) => {
      plant(folder, "a");
      await assert.rejects(
        collect(walk(Buffer.from(folder))),
        /^TypeError: Cannot walk '.*' by bytes: this runtime gives names as strings only$/,
      );
    }),
  );
}

test(
  "walk() of an empty folder ends at once, and again",
  inFolder(async (folder) => {
    const walking = walk(folder);
    assert.deepEqual(await walking.next(), { done: true, value: undefined });
    assert.deepEqual(await walking.next(), { done: true, value: undefined });
    assert.deepEqual(readdirSync(folder), []);
  }),
);
