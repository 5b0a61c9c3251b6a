import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import fs from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startFile, program } from "../../test/child.ts";
import { inFolder, makePipe, openIn, watchCalls } from "../../test/files.ts";
import { needs, proc, root } from "../../test/needs.ts";
import { randomFrom } from "../../test/random.ts";
import { rejection } from "../../test/rejection.ts";
import {
  all,
  CancelledError,
  InvalidStateError,
  moveOnAfter,
  sleepForever,
  suppressedErrors,
  withCancelScope,
} from "../index.ts";
import { fileLimiter, readText, writeFileAtomic, type FileData } from "./index.ts";

const before = "before ".repeat(100);
const after = "after ".repeat(300_000);

/** Runs a test with a file that is there. */
function withFile(use: (file: string, folder: string) => Promise<void>): () => Promise<void> {
  return inFolder(async (folder) => {
    const file = join(folder, "file");
    writeFileSync(file, before);
    await use(file, folder);
  });
}

/** Whether it holds the new content, and not the old; nothing else may be there. */
function isReplaced(file: string, folder: string): boolean {
  assert.deepEqual(readdirSync(folder), ["file"]);
  const content = readFileSync(file, "utf8");
  assert.ok(content === before || content === after, `${content.length} characters`);
  return content === after;
}

function notYou(code: string): Error {
  return Object.assign(new Error("not you"), { code });
}

async function* letters() {
  yield "a";
  yield Buffer.from("ft");
  yield* ["er ", after.slice(6)];
}

test(
  "writeFileAtomic() writes text, bytes, and both in pieces",
  withFile(async (file, folder) => {
    const kinds: FileData[] = [after, Buffer.from(after), ["after ", Buffer.from(after.slice(6))], letters()];
    for (const data of kinds) {
      await writeFileAtomic(file, before);
      await writeFileAtomic(file, data);
      assert.ok(isReplaced(file, folder));
    }
    await writeFileAtomic(Buffer.from(file), [], { sync: false });
    assert.equal(await readText(file), "");
    await writeFileAtomic(new URL(`file://${join(folder, "new")}`), "");
    assert.deepEqual(readdirSync(folder), ["file", "new"]);
    assert.equal(fileLimiter.borrowed, 0);
  }),
);

test(
  "writeFileAtomic() keeps the rights of the file that was there, or gives those it is told, exactly",
  withFile(async (file, folder) => {
    const modeOf = (path: string) => statSync(path).mode & 0o7777;
    chmodSync(file, 0o4741);
    await writeFileAtomic(file, "x");
    assert.equal(modeOf(file), 0o4741);
    await writeFileAtomic(file, "x", { mode: 0o626 });
    assert.equal(modeOf(file), 0o626);
    writeFileSync(join(folder, "usual"), "");
    await writeFileAtomic(join(folder, "new"), "x");
    assert.equal(modeOf(join(folder, "new")), modeOf(join(folder, "usual")));
  }),
);

test(
  "writeFileAtomic() keeps the owner where it may, and else drops what lends an owner's rights",
  needs(root),
  withFile(async (file) => {
    chownSync(file, 1234, 1235);
    chmodSync(file, 0o4755);
    await writeFileAtomic(file, "x");
    const { uid, gid, mode } = statSync(file);
    assert.deepEqual([uid, gid, mode & 0o7777], [1234, 1235, 0o4755]);
    using _watch = watchCalls((name) => {
      if (name === "chown") throw notYou("EPERM");
    });
    await writeFileAtomic(file, "y");
    assert.deepEqual([statSync(file).uid, statSync(file).mode & 0o7777], [0, 0o755]);
  }),
);

