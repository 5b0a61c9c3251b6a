import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import fs from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { inFolder, makePipe, openIn, until, watchCalls } from "../../test/files.ts";
import { needs, proc } from "../../test/needs.ts";
import { rejection } from "../../test/rejection.ts";
import { runtime } from "../../test/runtime.ts";
import {
  all,
  CancelledError,
  failAfter,
  LimitExceededError,
  moveOnAfter,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { fileLimiter, readFile, readText } from "./index.ts";

const idle = { total: 64, borrowed: 0, waiting: 0 };

test(
  "readFile() gives all bytes of a file, of whatever size, by string, URL or Buffer",
  inFolder(async (folder) => {
    for (const size of [0, 1, 16_384, 524_288, 1_300_000]) {
      const bytes = Buffer.alloc(size, "tasktree ");
      const path = join(folder, `file ${size}`);
      writeFileSync(path, bytes);
      for (const as of [path, new URL(`file://${path}`), Buffer.from(path)])
        assert.ok(bytes.equals(await readFile(as)), String(size));
    }
    assert.deepEqual(fileLimiter.statistics(), idle);
  }),
);

test(
  "readText() reads UTF-8, leaves out a byte order mark, and shows what is none",
  inFolder(async (folder) => {
    const path = join(folder, "text");
    writeFileSync(path, Buffer.from([0xef, 0xbb, 0xbf, 0xc3, 0xa4, 0xff]));
    assert.equal(await readText(path), "ä\uFFFD");
  }),
);

test("readFile() reads what does not say how long it is", needs(proc), async () => {
  assert.match(await readText("/proc/self/status"), /^Name:/);
});

test(
  "readFile() refuses what has more bytes than its limit, and reads no further",
  inFolder(async (folder) => {
    const path = join(folder, "long");
    writeFileSync(path, "0123456789");
    assert.equal(await readText(path, { limit: 10 }), "0123456789");
    const error = (await rejection(readFile(path, { limit: 9 }))) as LimitExceededError;
    assert.ok(error instanceof LimitExceededError);
    assert.equal(error.message, `Cannot read '${path}': it has more than 9 bytes`);
    assert.equal(error.limit, 9);
    await assert.rejects(readFile("/dev/zero", { limit: 1_000_000 }), LimitExceededError);
    assert.deepEqual(fileLimiter.statistics(), idle);
  }),
);

test(
  "readFile() does not begin to read a file that says to be longer than its limit",
  inFolder(async (folder) => {
    const path = join(folder, "long");
    writeFileSync(path, "");
    truncateSync(path, 300_000_000); // without blocks on the disk
    let pieces = 0;
    using _watch = watchCalls((name) => name === "read" && pieces++);
    const error = await rejection(readFile(path, { limit: 200_000_000 }));
    assert.ok(error instanceof LimitExceededError);
    assert.deepEqual([error.limit, pieces], [200_000_000, 0]);
    assert.deepEqual(fileLimiter.statistics(), idle);
  }),
);

const online = "/sys/devices/system/cpu/online";

test(
  "readFile() reads what has fewer bytes than it says up to a limit between the two",
  needs(existsSync(online) ? undefined : `needs ${online}: run it on Linux`),
  async () => {
    assert.ok(statSync(online).size > 1000);
    assert.match(await readText(online, { limit: 1000 }), /^[-,0-9]+\n$/);
  },
);

test(
  "readFile() gives what is there when a file shrinks or grows meanwhile",
  inFolder(async (folder) => {
    const path = join(folder, "changing");
    for (const change of [() => truncateSync(path, 600_000), () => appendFileSync(path, Buffer.alloc(300_000))]) {
      writeFileSync(path, Buffer.alloc(2_000_000, 1));
      const reading = readFile(path);
      await new Promise(setImmediate);
      change();
      const { length } = await reading;
      assert.ok(length >= 600_000 && length <= 2_300_000, String(length));
    }
  }),
);

test(
  "readFile() says what the system says",
  inFolder(async (folder) => {
    await assert.rejects(readFile(join(folder, "none")), { code: "ENOENT" });
    mkdirSync(join(folder, "folder"));
    await assert.rejects(readFile(join(folder, "folder")), { code: "EISDIR" });
    assert.deepEqual(fileLimiter.statistics(), idle);
  }),
);

test("readFile() refuses what is no path, no limit and no options", async () => {
  await assert.rejects(
    readFile(7 as never),
    /^TypeError: Cannot read 7: wanted a path, as a string, a Buffer or a URL$/,
  );
  await assert.rejects(readFile("a", { limit: -1 }), /^RangeError: Cannot read 'a' up to -1 bytes: wanted a whole/);
  await assert.rejects(readFile("a", null as never), /^TypeError: Cannot read 'a' with null: wanted an object with/);
});

test(
  "C3a readFile() cut on entry, or while it waits for its turn, opens nothing",
  inFolder(async (folder) => {
    const path = join(folder, "file");
    writeFileSync(path, "x");
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(readFile(path), CancelledError);
    });
    fileLimiter.total = 0;
    try {
      assert.equal(await moveOnAfter(5, () => readFile(path)), undefined);
      assert.deepEqual(fileLimiter.statistics(), { total: 0, borrowed: 0, waiting: 0 });
    } finally {
      fileLimiter.total = 64;
    }
    assert.equal(await readText(path), "x");
  }),
);

