import assert from "node:assert/strict";
import { closeSync, constants, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import fs from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { inFolder, makePipe, openIn, until } from "../../test/files.ts";
import { needs, proc } from "../../test/needs.ts";
import { rejection } from "../../test/rejection.ts";
import {
  BusyError,
  CancelledError,
  ClosedError,
  failAfter,
  InvalidStateError,
  LimitExceededError,
  moveOnAfter,
  run,
  suppressedErrors,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { memoryStreamPair } from "../streams/index.ts";
import { fileLimiter, openFile, readText, type OpenFile } from "./index.ts";

const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString());

/** Both ends of a pipe that has something of everything: a place to read from and none to go to. */
function pipeFor(folder: string) {
  const pipe = makePipe(folder);
  const other = openSync(pipe.path, constants.O_RDWR | constants.O_NONBLOCK);
  return { path: pipe.path, say: (what: string) => writeSync(other, what), hangUp: () => closeSync(other) };
}

test(
  "OpenFile reads from the beginning to the end, pieces as large as asked for, and what was appended later",
  inFolder(async (folder) => {
    const path = join(folder, "file");
    writeFileSync(path, "abcdef");
    await using file = await openFile(path);
    assert.equal(text(await file.read(4)), "abcd");
    assert.equal(text(await file.read(4)), "ef");
    assert.equal(await file.read(), undefined);
    assert.equal(await file.read(), undefined);
    writeFileSync(path, "ghi", { flag: "a" });
    const chunks: string[] = [];
    for await (const chunk of file) chunks.push(text(chunk)!);
    assert.deepEqual(chunks, ["ghi"]);
    assert.deepEqual(file.statistics(), { bytesRead: 9, bytesWritten: 0, buffered: 0, reading: false, writing: false });
    assert.equal(file.path, path);
  }),
);

test(
  "OpenFile writes behind what it wrote, whatever is read, and at the end of what was opened to append",
  inFolder(async (folder) => {
    const path = join(folder, "file");
    const large = Buffer.alloc(1_200_000, "large ");
    {
      await using file = await openFile(path, "w+", { mode: 0o600 });
      await file.write(Buffer.from("one "));
      assert.equal(text(await file.read(3)), "one");
      await file.write(large);
      assert.equal(file.bytesWritten, 1_200_004);
      await file.sync();
      assert.equal((await file.handle.stat()).mode & 0o777, 0o600);
    }
    {
      await using file = await openFile(path, "a+");
      await file.write(Buffer.from("end"));
      assert.equal(text(await file.read(4)), "one ");
    }
    {
      await using file = await openFile(path, "r+");
      await file.write(Buffer.from("ONE"));
    }
    assert.ok(readFileSync(path).equals(Buffer.concat([Buffer.from("ONE "), large, Buffer.from("end")])));
  }),
);

test(
  "OpenFile.readAt() and writeAt() leave the ways of read() and write() as they are, and any number reads at once",
  inFolder(async (folder) => {
    await using file = await openFile(join(folder, "file"), "w+");
    await file.write(Buffer.from("0123456789"));
    await file.writeAt(5, Buffer.from("abc"));
    const parts = await Promise.all([1, 3, 5, 10].map((place) => file.readAt(place, 3)));
    assert.deepEqual(parts.map(text), ["123", "34a", "abc", undefined]);
    assert.equal(text(await file.read(2)), "01");
    await file.write(Buffer.from("end"));
    assert.equal(text(await file.readAt(8)), "89end");
  }),
);

test(
  "OpenFile.writeAt() refuses a file opened to append, which has one place to write to",
  inFolder(async (folder) => {
    const path = join(folder, "file");
    for (const flags of ["a", "a+", constants.O_APPEND | constants.O_RDWR | constants.O_CREAT]) {
      await using file = await openFile(path, flags);
      const error = await rejection(file.writeAt(0, Buffer.from("XX")));
      assert.ok(error instanceof InvalidStateError);
      assert.equal(error.message, `Cannot write to file '${path}' at 0: it was opened to append`);
      await file.write(Buffer.from("end "));
    }
    assert.equal(await readText(path), "end end end ");
  }),
);

test(
  "OpenFile.lines() gives lines, up to a limit",
  inFolder(async (folder) => {
    const path = join(folder, "file");
    writeFileSync(path, `one\r\ntwo\n${"ä".repeat(100_000)}\nlast`);
    await using file = await openFile(path);
    const lines: string[] = [];
    for await (const line of file.lines({ limit: 200_000 })) lines.push(line);
    assert.deepEqual(lines, ["one", "two", "ä".repeat(100_000), "last"]);

    await using again = await openFile(path);
    const read: string[] = [];
    const error = await rejection(
      (async () => {
        for await (const line of again.lines()) read.push(line);
      })(),
    );
    assert.ok(error instanceof LimitExceededError);
    assert.ok(error.message.includes(path), error.message);
    assert.deepEqual(read, ["one", "two"]);
  }),
);

test(
  "A file that shrinks while it is read ends there",
  inFolder(async (folder) => {
    const path = join(folder, "file");
    writeFileSync(path, Buffer.alloc(200_000));
    await using file = await openFile(path);
    await file.read();
    truncateSync(path, 10);
    assert.equal(await file.read(), undefined);
  }),
);

test(
  "N2 one reads and one writes at a time: others get a BusyError",
  inFolder(async (folder) => {
    await using file = await openFile(join(folder, "file"), "w+");
    const writing = file.write(Buffer.from("x"));
    for (const [call, what] of [
      [() => file.write(Buffer.from("y")), "write to"],
      [() => file.writeAt(1, Buffer.from("y")), "write to"],
      [() => file.sync(), "sync"],
      [() => file.closeWriting(), "close the writing of"],
    ] as const) {
      const error = (await rejection(call())) as BusyError;
      assert.ok(error instanceof BusyError);
      assert.ok(error.message.startsWith(`Cannot ${what} file '`), error.message);
    }
    await writing;
    const reading = file.read();
    assert.equal(file.statistics().reading, true);
    await assert.rejects(file.read(), BusyError);
    assert.equal(text(await reading), "x");
  }),
);

test(
  "OpenFile refuses what it cannot read and write, and says what the system says",
  inFolder(async (folder) => {
    const path = join(folder, "file");
    await assert.rejects(openFile(path), { code: "ENOENT" });
    await assert.rejects(openFile(7 as never), TypeError);
    await assert.rejects(openFile(path, "r", null as never), TypeError);
    await using file = await openFile(path, "wx");
    await assert.rejects(openFile(path, "wx"), { code: "EEXIST" });
    await assert.rejects(file.read(), { code: "EBADF" });
    await assert.rejects(file.read(0), /^RangeError: Cannot read 0 bytes from file '/);
    await assert.rejects(
      file.readAt(-1),
      /^RangeError: Cannot read from file '.*' at -1: wanted a whole number from 0$/,
    );
    await assert.rejects(file.readAt(0, 0), RangeError);
    await assert.rejects(file.writeAt(1.5, Buffer.from("x")), RangeError);
    await assert.rejects(
      file.write("text" as never),
      /^TypeError: Cannot write "text" to file '.*': wanted a Uint8Array/,
    );
    assert.throws(() => file.lines(null as never), TypeError);
    await using directory = await openFile(folder);
    await assert.rejects(directory.read(), { code: "EISDIR" });
    assert.equal(fileLimiter.borrowed, 0);
  }),
);

test("A device that is full is told of, and bytesWritten counts what it has taken", needs(proc), async () => {
  await using file = await openFile("/dev/full", "w");
  await assert.rejects(file.write(Buffer.alloc(1000)), { code: "ENOSPC" });
  assert.equal(file.bytesWritten, 0);
});

test(
  "N3 closeWriting() ends writing alone; a closed file refuses all",
  inFolder(async (folder) => {
    const file = await openFile(join(folder, "file"), "w+");
    await file.write(Buffer.from("x"));
    await file.closeWriting();
    await file.closeWriting();
    await assert.rejects(file.write(Buffer.from("y")), ClosedError);
    await assert.rejects(file.writeAt(0, Buffer.from("y")), ClosedError);
    await file.sync();
    assert.equal(text(await file.read()), "x");
    await file.close();
    await file.close();
    assert.equal(file.isClosed, true);
    const calls: (() => Promise<unknown>)[] = [
      () => file.read(),
      () => file.readAt(0),
      () => file.write(Buffer.from("z")),
      () => file.writeAt(0, Buffer.from("z")),
      () => file.sync(),
      () => file.closeWriting(),
    ];
    for (const call of calls) await assert.rejects(call(), ClosedError);
    file.abort(new Error("too late"));
    assert.equal(((await rejection(file.read())) as Error).cause, undefined);
  }),
);

test(
  "OpenFile carries what a stream does, from one to the other",
  inFolder(async (folder) => {
    const path = join(folder, "file");
    const [here, there] = memoryStreamPair({ capacity: 10 });
    await withTaskGroup(async (group) => {
      group.spawn(async () => {
        await using file = await openFile(path, "w");
        for await (const chunk of there) await file.write(chunk);
      });
      await here.write(Buffer.from("through a narrow pipe"));
      await here.closeWriting();
    });
    assert.equal(await readText(path), "through a narrow pipe");
  }),
);

test(
  "Y1 C4b openFile() cut while a pipe keeps the thread returns at once, and closes what it opens later",
  needs(proc),
  inFolder(async (folder) => {
    const pipe = makePipe(folder);
    await assert.rejects(
      failAfter(20, () => openFile(pipe.path)),
      TimeoutError,
    );
    assert.equal(fileLimiter.borrowed, 1);
    await pipe.releaseUntil(() => fileLimiter.borrowed === 0 && openIn(folder) === 0, "the late file is closed");
  }),
);

test(
  "C3a a read that is cut loses nothing: the next one has what came",
  needs(proc),
  inFolder(async (folder) => {
    const pipe = pipeFor(folder);
    await using file = await openFile(pipe.path);
    assert.equal(await moveOnAfter(10, () => file.read()), undefined);
    assert.equal(await moveOnAfter(10, () => file.read()), undefined);
    pipe.say("hello");
    await until(() => fileLimiter.borrowed === 0, "the read is over");
    assert.equal(text(await file.read(2)), "he");
    assert.equal(file.statistics().buffered, 3);
    assert.equal(text(await file.read()), "llo");
    const reading = file.read();
    pipe.say("more");
    assert.equal(text(await reading), "more");
    pipe.hangUp();
    assert.equal(await file.read(), undefined);
  }),
);

test(
  "C3a what is cut on entry reads, writes, syncs and closes nothing",
  inFolder(async (folder) => {
    const path = join(folder, "file");
    await using file = await openFile(path, "w+");
    for (const call of [
      () => file.read(),
      () => file.readAt(0),
      () => file.write(Buffer.from("x")),
      () => file.writeAt(0, Buffer.from("x")),
      () => file.sync(),
      () => file.closeWriting(),
      () => openFile(join(folder, "other"), "w"),
    ]) {
      await withCancelScope(async (scope) => {
        scope.cancel();
        await assert.rejects(call(), CancelledError);
      });
    }
    assert.deepEqual(await fs.readdir(folder), ["file"]);
    assert.equal(readFileSync(path, "utf8"), "");
    await file.write(Buffer.from("x"));
    assert.equal(file.bytesWritten, 1);
  }),
);

/** A write that begins when `go()` is called, or fails when `stop(error)` is. */
function heldWrites(file: OpenFile) {
  const gate = Promise.withResolvers<void>();
  const write = file.handle.write.bind(file.handle) as (...args: unknown[]) => unknown;
  let calls = 0;
  Object.assign(file.handle, {
    write: async (...args: unknown[]) => {
      calls++;
      await gate.promise;
      return write(...args);
    },
  });
  return { go: gate.resolve, stop: gate.reject, begun: () => calls };
}

test(
  "N4 a write that is cut goes on with what it has taken over, though the caller changes the bytes; the next comes behind it",
  inFolder(async (folder) => {
    const path = join(folder, "file");
    await using file = await openFile(path, "w");
    const held = heldWrites(file);
    const bytes = Buffer.alloc(600_000, "a");
    assert.equal(await moveOnAfter(10, () => file.write(bytes)), undefined);
    assert.equal(file.bytesWritten, 524_288);
    bytes.fill("b");
    await withTaskGroup(async (group) => {
      group.spawn(() => file.write(Buffer.from("end")));
      await moveOnAfter(10, () => file.sync().catch((error: unknown) => assert.ok(error instanceof BusyError)));
      assert.equal(held.begun(), 1);
      held.go();
    });
    assert.ok(readFileSync(path).equals(Buffer.concat([Buffer.alloc(524_288, "a"), Buffer.from("end")])));
    assert.equal(file.bytesWritten, 524_291);
  }),
);

for (const [next, call] of Object.entries({
  "the next write": (file: OpenFile) => file.write(Buffer.from("y")),
  "closeWriting()": (file: OpenFile) => file.closeWriting(),
  "close()": (file: OpenFile) => file.close(),
})) {
  test(
    `What a write that was cut fails with later is thrown by ${next}, once`,
    inFolder(async (folder) => {
      const file = await openFile(join(folder, "file"), "w");
      const held = heldWrites(file);
      assert.equal(await moveOnAfter(10, () => file.write(Buffer.from("x"))), undefined);
      held.stop(new Error("disk on fire"));
      await assert.rejects(call(file), /^Error: disk on fire$/);
      assert.equal(file.bytesWritten, 0);
      if (next !== "close()") await file.close();
    }),
  );
}

test(
  "A write that failed while its caller waited is not thrown again on closing",
  inFolder(async (folder) => {
    const file = await openFile(join(folder, "file"), "w");
    const held = heldWrites(file);
    held.stop(new Error("disk on fire"));
    await assert.rejects(file.write(Buffer.from("x")), /disk on fire/);
    await file.close();
  }),
);

test(
  "N3 close() turns away who waits, with what is in progress unharmed, and tells all that went wrong",
  inFolder(async (folder) => {
    const file = await openFile(join(folder, "file"), "w");
    const held = heldWrites(file);
    const [wrong, worse] = [new Error("disk on fire"), new Error("cannot close")];
    const close = file.handle.close.bind(file.handle);
    Object.assign(file.handle, {
      close: async () => {
        await close();
        throw worse;
      },
    });
    const writing = rejection(file.write(Buffer.from("x")));
    await until(() => held.begun() === 1, "it writes");
    const closing = rejection(file.close());
    assert.ok((await writing) instanceof ClosedError);
    held.stop(wrong);
    assert.equal(await closing, wrong);
    assert.deepEqual(suppressedErrors(wrong), [worse]);
  }),
);

test(
  "C3d close() begins in a cancelled scope, and waits no longer than five seconds for a thread that is stuck",
  needs(proc),
  inFolder(async (folder) => {
    const file = await openFile(join(folder, "file"), "w");
    const held = heldWrites(file);
    await moveOnAfter(10, () => file.write(Buffer.from("x")));
    const before = performance.now();
    await withCancelScope(async (scope) => {
      scope.cancel();
      await file.close();
    });
    assert.ok(file.isClosed);
    assert.ok(performance.now() - before >= 4900);
    held.go();
    await until(() => openIn(folder) === 0, "it is closed");
    assert.equal(await readText(join(folder, "file")), "x");
  }),
);

test(
  "close() leaves alone who reads from a pipe that says nothing",
  needs(proc),
  inFolder(async (folder) => {
    const pipe = pipeFor(folder);
    const file = await openFile(pipe.path);
    const reading = rejection(file.read());
    await until(() => fileLimiter.borrowed === 1, "it reads");
    await file.close();
    const stillOpen = openIn(folder);
    pipe.hangUp();
    assert.ok((await reading) instanceof ClosedError);
    assert.ok(stillOpen >= 2, String(stillOpen));
    await until(() => openIn(folder) === 0, "it is closed");
  }),
);

test(
  "N5 abort() closes without waiting, and gives its reason to who waited",
  needs(proc),
  inFolder(async (folder) => {
    const pipe = pipeFor(folder);
    const file = await openFile(pipe.path);
    const reading = rejection(file.read());
    await until(() => fileLimiter.borrowed === 1, "it reads");
    const reason = new Error("enough");
    file.abort(reason);
    const error = (await reading) as Error;
    assert.ok(error instanceof ClosedError);
    assert.equal(error.cause, reason);
    pipe.hangUp();
    await until(() => openIn(folder) === 0, "it is closed");
    await file.close();
  }),
);

test(
  "A report names the file that a task waits for",
  needs(proc),
  inFolder(async (folder) => {
    const { dumpTree } = await import("../core/dump.ts");
    const { here } = await import("../core/current.ts");
    const pipe = pipeFor(folder);
    await run(
      async () => {
        await using file = await openFile(pipe.path);
        await withTaskGroup(async (group) => {
          const reader = group.spawn(() => file.read(), { name: "reader" });
          await until(() => fileLimiter.borrowed === 1, "it reads");
          const dump = dumpTree(here().root);
          reader.cancel();
          pipe.hangUp();
          assert.match(dump, new RegExp(`reader waits for bytes of file '${pipe.path}'`));
        });
      },
      { host: false },
    );
  }),
);
