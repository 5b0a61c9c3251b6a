import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { inFolder, openIn, until, watchCalls } from "../../test/files.ts";
import { needs, proc } from "../../test/needs.ts";
import { rejection } from "../../test/rejection.ts";
import { CancelledError, moveOnAfter, sleepForever, withCancelScope } from "../index.ts";
import { fileLimiter, tempDirectory, tempFile, type OpenFile, type TempDirectory } from "./index.ts";

test(
  "tempFile() is open to read and write, for nobody else, and removed when it is closed",
  inFolder(async (folder) => {
    let path: string;
    {
      await using file = await tempFile({ directory: folder, prefix: "mine-" });
      path = file.path as string;
      assert.match(path, /\/mine-[-0-9a-f]{36}$/);
      assert.equal(statSync(path).mode & 0o777, 0o600);
      await file.write(Buffer.from("x"));
      assert.equal(Buffer.from((await file.read())!).toString(), "x");
    }
    assert.deepEqual(readdirSync(folder), []);
    await using usual = await tempFile();
    assert.ok((usual.path as string).startsWith(join(tmpdir(), "tasktree-")));
  }),
);

test(
  "tempDirectory() is for nobody else, and removed with all that is in it",
  inFolder(async (folder) => {
    {
      await using temp = await tempDirectory({ directory: folder, prefix: "" });
      assert.equal(dirname(temp.path), folder);
      assert.equal(statSync(temp.path).mode & 0o777, 0o700);
      mkdirSync(join(temp.path, "a/b"), { recursive: true });
      writeFileSync(join(temp.path, "a/b/c"), "");
    }
    assert.deepEqual(readdirSync(folder), []);
    await using usual = await tempDirectory();
    assert.ok(usual.path.startsWith(join(tmpdir(), "tasktree-")));
    await usual.remove();
    assert.equal(existsSync(usual.path), false);
  }),
);

test("Temporary files and folders refuse what is no folder, no prefix and no options", async () => {
  for (const make of [tempFile, tempDirectory] as ((options: unknown) => Promise<unknown>)[]) {
    await assert.rejects(make(null), /^TypeError: Cannot make a temporary (file|folder) with null: wanted an object/);
    await assert.rejects(make({ directory: 7 }), /^TypeError: Cannot make a temporary (file|folder) in 7: wanted/);
    await assert.rejects(make({ prefix: "../x" }), /^TypeError: .* with prefix "\.\.\/x": wanted a string without/);
    await assert.rejects(make({ directory: "/none" }), { code: "ENOENT" });
  }
});

test(
  "Y1 temporary files and folders are gone when their block was cancelled",
  needs(proc),
  inFolder(async (folder) => {
    await moveOnAfter(30, async () => {
      await using temp = await tempDirectory({ directory: folder });
      await using file = await tempFile({ directory: temp.path });
      assert.ok(existsSync(file.path));
      await sleepForever();
    });
    assert.deepEqual(readdirSync(folder), []);
    assert.equal(openIn(folder), 0);
  }),
);

for (const [name, make] of Object.entries({ tempFile, tempDirectory })) {
  const step = name === "tempFile" ? "open" : "mkdtemp";

  test(
    `C3a ${name}() cut on entry, or while it waits for its turn, makes nothing`,
    inFolder(async (folder) => {
      await withCancelScope(async (scope) => {
        scope.cancel();
        await assert.rejects(make({ directory: folder }), CancelledError);
      });
      fileLimiter.total = 0;
      await moveOnAfter(5, () => make({ directory: folder }) as Promise<unknown>);
      fileLimiter.total = 64;
      assert.deepEqual(readdirSync(folder), []);
      assert.equal(fileLimiter.borrowed, 0);
    }),
  );

  test(
    `C3b ${name}() cut while it is made is made, and its caller's`,
    inFolder(async (folder) => {
      await withCancelScope(async (scope) => {
        using _watch = watchCalls((name) => name === step && scope.cancel());
        await using made: OpenFile | TempDirectory = await make({ directory: folder });
        assert.ok(existsSync(made.path));
        assert.ok(scope.cancelRequested);
      });
      assert.deepEqual(readdirSync(folder), []);
    }),
  );

  test(
    `C3a ${name}() on a disk that hangs is left after five seconds, and what it makes later is removed`,
    inFolder(async (folder) => {
      const gate = Promise.withResolvers<void>();
      const calls = fs as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
      const call = calls[step]!;
      calls[step] = async (...args) => {
        await gate.promise;
        return call(...args);
      };
      try {
        const started = performance.now();
        assert.equal(await moveOnAfter(10, () => make({ directory: folder }) as Promise<unknown>), undefined);
        assert.ok(performance.now() - started >= 4900);
        assert.equal(fileLimiter.borrowed, 1);
      } finally {
        calls[step] = call;
        gate.resolve();
      }
      await until(() => fileLimiter.borrowed === 0 && readdirSync(folder).length === 0, "it is removed");
    }),
  );
}

test(
  "A temporary folder that cannot be removed says so, and the next call tries again",
  inFolder(async (folder) => {
    const wrong = new Error("disk on fire");
    const temp = await tempDirectory({ directory: folder });
    {
      using _watch = watchCalls((name) => {
        if (name === "rm") throw wrong;
      });
      const both = [rejection(temp.remove()), rejection(temp.remove())];
      assert.deepEqual(await Promise.all(both), [wrong, wrong]);
      assert.equal(await rejection(temp[Symbol.asyncDispose]()), wrong);
    }
    assert.ok(existsSync(temp.path));
    await temp.remove();
    assert.deepEqual(readdirSync(folder), []);
    await temp.remove();
  }),
);