test(
  "writeFileAtomic() keeps the group where it may not keep the owner",
  needs(root),
  withFile(async (file) => {
    for (const [old, kept] of [
      [0o640, 0o640],
      [0o6755, 0o755],
    ] as const) {
      chownSync(file, 1234, 1235);
      chmodSync(file, old);
      let refusals = 1;
      using _watch = watchCalls((name) => {
        if (name === "chown" && refusals-- > 0) throw notYou("EPERM");
      });
      await writeFileAtomic(file, "x");
      const { uid, gid, mode } = statSync(file);
      assert.deepEqual([uid, gid, mode & 0o7777], [0, 1235, kept]);
    }
  }),
);

test(
  "writeFileAtomic() that may not keep the group gives no rights to another",
  needs(root),
  withFile(async (file) => {
    using _watch = watchCalls((name) => {
      if (name === "chown") throw notYou("EPERM");
    });
    for (const [old, kept] of [
      [0o640, 0o600],
      [0o604, 0o600],
      [0o664, 0o644],
      [0o4755, 0o755],
    ] as const) {
      chownSync(file, 1234, 1235);
      chmodSync(file, old);
      await writeFileAtomic(file, "x");
      const { uid, gid, mode } = statSync(file);
      assert.deepEqual([uid, gid, mode & 0o7777], [0, process.getgid!(), kept], old.toString(8));
      chownSync(file, 1234, 1235);
      await writeFileAtomic(file, "x", { mode: old });
      assert.equal(statSync(file).mode & 0o7777, old);
    }
  }),
);

test(
  "writeFileAtomic() has written in a folder that may be written to and not read",
  withFile(async (file, folder) => {
    for (const code of ["EACCES", "EPERM"]) {
      writeFileSync(file, before);
      let renamed = false;
      using _watch = watchCalls((name) => {
        if (name === "open" && renamed) throw notYou(code);
        renamed ||= name === "rename";
      });
      await writeFileAtomic(file, after);
      assert.ok(renamed && isReplaced(file, folder));
    }
  }),
);

test(
  "writeFileAtomic() replaces the file that a symlink leads to, also one that is not there yet",
  withFile(async (file, folder) => {
    mkdirSync(join(folder, "links"));
    symlinkSync("../file", join(folder, "links", "one"));
    symlinkSync(join(folder, "links/one"), join(folder, "two"));
    symlinkSync("links/../new", join(folder, "three"));
    await writeFileAtomic(join(folder, "two"), "through two");
    await writeFileAtomic(Buffer.from(join(folder, "three")), "through three");
    assert.equal(readFileSync(file, "utf8"), "through two");
    assert.equal(readFileSync(join(folder, "new"), "utf8"), "through three");
    for (const link of ["links/one", "two", "three"]) assert.ok(lstatSync(join(folder, link)).isSymbolicLink());
    symlinkSync("loop", join(folder, "loop"));
    await assert.rejects(writeFileAtomic(join(folder, "loop"), "x"), { code: "ELOOP" });
  }),
);

test(
  "writeFileAtomic() replaces nothing but files",
  withFile(async (file, folder) => {
    const pipe = makePipe(folder);
    for (const path of [folder, pipe.path, "/dev/null"]) {
      const error = (await rejection(writeFileAtomic(path, "x"))) as Error;
      assert.ok(error instanceof InvalidStateError);
      assert.equal(error.message, `Cannot write '${path}': it is not a file`);
    }
    await assert.rejects(writeFileAtomic(join(folder, "none/file"), "x"), { code: "ENOENT" });
    await assert.rejects(writeFileAtomic(join(file, "file"), "x"), { code: "ENOTDIR" });
    assert.deepEqual(readdirSync(folder), ["file", "pipe"]);
  }),
);

test(
  "writeFileAtomic() refuses what is no path, no data, no mode and no options, and leaves the file when a piece is none",
  withFile(async (file, folder) => {
    await assert.rejects(writeFileAtomic(7 as never, "x"), TypeError);
    await assert.rejects(
      writeFileAtomic(file, 7 as never),
      /^TypeError: Cannot write 7 to '.*': wanted text, bytes, or/,
    );
    await assert.rejects(writeFileAtomic(file, {} as never), TypeError);
    await assert.rejects(writeFileAtomic(file, "x", { mode: 0o10000 }), RangeError);
    await assert.rejects(writeFileAtomic(file, "x", null as never), TypeError);
    await assert.rejects(
      writeFileAtomic(file, ["x", 7] as never),
      /^TypeError: Cannot write 7 to '.*': wanted text or/,
    );
    assert.equal(isReplaced(file, folder), false);
  }),
);

