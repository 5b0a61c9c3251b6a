/** What every connection must do, in memory, on a network or under TLS: `streamConformance("memoryStreamPair()", makePair)`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BrokenError,
  BusyError,
  CancelledError,
  checkpoint,
  ClosedError,
  moveOnAfter,
  sleep,
  withCancelScope,
  withTaskGroup,
} from "../src/index.ts";
import type { ByteSource, ByteStream } from "../src/streams/index.ts";
import { waitAllTasksBlocked } from "../src/testing/index.ts";
import { randomFrom } from "./random.ts";
import { virtually } from "./virtual.ts";

export interface PairOptions {
  /** How many bytes may be under way or unread each way, as far as that can be chosen. */
  readonly capacity: number;
}

/** The two ends of a new connection; called inside a run. */
export type MakePair = (options: PairOptions) => Promise<readonly [ByteStream, ByteStream]>;

export interface StreamTraits {
  /** How a test is run: in virtual time, unless the connection has a time of its own. */
  readonly run?: <T>(main: () => T | PromiseLike<T>) => Promise<T>;
  /** Waits until what was written or said has arrived, and all tasks wait. */
  readonly quiet?: () => Promise<void>;
  /** How many bytes a write may be ahead of the other end's reads; default `capacity`. */
  readonly ahead?: (capacity: number) => number;
  /** Whether `abort()` is seen also by who has nothing under way to the one that aborts; default true. Unix sockets know no reset. */
  readonly resets?: boolean;
  /** Whether `abort()` also tears a direction that `closeWriting()` has ended; default true. The platform's web streams cannot. */
  readonly tearsWhatEnded?: boolean;
  /** How many seeds the random tests take; default 20. */
  readonly seeds?: number;
}

type Ends = readonly [a: ByteStream, b: ByteStream];

const idle = { buffered: 0, reading: false, writing: false };

function waitsAt(stream: ByteStream): typeof idle {
  const { buffered, reading, writing } = stream.statistics();
  return { buffered, reading, writing };
}

/** Bytes that tell their place. */
export function numbered(length: number, from = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = (from + index) % 251;
  return bytes;
}

/** Everything up to the end. */
export async function readAll(stream: ByteSource): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of stream) all.push(chunk);
  return joined(all);
}

/** `count` bytes, in as many reads as it takes. */
export async function readExactly(stream: ByteSource, count: number): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for (let length = 0; length < count;) {
    const chunk = await stream.read(count - length);
    assert.ok(chunk !== undefined && chunk.length > 0, `end after ${length} of ${count} bytes`);
    all.push(chunk);
    length += chunk.length;
  }
  return joined(all);
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(chunks));
}

