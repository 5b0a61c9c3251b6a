import assert from "node:assert/strict";
import { test } from "node:test";
import { numbered, readAll, streamConformance } from "../../test/stream-conformance.ts";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  BrokenError,
  BusyError,
  CancelledError,
  checkpoint,
  ClosedError,
  run,
  sleep,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";
import { memoryStreamPair } from "./index.ts";

streamConformance("memoryStreamPair()", async (options) => memoryStreamPair(options));

test("memoryStreamPair() refuses capacities that make no sense", () => {
  for (const capacity of [0, -1, 1.5, Number.NaN, "8" as never])
    assert.throws(() => memoryStreamPair({ capacity }), RangeError);
  assert.throws(() => memoryStreamPair({ capacity: 0 }), /capacity 0: wanted a whole number from 1/);
});

test("N1 memoryStreamPair() gives what there is in one piece, however it was written", async () => {
  const [a, b] = memoryStreamPair();
  for (let at = 0; at < 9; at += 3) await a.write(numbered(3, at));
  assert.deepEqual(await b.read(), numbered(9));
  await a.closeWriting();
  assert.deepEqual(await readAll(b), numbered(0));
});

test("N2 memoryStreamPair() refuses the second reader and the second writer, and says why", async () => {
  await virtually(async () => {
    const [a, b] = memoryStreamPair({ capacity: 1, name: "pipe" });
    await withTaskGroup(async (group) => {
      const reading = group.spawn(() => a.read());
      const writing = group.spawn(() => a.write(numbered(2)));
      await waitAllTasksBlocked();
      const busy = [
        await rejection(a.read()),
        await rejection(a.write(numbered(0))),
        await rejection(a.closeWriting()),
      ];
      assert.deepEqual(
        busy.map((error) => error instanceof BusyError && error.message),
        [
          "Cannot read from the first end of stream 'pipe': somebody else waits to read",
          "Cannot write to the first end of stream 'pipe': somebody else waits to write",
          "Cannot close the writing of the first end of stream 'pipe': somebody else waits to write",
        ],
      );
      await b.write(numbered(1));
      await reading;
      await b.read();
      await writing;
    });
  });
});

test("N3 memoryStreamPair() names the end, and who has closed it, in its errors", async () => {
  const [a, b] = memoryStreamPair({ name: "pipe" });
  await a.closeWriting();
  await assert.rejects(a.write(numbered(1)), {
    name: "ClosedError",
    message: "Cannot write to the first end of stream 'pipe': its writing side is closed",
  });
  await a.close();
  await assert.rejects(a.read(), { message: "Cannot read from the first end of stream 'pipe': it is closed" });
  await assert.rejects(b.write(numbered(1)), {
    name: "BrokenError",
    message: "Cannot write to the second end of stream 'pipe': the other end is closed",
  });
});

test("N3 closeWriting() of memoryStreamPair() is no mistake when the other end is closed already", async () => {
  const [a, b] = memoryStreamPair();
  await b.close();
  await a.closeWriting();
  await assert.rejects(a.write(numbered(1)), ClosedError);
  assert.equal(await a.read(), undefined);
});

test("N4 memoryStreamPair() holds exactly as many bytes as its capacity, read or not", async () => {
  await virtually(async () => {
    const [a, b] = memoryStreamPair({ capacity: 10 });
    await withTaskGroup(async (group) => {
      const writing = group.spawn(() => a.write(numbered(25)));
      await waitAllTasksBlocked();
      assert.deepEqual([a.bytesWritten, b.statistics().buffered], [10, 10]);
      assert.deepEqual(await b.read(4), numbered(4));
      assert.deepEqual([a.bytesWritten, b.statistics().buffered], [14, 10]);
      assert.deepEqual(await b.read(), numbered(10, 4));
      assert.equal(writing.status, "running");
      assert.deepEqual(await b.read(), numbered(10, 14));
      await writing;
      assert.deepEqual(await b.read(), numbered(1, 24));
    });
  });
});

