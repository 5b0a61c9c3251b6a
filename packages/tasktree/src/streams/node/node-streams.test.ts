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
import { NodeDuplex } from "./duplex.ts";
import { lowestMark } from "./outlet.ts";
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

test("C3a N2 a step of an iteration that is cut takes nothing, and a second reader is refused", async () => {
  const passing = new PassThrough();
  const source = fromNodeReadable(passing);
  const steps = source[Symbol.asyncIterator]();
  assert.equal(await moveOnAfter(5, () => steps.next()), undefined);
  await withTaskGroup(async (group) => {
    const reading = group.spawn(() => steps.next());
    await until(() => source.statistics().reading);
    await assert.rejects(source.read(), BusyError);
    await assert.rejects(steps.next(), BusyError);
    passing.write("a");
    assert.deepEqual(await reading, { done: false, value: new Uint8Array([97]) });
  });
  await withCancelScope(async (scope) => {
    scope.cancel();
    await assert.rejects(steps.next(), CancelledError);
  });
  passing.end("b");
  assert.equal(await all(source), "b");
  assert.deepEqual([await steps.next(), source.statistics().bytesRead], [{ done: true, value: undefined }, 2]);
  await source.close();
  await assert.rejects(steps.next(), ClosedError);
});

test("N1 what a socket pushes while somebody waits comes behind what it has pushed before", async () => {
  const socket = new Duplex({ read() {} });
  const stream = new NodeDuplex(socket, "a socket", { isSocket: true });
  let sent = 0;
  const push = (length: number): boolean => {
    sent += length;
    return socket.push(numbered(length, sent - length));
  };
  const first = stream.read();
  assert.equal(push(10), true);
  assert.deepEqual(await first, numbered(10));
  for (let i = 0; i < 3; i++) push(40_000);
  await until(() => stream.statistics().buffered === 80_000);
  assert.equal(socket.readableLength, 40_000); // the third one stays with the socket, which has been paused
  assert.deepEqual(await stream.read(Infinity), numbered(80_000, 10));
  const waiting = stream.read(Infinity);
  push(5);
  assert.deepEqual(await waiting, numbered(40_000, 80_010));
  assert.deepEqual(await stream.read(), numbered(5, 120_010));
  const few = stream.read(2);
  push(3);
  assert.deepEqual([await few, await stream.read()], [numbered(2, 120_015), numbered(1, 120_017)]);
  const last = stream.read();
  socket.push(null);
  assert.equal(await last, undefined);
  stream.abort();
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

/** What tells that a piece is gone: with the lowest mark no callback is needed. */
const tellers: Record<string, { highWaterMark?: number }> = {
  "a callback": {},
  "'drain'": { highWaterMark: lowestMark },
};

for (const [teller, mark] of Object.entries(tellers)) {
  test(`N4 fromNodeWritable() gives the stream 64 KiB at a time, each when the one before is gone, as ${teller} tells`, async () => {
    const slow = new Slow(mark);
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

  test(`N4 C3a a write behind one that was cut waits for its last piece, and is nowhere if it is cut too, as ${teller} tells`, async () => {
    const slow = new Slow(mark);
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

  test(`N1 a write resolves when its bytes are gone, also if somebody else has ended the stream, as ${teller} tells`, async () => {
    const slow = new Slow(mark);
    const sink = fromNodeWritable(slow);
    await withTaskGroup(async (group) => {
      const writing = group.spawn(() => sink.write(new Uint8Array(9)));
      await until(() => sink.statistics().writing);
      slow.end();
      slow.done!();
      await writing;
    });
    await sink.close();
  });

  test(`N5 a write that fails at once rejects where ${teller} tells: it has not just been taken over`, async () => {
    const wrong = new Error("full");
    const sink = fromNodeWritable(new Writable({ ...mark, write: (_chunk, _encoding, done) => done(wrong) }));
    const error = await rejection(sink.write(numbered(3)));
    assert.ok(error instanceof BrokenError);
    assert.equal(error.cause, wrong);
    await assert.rejects(sink.write(numbered(3)), BrokenError);
    await sink.close();
  });
}

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

test("N1 what a stream gives is read as a copy: nobody's own array is changed, neither by reading nor by the reader", async () => {
  const [long, short] = [Buffer.alloc(1000, "A"), Buffer.alloc(50, "B")];
  const source = fromNodeReadable(Readable.from([long, short, short]));
  assert.equal((await source.read(900))!.length, 900);
  assert.equal(await all(source), `${"A".repeat(100)}${"B".repeat(100)}`);
  assert.deepEqual([long, short], [Buffer.alloc(1000, "A"), Buffer.alloc(50, "B")]);
  const whole = Buffer.alloc(20_000, "C");
  const waiting = fromNodeReadable(Readable.from([whole]));
  (await waiting.read())!.fill(0);
  assert.equal(whole[0], "C".charCodeAt(0));
});

test("N1 an array that was written is the caller's again, whatever the stream keeps", async () => {
  const kept: Buffer[] = [];
  const hoard = new Writable({
    write(chunk: Buffer, _, done) {
      kept.push(chunk);
      done();
    },
  });
  await using sink = fromNodeWritable(hoard);
  const bytes = Buffer.from("hello");
  await sink.write(bytes);
  bytes.fill("x");
  assert.equal(kept.toString(), "hello");
});

test("N1 what is owned is neither copied when it is read, nor when it is written", async () => {
  const passing = new PassThrough();
  await using echo = fromNodeDuplex(passing, { owned: true });
  const bytes = Buffer.from("hello");
  await echo.write(bytes);
  bytes.fill("x");
  const read = (await echo.read())!;
  assert.equal(Buffer.from(read).toString(), "xxxxx");
});

/** A writable that takes everything, and fails at its end. */
function failingAtEnd(wrong: Error): Writable {
  return new Writable({
    write: (_chunk, _encoding, done) => done(),
    final: (done) => void setImmediate(done, wrong),
  });
}

test("N5 closeWriting() of a sink waits until the stream has finished, and tells its error; close() does not tell it again", async () => {
  const wrong = new Error("refused");
  const sink = fromNodeWritable(failingAtEnd(wrong));
  await sink.write(numbered(1));
  const error = await rejection(sink.closeWriting());
  assert.ok(error instanceof BrokenError);
  assert.deepEqual([error.message, error.cause], ["Cannot close the writing of a Node stream: refused", wrong]);
  await assert.rejects(sink.closeWriting(), BrokenError);
  await sink.close();
  let finished = false;
  const slow = fromNodeWritable(
    new Writable({
      final: (done) =>
        void setTimeout(() => {
          finished = true;
          done();
        }, 10),
    }),
  );
  await slow.closeWriting();
  assert.ok(finished);
  await slow.closeWriting();
  await slow.close();
});

test("N3 close() ends a closeWriting() that waits", async () => {
  const sink = fromNodeWritable(new Writable({ final() {} }));
  await withTaskGroup(async (group) => {
    const closing = group.attempt(() => sink.closeWriting());
    await pause(5);
    sink.abort();
    await assert.rejects(Promise.resolve(closing), ClosedError);
  });
});

test("N5 close() of a sink tells an error that nothing else has told: at the end, or of a write that was cut", async () => {
  const wrong = new Error("refused");
  const sink = fromNodeWritable(failingAtEnd(wrong));
  await sink.write(numbered(1));
  const error = await rejection(sink.close());
  assert.ok(error instanceof BrokenError);
  assert.deepEqual([error.message, error.cause], ["Cannot close a Node stream: refused", wrong]);
  await sink.close();

  for (const meanwhile of [0, 20]) {
    const disk = new Writable({ write: (_chunk, _encoding, done) => void setTimeout(done, 10, wrong) });
    const cut = fromNodeWritable(disk);
    await moveOnAfter(1, () => cut.write(numbered(1)));
    await pause(meanwhile);
    assert.equal(((await rejection(cut.close())) as Error).cause, wrong);
  }
  const duplex = fromNodeDuplex(new Duplex({ read() {}, final: (done) => done(wrong) }));
  assert.equal(((await rejection(duplex.close())) as Error).cause, wrong);
});

test("N3 close() resolves for a stream that never says that it is closed", async () => {
  const emitClose = false;
  await fromNodeReadable(new Readable({ read() {}, emitClose })).close();
  await fromNodeWritable(new Writable({ write() {}, emitClose })).close();
  await fromNodeDuplex(new Duplex({ read() {}, write() {}, emitClose })).close();
});

test("C3d a second close() waits as the first one does", async () => {
  let finished = false;
  const slow = new Writable({
    final: (done) =>
      void setTimeout(() => {
        finished = true;
        done();
      }, 20),
  });
  const sink = fromNodeWritable(slow);
  const first = sink.close();
  await sink.close();
  assert.ok(finished);
  await first;
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