export function streamConformance(name: string, makePair: MakePair, traits: StreamTraits = {}): void {
  const { run = virtually, quiet = waitAllTasksBlocked, ahead = (capacity) => capacity, seeds = 20 } = traits;
  const { tearsWhatEnded = true, resets = true } = traits;
  const capacity = 1000;

  /** A test with a connection of its own, at whose ends nobody waits when it is over. */
  function streamTest(title: string, body: (ends: Ends) => Promise<void>): void {
    test(`${name}: ${title}`, async () => {
      await run(async () => {
        const [a, b] = await makePair({ capacity });
        await using _a = a;
        await using _b = b;
        await body([a, b]);
        for (const end of [a, b]) {
          const { reading, writing } = end.statistics();
          assert.deepEqual([reading, writing], [false, false]);
        }
      });
    });
  }

  /** Writes until the other end's not reading makes it wait; the bytes that are still to be written wait in a task. */
  async function filled(
    group: { spawn<T>(fn: () => Promise<T>): PromiseLike<T> & { cancel(): void } },
    end: ByteStream,
  ) {
    const before = end.bytesWritten;
    const length = ahead(capacity) + 5000;
    const writing = group.spawn(() => end.write(numbered(length)));
    await quiet();
    assert.ok(end.statistics().writing, `${length} bytes were taken though nobody reads`);
    return { writing, length, taken: end.bytesWritten - before };
  }

  // --- bytes

  streamTest("N1 bytes come as they were written, both ways at once, in whatever pieces", async (ends) => {
    for (let seed = 1; seed <= seeds; seed++) {
      const random = randomFrom(seed);
      const length = 1 + random(4 * capacity);
      const write = async (end: ByteStream) => {
        for (let at = 0; at < length;) {
          const piece = numbered(Math.min(random(700), length - at), at);
          await end.write(piece);
          at += piece.length;
        }
      };
      const read = async (end: ByteStream) => {
        for (let at = 0; at < length;) {
          const max = Math.min(1 + random(500), length - at);
          const chunk = await end.read(max);
          assert.ok(chunk !== undefined && chunk.length > 0 && chunk.length <= max);
          assert.deepEqual(chunk, numbered(chunk.length, at), `seed ${seed}`);
          at += chunk.length;
        }
      };
      await withTaskGroup((group) => {
        for (const end of ends) {
          group.spawn(() => write(end));
          group.spawn(() => read(end));
        }
      });
    }
    for (const end of ends) {
      assert.deepEqual(waitsAt(end), idle);
      assert.equal(end.statistics().bytesRead, end.bytesWritten);
    }
  });

  streamTest("N1 read() waits until something comes", async ([a, b]) => {
    await withTaskGroup(async (group) => {
      const reader = group.spawn(() => b.read());
      await quiet();
      assert.ok(b.statistics().reading);
      await a.write(numbered(3));
      assert.deepEqual(await reader, numbered(3));
    });
  });

  streamTest("N1 read() gives at most as many bytes as it was told, and the others the next time", async ([a, b]) => {
    await a.write(numbered(5));
    await quiet();
    assert.deepEqual([await b.read(2), await b.read(2)], [numbered(2), numbered(2, 2)]);
    assert.deepEqual(await b.read(Infinity), numbered(1, 4));
  });

  streamTest("N1 what was written and what was read are arrays of their own", async ([a, b]) => {
    const bytes = numbered(4);
    await a.write(bytes);
    bytes.fill(99);
    const first = await readExactly(b, 2);
    assert.deepEqual(first, numbered(2));
    first.fill(98);
    assert.deepEqual(await readExactly(b, 2), numbered(2, 2));
  });

  streamTest("N1 a Buffer is written like any array, also a part of one", async ([a, b]) => {
    await a.write(Buffer.from("..hello..").subarray(2, 7));
    assert.equal(Buffer.from(await readExactly(b, 5)).toString(), "hello");
  });

  streamTest("N1 writing no bytes says nothing", async ([a, b]) => {
    await withTaskGroup(async (group) => {
      const reader = group.spawn(() => b.read());
      await a.write(new Uint8Array(0));
      await quiet();
      assert.ok(b.statistics().reading);
      await a.write(numbered(1));
      assert.deepEqual(await reader, numbered(1));
    });
    assert.equal(a.bytesWritten, 1);
  });

  streamTest("arguments that make no sense are refused, and change nothing", async ([a]) => {
    for (const max of [0, -1, 1.5, Number.NaN, "1" as never]) await assert.rejects(a.read(max), RangeError);
    for (const bytes of ["text", [1], undefined, new ArrayBuffer(2)] as never[])
      await assert.rejects(a.write(bytes), TypeError);
    assert.deepEqual([waitsAt(a), a.bytesWritten], [idle, 0]);
  });

  // --- the end

  streamTest(
    "N1 N3 after closeWriting() the other end reads what was written, then undefined each time",
    async (ends) => {
      const [a, b] = ends;
      await a.write(numbered(700));
      await a.closeWriting();
      await a.closeWriting();
      assert.deepEqual(await readAll(b), numbered(700));
      assert.deepEqual([await b.read(), await b.read()], [undefined, undefined]);
      await assert.rejects(a.write(numbered(1)), ClosedError);
      assert.deepEqual([a.isClosed, b.isClosed], [false, false]);
    },
  );

  streamTest("N3 after closeWriting() the other direction goes on", async ([a, b]) => {
    await a.closeWriting();
    assert.equal(await b.read(), undefined);
    await b.write(numbered(2000).subarray(0, 600));
    await b.closeWriting();
    assert.deepEqual(await readAll(a), numbered(600));
  });

  streamTest("N3 closeWriting() ends a read() that waits", async ([a, b]) => {
    await withTaskGroup(async (group) => {
      const reader = group.spawn(() => b.read());
      await quiet();
      await a.closeWriting();
      assert.equal(await reader, undefined);
    });
  });

  streamTest("N1 a loop that is left early leaves the stream open, and the other bytes in it", async ([a, b]) => {
    await a.write(numbered(3));
    for await (const chunk of b) {
      assert.equal(chunk[0], 0);
      break;
    }
    await a.write(numbered(2, 50));
    await a.closeWriting();
    assert.deepEqual((await readAll(b)).at(-1), 51);
  });

  // --- back-pressure

  streamTest("N4 write() waits when it is far enough ahead, and goes on as the other end reads", async ([a, b]) => {
    await withTaskGroup(async (group) => {
      const { writing, length, taken } = await filled(group, a);
      assert.ok(taken <= ahead(capacity), `${taken} bytes taken`);
      assert.deepEqual(await readExactly(b, 100), numbered(100));
      await quiet();
      assert.ok(a.bytesWritten <= ahead(capacity) + 100, `${a.bytesWritten} bytes taken`);
      assert.deepEqual(await readExactly(b, length - 100), numbered(length - 100, 100));
      await writing;
      assert.equal(a.bytesWritten, length);
    });
  });

  streamTest("N4 one direction that is full does not stop the other", async ([a, b]) => {
    await withTaskGroup(async (group) => {
      const { length } = await filled(group, a);
      await b.write(numbered(10));
      assert.deepEqual(await readExactly(a, 10), numbered(10));
      assert.equal((await readExactly(b, length)).length, length);
    });
  });

  // --- one at a time

  streamTest("N2 a second reader is refused, and the first one goes on", async ([a, b]) => {
    await withTaskGroup(async (group) => {
      const first = group.spawn(() => b.read());
      await quiet();
      await assert.rejects(b.read(), BusyError);
      await assert.rejects(Promise.resolve(b[Symbol.asyncIterator]().next()), BusyError);
      await a.write(numbered(2));
      assert.deepEqual(await first, numbered(2));
    });
  });

  streamTest("N2 a second writer is refused, and so is closeWriting() meanwhile", async ([a, b]) => {
    await withTaskGroup(async (group) => {
      const { length } = await filled(group, a);
      await assert.rejects(a.write(numbered(1)), BusyError);
      await assert.rejects(a.closeWriting(), BusyError);
      assert.deepEqual(await readExactly(b, length), numbered(length));
    });
    await a.closeWriting();
    assert.equal(await b.read(), undefined);
  });

  // --- closing

  streamTest("N3 close() fails whoever waits at this end, and whoever comes", async ([a]) => {
    await withTaskGroup(async (group) => {
      const reading = group.attempt(() => a.read());
      const { writing } = await filled({ spawn: (fn) => group.attempt(fn) }, a);
      await a.close();
      await assert.rejects(Promise.resolve(reading), ClosedError);
      await assert.rejects(Promise.resolve(writing), ClosedError);
      await a.close();
      await assert.rejects(a.read(), ClosedError);
      await assert.rejects(a.write(numbered(1)), ClosedError);
      await assert.rejects(a.closeWriting(), ClosedError);
      assert.ok(a.isClosed);
    });
  });

  streamTest("N3 after close() the other end reads what was written, then the end", async ([a, b]) => {
    await a.write(numbered(300));
    await a.close();
    await quiet();
    assert.deepEqual(await readAll(b), numbered(300));
    assert.equal(await b.read(), undefined);
    assert.equal(b.isClosed, false);
  });

  streamTest("N3 after close() the other end's writes reject, one that waits and later ones", async ([a, b]) => {
    await withTaskGroup(async (group) => {
      const { writing } = await filled({ spawn: (fn) => group.attempt(fn) }, b);
      await a.close();
      await assert.rejects(Promise.resolve(writing), BrokenError);
      await assert.rejects(b.write(numbered(1)), BrokenError);
    });
  });

  streamTest("N3 close() drops what came and was not read", async ([a, b]) => {
    await b.write(numbered(500));
    await quiet();
    await a.close();
    assert.deepEqual(waitsAt(a), idle);
  });

  streamTest("C3d closing always begins, also in a cancelled scope", async ([a, b]) => {
    await withCancelScope(async (scope) => {
      scope.cancel();
      await a.close();
      await b[Symbol.asyncDispose]();
    });
    assert.deepEqual([a.isClosed, b.isClosed], [true, true]);
  });

  // --- tearing

  streamTest("N5 abort() fails whoever waits at the other end, and whoever comes", async ([a, b]) => {
    await withTaskGroup(async (group) => {
      const reading = group.attempt(() => b.read());
      const { writing } = await filled({ spawn: (fn) => group.attempt(fn) }, b);
      a.abort();
      await assert.rejects(Promise.resolve(reading), BrokenError);
      await assert.rejects(Promise.resolve(writing), BrokenError);
      await assert.rejects(b.read(), BrokenError);
      await assert.rejects(b.write(numbered(1)), BrokenError);
      await assert.rejects(b.closeWriting(), BrokenError);
    });
    await b.close();
    assert.ok(b.isClosed);
  });

  streamTest("N5 what was not read when the connection was torn is gone: nothing looks whole", async ([a, b]) => {
    await a.write(numbered(500));
    if (tearsWhatEnded) await a.closeWriting();
    await quiet();
    assert.deepEqual(await readExactly(b, 10), numbered(10));
    a.abort();
    await quiet();
    if (!resets) return;
    await assert.rejects(b.read(), BrokenError);
    assert.deepEqual(waitsAt(b), idle);
  });

  streamTest("N5 abort() closes this end, with its reason as the cause", async ([a]) => {
    const reason = new Error("no more");
    await withTaskGroup(async (group) => {
      const reading = group.attempt(() => a.read());
      await quiet();
      a.abort(reason);
      a.abort(new Error("too late"));
      for (const failed of [() => Promise.resolve(reading), () => a.read(), () => a.write(numbered(1))]) {
        await assert.rejects(failed, (error) => error instanceof ClosedError && error.cause === reason);
      }
    });
    assert.ok(a.isClosed);
  });

  streamTest("N5 abort() after close() does nothing", async ([a, b]) => {
    await a.write(numbered(5));
    await a.close();
    a.abort();
    await quiet();
    assert.deepEqual(await readAll(b), numbered(5));
  });

  // --- cancellation

  streamTest("C3a read(), write() and closeWriting() cut on entry have had no effect", async ([a, b]) => {
    await a.write(numbered(2));
    await quiet();
    for (const call of [() => b.read(), () => a.write(numbered(9)), () => a.closeWriting()]) {
      await withCancelScope(async (scope) => {
        scope.cancel();
        await assert.rejects(call(), CancelledError);
      });
    }
    await a.write(numbered(1, 2));
    await a.closeWriting();
    assert.deepEqual(await readAll(b), numbered(3));
  });

  streamTest("C3a read() and iterating cut while they wait take nothing", async ([a, b]) => {
    assert.equal(await moveOnAfter(30, () => b.read().then(() => "read")), undefined);
    assert.equal(await moveOnAfter(30, () => readAll(b).then(() => "read")), undefined);
    assert.deepEqual(waitsAt(b), idle);
    await a.write(numbered(4));
    assert.deepEqual(await readExactly(b, 4), numbered(4));
  });

  streamTest("C3a write() cut while it waits has written what bytesWritten says, and no more", async ([a, b]) => {
    await withTaskGroup(async (group) => {
      const { writing } = await filled(group, a);
      (writing as unknown as { cancel(): void }).cancel();
      await quiet();
    });
    assert.equal(a.statistics().writing, false);
    const taken = a.bytesWritten;
    await withTaskGroup(async (group) => {
      group.spawn(async () => {
        await a.write(numbered(7, taken));
        await a.closeWriting();
      });
      assert.deepEqual(await readAll(b), numbered(taken + 7));
    });
  });

  streamTest("C2c cleanup after a cancellation may write, and read the answer", async ([a, b]) => {
    await withTaskGroup(async (group) => {
      group.spawn(async () => b.write(await readExactly(b, 1)));
      await withCancelScope(async (scope) => {
        scope.cancel();
        await assert.rejects(checkpoint(), CancelledError);
        await a.write(numbered(1, 7));
        assert.deepEqual(await readExactly(a, 1), numbered(1, 7));
      });
    });
  });

  test(`${name}: C3a C3b however readers and writers are cut, no byte is lost, added or out of order`, async () => {
    for (let seed = 1; seed <= seeds; seed++) {
      await run(async () => {
        const random = randomFrom(seed);
        const [a, b] = await makePair({ capacity: 1 + random(50) });
        const length = 3000;
        const got: number[] = [];
        await withTaskGroup(async (group) => {
          const write = async () => {
            for (;;) {
              const at = a.bytesWritten;
              if (at >= length) return;
              await a.write(numbered(Math.min(1 + random(200), length - at), at));
              if (random(3) === 0) await sleep(random(2));
            }
          };
          const read = async () => {
            for (;;) {
              const chunk = await b.read(1 + random(100));
              if (chunk === undefined) return;
              got.push(...chunk);
              if (random(3) === 0) await sleep(random(2));
            }
          };
          for (let turn = 0; turn < 12; turn++) {
            const tasks = [group.spawn(write), group.spawn(read)];
            await sleep(random(4));
            for (const task of tasks) task.cancel();
            for (const task of tasks) await task.outcome();
          }
          group.spawn(async () => {
            await write();
            await a.closeWriting();
          });
          await read();
        });
        assert.deepEqual(Uint8Array.from(got), numbered(length), `seed ${seed}`);
        assert.deepEqual([waitsAt(a), waitsAt(b)], [idle, idle], `seed ${seed}`);
        await a.close();
        await b.close();
      });
    }
  });
}