test(
  "C3a readFile() cut in the step in which its turn comes does not wait for the thread",
  needs(proc),
  inFolder(async (folder) => {
    const pipe = makePipe(folder);
    await withCancelScope(async (scope) => {
      fileLimiter.total = 0;
      const reading = readFile(pipe.path);
      await until(() => fileLimiter.statistics().waiting === 1, "it stands in line");
      fileLimiter.total = 64;
      scope.cancel();
      const cancelled = performance.now();
      await assert.rejects(reading, CancelledError);
      // not only when its grace is over
      assert.ok(performance.now() - cancelled < 4000);
    });
    assert.equal(fileLimiter.borrowed, 1);
    await pipe.releaseUntil(() => fileLimiter.borrowed === 0, "the thread is back");
  }),
);

test(
  "Y1 C4b a deadline is kept though a pipe keeps the thread; its place is taken until it comes back, and nothing stays open",
  needs(proc),
  inFolder(async (folder) => {
    const pipe = makePipe(folder);
    await assert.rejects(
      failAfter(20, () => readFile(pipe.path)),
      TimeoutError,
    );
    assert.equal(fileLimiter.borrowed, 1);
    assert.deepEqual(
      fileLimiter.borrowers().map((call) => (call as { what: string }).what),
      [`file '${pipe.path}' to be read`],
    );
    await pipe.releaseUntil(() => fileLimiter.borrowed === 0, "the thread is back");
    assert.equal(openIn(folder), 0);
  }),
);

test("Y1 C4b what a read that nobody waits for fails with is nobody's failure", async () => {
  const gate = Promise.withResolvers<never>();
  const { open } = fs;
  fs.open = () => gate.promise;
  await withTaskGroup(async (group) => {
    group.spawn(async () => {
      assert.equal(await moveOnAfter(5, () => readFile("any")), undefined);
      fs.open = open;
      gate.reject(new Error("late"));
      await until(() => fileLimiter.borrowed === 0, "the call is over");
    });
  });
});

test(
  "Y3 fileLimiter: any number of reads keeps no more files open than it allows",
  needs(proc),
  inFolder(async (folder) => {
    const path = join(folder, "file");
    writeFileSync(path, Buffer.alloc(100_000));
    fileLimiter.total = 3;
    try {
      let most = 0;
      const read = async () => {
        const reading = readFile(path);
        most = Math.max(most, openIn(folder));
        assert.equal((await reading).length, 100_000);
        most = Math.max(most, openIn(folder));
      };
      await all(Array.from({ length: 200 }, () => read));
      // Deno takes two descriptors for a file that it reads
      assert.ok(most >= 1 && most <= (runtime === "deno" ? 6 : 3), String(most));
    } finally {
      fileLimiter.total = 64;
    }
    assert.equal(openIn(folder), 0);
  }),
);
