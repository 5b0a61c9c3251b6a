import assert from "node:assert/strict";
import { createReadStream, createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Duplex, PassThrough, Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { rejection } from "../../../test/rejection.ts";
import { numbered } from "../../../test/stream-conformance.ts";
import {
  BrokenError,
  BusyError,
  CancelledError,
  ClosedError,
  moveOnAfter,
  withCancelScope,
  withTaskGroup,
} from "../../index.ts";
import { memoryStreamPair } from "../index.ts";
import { fromNodeDuplex, fromNodeReadable, fromNodeWritable, toNodeStream } from "./index.ts";

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(1);
}

async function all(source: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test("N1 fromNodeReadable() gives what the stream gives, then the end, each time", async () => {
  const source = fromNodeReadable(Readable.from([Buffer.alloc(0), Buffer.from("abc"), Buffer.from("def")]));
  assert.deepEqual(await source.read(2), new Uint8Array(Buffer.from("ab")));
  assert.equal(await all(source), "cdef");
  assert.deepEqual([await source.read(), await source.read()], [undefined, undefined]);
  assert.deepEqual(source.statistics(), { bytesRead: 6, buffered: 0, reading: false });
});

test("N1 fromNodeReadable() also takes over a stream that is paused, and one that has ended", async () => {
  const paused = new PassThrough();
  paused.pause();
  paused.end("later");
  assert.equal(await all(fromNodeReadable(paused)), "later");
  assert.equal(await fromNodeReadable(paused).read(), undefined);
});

test("N4 fromNodeReadable() reads so far ahead, and no further", async () => {
  let made = 0;
  const endless = new Readable({
    read() {
      made += 16_384;
      this.push(new Uint8Array(16_384));
    },
  });
  const source = fromNodeReadable(endless);
  await until(() => source.statistics().buffered >= 65_536);
  await pause(20);
  assert.ok(made <= 65_536 + 16_384 + 2 * endless.readableHighWaterMark, `${made} bytes`);
  for (let read = 0; read < 10 * 65_536;) read += (await source.read())!.length;
  await source.close();
  assert.ok(endless.destroyed);
});

test("N5 an error of the stream comes as the cause, also one that came while nobody was reading", async () => {
  const wrong = new Error("wrong");
  const readable = new Readable({ read() {} });
  const source = fromNodeReadable(readable, { name: "a tap" });
  readable.push("unread");
  await until(() => source.statistics().buffered > 0);
  readable.destroy(wrong);
  await pause(5);
  const error = await rejection(source.read());
  assert.ok(error instanceof BrokenError);
  assert.equal(error.cause, wrong);
  assert.equal(error.message, "Cannot read from a tap: wrong");
  assert.equal(source.statistics().buffered, 0);
  await source.close();
});

test("N5 a stream that was destroyed before its end is broken, whoever did it", async () => {
  const readable = new Readable({ read() {} });
  const source = fromNodeReadable(readable);
  await withTaskGroup(async (group) => {
    const reading = group.attempt(() => source.read());
    await until(() => source.statistics().reading);
    readable.destroy();
    await assert.rejects(Promise.resolve(reading), { name: "BrokenError", message: /it was destroyed$/ });
  });
  await assert.rejects(fromNodeReadable(readable).read(), BrokenError);
});

test("N1 a stream that gives something else than bytes is broken by it", async () => {
  const source = fromNodeReadable(Readable.from(["text"]));
  const error = await rejection(source.read());
  assert.match(String((error as Error).cause), /TypeError: Cannot read "text" from a Node stream: wanted bytes/);
});

test("C3a N2 read() cut takes nothing, and a second reader is refused", async () => {
  const passing = new PassThrough();
  const source = fromNodeReadable(passing);
  assert.equal(await moveOnAfter(5, () => source.read()), undefined);
  await withTaskGroup(async (group) => {
    const reading = group.spawn(() => source.read());
    await until(() => source.statistics().reading);
    await assert.rejects(source.read(), BusyError);
    passing.write("a");
    assert.equal(Buffer.from((await reading)!).toString(), "a");
  });
  await withCancelScope(async (scope) => {
    scope.cancel();
    await assert.rejects(source.read(), CancelledError);
  });
  await source.close();
  await assert.rejects(source.read(), ClosedError);
});

test("fromNodeReadable() reads a file, fromNodeWritable() writes one, and close() waits until it is whole", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tasktree-streams-"));
  try {
    writeFileSync(join(folder, "from"), numbered(300_000));
    const source = fromNodeReadable(createReadStream(join(folder, "from")));
    const sink = fromNodeWritable(createWriteStream(join(folder, "to")));
    for await (const chunk of source) await sink.write(chunk);
    await sink.close();
    assert.deepEqual(new Uint8Array(readFileSync(join(folder, "to"))), numbered(300_000));
    const missing = fromNodeReadable(createReadStream(join(folder, "missing")));
    assert.equal(((await rejection(missing.read())) as { cause: { code: string } }).cause.code, "ENOENT");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** A writable that takes a piece when it is told to. */
class Slow extends Writable {
  readonly pieces: number[] = [];
  done: ((error?: Error | null) => void) | undefined = undefined;

  override _write(chunk: Uint8Array, _: unknown, done: (error?: Error | null) => void): void {
    this.pieces.push(chunk.length);
    this.done = done;
  }
}

test("N4 fromNodeWritable() gives the stream 64 KiB at a time, each when the one before is gone", async () => {
  const slow = new Slow();
  const sink = fromNodeWritable(slow);
  await withTaskGroup(async (group) => {
    const writing = group.spawn(() => sink.write(new Uint8Array(100_000)));
    await until(() => slow.pieces.length === 1);
    assert.deepEqual([slow.writableLength, sink.bytesWritten, sink.statistics().writing], [65_536, 65_536, true]);
    await assert.rejects(sink.write(numbered(1)), BusyError);
    await assert.rejects(sink.closeWriting(), BusyError);
    slow.done!();
    await until(() => slow.pieces.length === 2);
    slow.done!();
    await writing;
  });
  assert.deepEqual(slow.pieces, [65_536, 34_464]);
});

test("N4 C3a a write behind one that was cut waits for its last piece, and is nowhere if it is cut too", async () => {
  const slow = new Slow();
  const sink = fromNodeWritable(slow);
  await moveOnAfter(5, () => sink.write(new Uint8Array(100_000)));
  await moveOnAfter(5, () => sink.write(new Uint8Array(7)));
  assert.deepEqual([slow.pieces, sink.bytesWritten, slow.writableLength], [[65_536], 65_536, 65_536]);
  await withTaskGroup(async (group) => {
    const writing = group.spawn(() => sink.write(new Uint8Array(9)));
    await until(() => sink.statistics().writing);
    slow.done!();
    await until(() => slow.pieces.length === 2);
    slow.done!();
    await writing;
  });
  assert.deepEqual([slow.pieces, sink.bytesWritten], [[65_536, 9], 65_545]);
});

test("N5 a write that fails at once rejects: it has not just been taken over", async () => {
  const wrong = new Error("full");
  const sink = fromNodeWritable(new Writable({ write: (_chunk, _encoding, done) => done(wrong) }));
  const error = await rejection(sink.write(numbered(3)));
  assert.ok(error instanceof BrokenError);
  assert.equal(error.cause, wrong);
  await assert.rejects(sink.write(numbered(3)), BrokenError);
  await sink.close();
});

test("N5 abort() destroys the stream with its reason, and ends a write that waits", async () => {
  const slow = new Slow();
  const reason = new Error("no more");
  const sink = fromNodeWritable(slow);
  await withTaskGroup(async (group) => {
    const writing = group.attempt(() => sink.write(new Uint8Array(9)));
    await until(() => sink.statistics().writing);
    sink.abort(reason);
    assert.equal(((await rejection(Promise.resolve(writing))) as Error).cause, reason);
  });
  assert.equal(slow.errored, reason);
  await sink.close();
});

test("C3d close() of a sink waits for what is under way; after the cut-off it destroys the stream", async () => {
  const slow = new Slow();
  const sink = fromNodeWritable(slow);
  await moveOnAfter(5, () => sink.write(new Uint8Array(9)));
  await withCancelScope(
    async (scope) => {
      scope.cancel();
      await assert.rejects(sink.close(), CancelledError);
    },
    { grace: 10 },
  );
  assert.ok(slow.destroyed);
});

test("N3 fromNodeDuplex() half-closes, and reads on", async () => {
  const shout = new Duplex({
    read() {},
    write(chunk: Buffer, _, done) {
      this.push(chunk.toString().toUpperCase());
      done();
    },
    final(done) {
      this.push("!");
      this.push(null);
      done();
    },
  });
  await using stream = fromNodeDuplex(shout);
  await stream.write(Buffer.from("hello"));
  await stream.closeWriting();
  await stream.closeWriting();
  await assert.rejects(stream.write(numbered(1)), ClosedError);
  assert.equal(await all(stream), "HELLO!");
});

test("what is no stream of Node is refused", () => {
  for (const what of [undefined, null, 1, {}, new Uint8Array(1)] as never[]) {
    assert.throws(() => fromNodeReadable(what), TypeError);
    assert.throws(() => fromNodeWritable(what), TypeError);
    assert.throws(() => fromNodeDuplex(what), TypeError);
  }
  assert.throws(() => fromNodeDuplex(new Slow() as never), TypeError);
});

test("toNodeStream() gives Node's tools a byte stream, both ways", async () => {
  const [here, there] = memoryStreamPair({ capacity: 100 });
  await withTaskGroup(async (group) => {
    group.spawn(async () => {
      for await (const chunk of there) await there.write(chunk);
      await there.closeWriting();
    });
    const got: Buffer[] = [];
    await pipeline(Readable.from([Buffer.alloc(1000, 1), Buffer.alloc(500, 2)]), toNodeStream(here), async (chunks) => {
      for await (const chunk of chunks) got.push(chunk as Buffer);
    });
    assert.equal(Buffer.concat(got).compare(Buffer.concat([Buffer.alloc(1000, 1), Buffer.alloc(500, 2)])), 0);
  });
  assert.ok(here.isClosed);
});

test("toNodeStream() destroyed with an error tears the byte stream; without one it closes it", async () => {
  for (const reason of [new Error("no more"), undefined]) {
    const [here, there] = memoryStreamPair();
    const duplex = toNodeStream(here).on("error", () => {});
    duplex.destroy(reason);
    await until(() => duplex.closed);
    if (reason === undefined) assert.equal(await there.read(), undefined);
    else assert.equal(((await rejection(there.read())) as Error).cause, reason);
  }
});

test("toNodeStream() is destroyed by the cancellation of the scope in which it was made", async () => {
  const [here, there] = memoryStreamPair();
  let duplex: Duplex | undefined;
  await withCancelScope(async (scope) => {
    duplex = toNodeStream(here)
      .on("error", () => {})
      .resume();
    await pause(5);
    scope.cancel();
  });
  await until(() => duplex!.closed);
  assert.ok(duplex!.errored instanceof CancelledError);
  await assert.rejects(there.read(), BrokenError);
});