test("N4 a reader that takes little lets a write of memoryStreamPair() go on by as much", async () => {
  await virtually(async () => {
    const [a, b] = memoryStreamPair({ capacity: 4 });
    await withTaskGroup(async (group) => {
      const reading = group.spawn(() => b.read(1));
      await waitAllTasksBlocked();
      const writing = group.spawn(() => a.write(numbered(10)));
      assert.deepEqual([a.bytesWritten, b.statistics().buffered], [5, 4]);
      assert.deepEqual(await reading, numbered(1));
      assert.equal(writing.status, "running");
      assert.deepEqual([await b.read(), await b.read()], [numbered(4, 1), numbered(5, 5).subarray(0, 4)]);
      assert.deepEqual(await b.read(), numbered(1, 9));
    });
  });
});

test("N4 memoryStreamPair() of capacity Infinity never makes a writer wait", async () => {
  const [a, b] = memoryStreamPair({ capacity: Infinity });
  await a.write(numbered(300_000));
  await a.close();
  assert.deepEqual((await b.read(Infinity))?.length, 300_000);
});

test("N5 the reason of abort() is the cause at the other end of memoryStreamPair()", async () => {
  const [a, b] = memoryStreamPair();
  const reason = new Error("no more");
  a.abort(reason);
  for (const call of [b.read(), b.write(numbered(1)), b.closeWriting()]) {
    const error = await rejection(call);
    assert.ok(error instanceof BrokenError && error.cause === reason);
    assert.match(error.message, /the other end has reset the connection$/);
  }
});

test("C3a read() and write() of memoryStreamPair() cut on entry have had no effect", async () => {
  await virtually(async () => {
    const [a, b] = memoryStreamPair();
    await a.write(numbered(2));
    for (const call of [() => b.read(), () => a.write(numbered(2)), () => a.closeWriting()]) {
      await withCancelScope(async (scope) => {
        scope.cancel();
        await assert.rejects(call(), CancelledError);
      });
    }
    assert.deepEqual([a.bytesWritten, b.statistics().buffered, b.statistics().bytesRead], [2, 2, 0]);
  });
});

test("C3a write() of memoryStreamPair() cut while it waits adds nothing later", async () => {
  await virtually(async () => {
    const [a, b] = memoryStreamPair({ capacity: 3 });
    await withTaskGroup(async (group) => {
      const writing = group.spawn(() => a.write(numbered(9)));
      await waitAllTasksBlocked();
      writing.cancel();
      assert.deepEqual(await b.read(), numbered(3));
      await waitAllTasksBlocked();
      assert.deepEqual([a.bytesWritten, b.statistics().buffered], [3, 0]);
    });
  });
});

test("C3b bytes that were handed to a reader before it is cancelled are read", async () => {
  await virtually(async () => {
    const [a, b] = memoryStreamPair();
    const read: unknown[] = [];
    for (const iterate of [false, true]) {
      await withTaskGroup(async (group) => {
        const reader = group.spawn(async () => {
          if (iterate) for await (const chunk of b) read.push(chunk);
          else read.push(await b.read());
          await checkpoint();
        });
        await waitAllTasksBlocked();
        void a.write(numbered(1, read.length));
        reader.cancel();
        assert.equal((await reader.outcome()).status, "cancelled");
      });
    }
    assert.deepEqual(read, [numbered(1), numbered(1, 1)]);
  });
});

test("C3b a write whose last byte was taken before its writer is cancelled has been done", async () => {
  await virtually(async () => {
    const [a, b] = memoryStreamPair({ capacity: 1 });
    let written = false;
    await withTaskGroup(async (group) => {
      const writer = group.spawn(async () => {
        await a.write(numbered(2));
        written = true;
        await checkpoint();
      });
      await waitAllTasksBlocked();
      void b.read();
      writer.cancel();
      assert.equal((await writer.outcome()).status, "cancelled");
    });
    assert.ok(written);
  });
});

test("F2 a writer and a reader that never wait let others have their turn", async () => {
  await run(
    async () => {
      const [a, b] = memoryStreamPair();
      let stop = false;
      await withTaskGroup(async (group) => {
        group.spawn(async () => {
          while (!stop) {
            await a.write(numbered(10));
            await b.read();
          }
        });
        await sleep(20);
        stop = true;
      });
    },
    { host: false },
  );
});