test(
  "writeFileAtomic() of pieces that fail, or never come, leaves the file",
  needs(proc),
  withFile(async (file, folder) => {
    const wrong = new Error("no more");
    async function* pieces(end: () => Promise<void>) {
      yield after;
      await end();
    }
    const failing = pieces(() => Promise.reject(wrong));
    assert.equal(await rejection(writeFileAtomic(file, failing)), wrong);
    assert.equal(isReplaced(file, folder), false);
    assert.equal(await moveOnAfter(10, () => writeFileAtomic(file, pieces(sleepForever))), undefined);
    assert.equal(isReplaced(file, folder), false);
    assert.equal(openIn(folder), 0);
  }),
);

test(
  "Y3 fileLimiter: writers whose pieces are read from other files don't wait for themselves",
  withFile(async (file, folder) => {
    fileLimiter.total = 1;
    try {
      async function* copy() {
        yield await readText(file);
      }
      const write = (name: string) => writeFileAtomic(join(folder, name), copy());
      await all(["a", "b", "c"].map((name) => () => write(name)));
      for (const name of ["a", "b", "c"]) assert.equal(await readText(join(folder, name)), before);
    } finally {
      fileLimiter.total = 64;
    }
  }),
);

test(
  "Y2 of several that write one file the last wins, and who reads sees one of them whole",
  withFile(async (file, folder) => {
    const contents = Array.from({ length: 12 }, (_, n) => `${n} `.repeat(100_000));
    let writing = true;
    await all([
      async () => {
        await all(contents.map((content) => () => writeFileAtomic(file, content, { sync: false })));
        writing = false;
      },
      async () => {
        while (writing) assert.ok([before, ...contents].includes(await readText(file)));
      },
    ]);
    assert.ok(contents.includes(await readText(file)));
    assert.deepEqual(readdirSync(folder), ["file"]);
  }),
);

test(
  "Y2 C3a C3b writeFileAtomic() cut at its k-th step leaves the old content, or has written the new; nothing beside it, nothing open",
  needs(proc),
  withFile(async (file, folder) => {
    for (const data of [() => after, letters]) {
      let steps: string[] = [];
      let cutAt = 0;
      let cut = (): void => {};
      using _watch = watchCalls((name) => {
        if (steps.push(name) === cutAt) cut();
      });
      const outcomes: string[] = [];
      for (cutAt = 1; cutAt === 1 || steps.length >= cutAt - 1; cutAt++) {
        writeFileSync(file, before);
        steps = [];
        let returned = false;
        const scope = await withCancelScope(async (scope) => {
          cut = () => scope.cancel();
          await writeFileAtomic(file, data());
          returned = true;
        }).then(() => undefined);
        assert.equal(scope, undefined);
        const wasCut = steps.length >= cutAt;
        assert.equal(isReplaced(file, folder), returned, `cut at step ${cutAt}, ${steps[cutAt - 1]}`);
        if (!wasCut) assert.ok(returned);
        assert.equal(openIn(folder), 0);
        outcomes.push(returned ? "new" : "old");
      }
      assert.ok(outcomes.length > 8, String(outcomes));
      assert.equal(outcomes[0], "old");
      assert.equal(outcomes.join(" ").replace(/^(old )+(new ?)+$/, ""), "");
      assert.equal(fileLimiter.borrowed, 0);
    }
  }),
);

test(
  "Y2 writeFileAtomic() that fails at its k-th step leaves the old content or the new, and tells",
  needs(proc),
  withFile(async (file, folder) => {
    let steps: string[] = [];
    let failAt = 0;
    const wrong = Object.assign(new Error("disk on fire"), { code: "EIO" });
    using _watch = watchCalls((name) => {
      if (steps.push(name) === failAt) throw wrong;
    });
    for (failAt = 1; failAt === 1 || steps.length >= failAt - 1; failAt++) {
      writeFileSync(file, before);
      steps = [];
      const error = await writeFileAtomic(file, after).catch((error: unknown) => error);
      if (steps.length < failAt) {
        assert.equal(error, undefined);
        break;
      }
      assert.equal(error, wrong, `failed at step ${failAt}, ${steps[failAt - 1]}`);
      const wasRenamed = steps.includes("rename") && steps[failAt - 1] !== "rename";
      assert.equal(isReplaced(file, folder), wasRenamed, `failed at step ${failAt}, ${steps[failAt - 1]}`);
      assert.equal(openIn(folder), 0);
    }
    assert.ok(failAt > 8);
  }),
);

test(
  "What goes wrong in tidying up stands with the error, and is not lost behind a cancellation",
  withFile(async (file, folder) => {
    const [wrong, worse] = [new Error("disk on fire"), new Error("cannot remove")];
    let cut = (): void => {};
    const watch = watchCalls((name) => {
      if (name === "sync") cut();
      if (name === "rm") throw worse;
    });
    cut = () => {
      throw wrong;
    };
    assert.equal(await rejection(writeFileAtomic(file, after)), wrong);
    assert.deepEqual(suppressedErrors(wrong), [worse]);
    const error = await rejection(
      withCancelScope(async (scope) => {
        cut = () => scope.cancel();
        await writeFileAtomic(file, after);
      }),
    );
    assert.equal(error, worse);
    watch[Symbol.dispose]();
    assert.equal(readFileSync(file, "utf8"), before);
    for (const name of readdirSync(folder)) if (name !== "file") await fs.rm(join(folder, name));
  }),
);

test(
  "C3a writeFileAtomic() cut on entry, or while it waits for its turn, has touched nothing",
  withFile(async (file, folder) => {
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(writeFileAtomic(file, after), CancelledError);
    });
    fileLimiter.total = 0;
    try {
      await moveOnAfter(5, () => writeFileAtomic(file, after));
      await moveOnAfter(5, () => writeFileAtomic(file, letters()));
    } finally {
      fileLimiter.total = 64;
    }
    assert.equal(isReplaced(file, folder), false);
    assert.deepEqual(fileLimiter.statistics(), { total: 64, borrowed: 0, waiting: 0 });
  }),
);

test(
  "Y2 C3a C3b writeFileAtomic() cut at any moment has written all, or nothing",
  needs(proc),
  withFile(async (file, folder) => {
    const random = randomFrom(1);
    const seen = new Set<boolean>();
    for (let round = 0; round < 60; round++) {
      writeFileSync(file, before);
      let returned = false;
      await moveOnAfter(random(12), async () => {
        await writeFileAtomic(file, round % 2 === 0 ? after : letters(), { sync: round % 3 === 0 });
        returned = true;
      });
      assert.equal(isReplaced(file, folder), returned, `round ${round}`);
      assert.equal(openIn(folder), 0);
      seen.add(returned);
    }
    assert.equal(seen.has(false), true);
  }),
);

test(
  "Y2 a program that is killed while it replaces a file leaves one content or the other",
  withFile(async (file) => {
    const random = randomFrom(2);
    for (let round = 0; round < 4; round++) {
      const child = startFile(program("replaces.ts"), [file]);
      await child.printed("replaced 3");
      for (let turn = random(40); turn > 0; turn--) await new Promise(setImmediate);
      child.kill("SIGKILL");
      await child.ended;
      const content = readFileSync(file, "utf8");
      assert.ok(
        ["a", "b"].some((letter) => content === letter.repeat(300_000)),
        `${content.length} characters`,
      );
    }
  }),
);
