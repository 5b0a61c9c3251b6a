import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "../../../test/random.ts";
import { rejection } from "../../../test/rejection.ts";
import { numbered, readAll, readExactly, streamConformance } from "../../../test/stream-conformance.ts";
import { virtually } from "../../../test/virtual.ts";
import {
  BrokenError,
  CancelledError,
  ClosedError,
  currentTask,
  moveOnAfter,
  run,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
} from "../../index.ts";
import { waitAllTasksBlocked } from "../../testing/index.ts";
import {
  fromReadableStream,
  fromWebStreams,
  fromWritableStream,
  memoryStreamPair,
  toReadableStream,
  toWritableStream,
  type ByteStream,
} from "../index.ts";

const chunk = 65_536;

streamConformance(
  "fromWebStreams()",
  async ({ capacity }) => {
    const [first, second] = [identity(capacity), identity(capacity)];
    return [
      fromWebStreams({ readable: first.readable, writable: second.writable }),
      fromWebStreams({ readable: second.readable, writable: first.writable }),
    ];
  },
  { ahead: (capacity) => 2 * capacity + 3 * chunk, tearsWhatEnded: false },
);

/** What is written can be read. */
function identity(capacity: number): TransformStream<Uint8Array, Uint8Array> {
  const strategy = new ByteLengthQueuingStrategy({ highWaterMark: capacity });
  return new TransformStream<Uint8Array, Uint8Array>({}, strategy, strategy);
}

/** Calls `fn` in a task that is cancelled while it waits, and waits until the task has ended. */
async function cancelledWhileWaiting(fn: () => Promise<void>): Promise<void> {
  await withTaskGroup(async (group) => {
    const task = group.spawn(fn);
    await waitAllTasksBlocked();
    task.cancel();
  });
}

/** After what the platform does by itself. */
function afterwards(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** A stream, and what feeds it. */
function fed(more: UnderlyingDefaultSource<Uint8Array> = {}) {
  let feed!: ReadableStreamDefaultController<Uint8Array>;
  const readable = new ReadableStream<Uint8Array>({ ...more, start: (controller) => void (feed = controller) });
  return { readable, feed };
}

// --- fromReadableStream()

test("fromReadableStream() reads the body of an answer, outside of tasks too", async () => {
  const source = fromReadableStream(new Response("hello").body!);
  assert.equal(Buffer.from((await source.read(2))!).toString(), "he");
  assert.deepEqual(source.statistics(), { bytesRead: 2, buffered: 3, reading: false });
  assert.equal(Buffer.from((await source.read())!).toString(), "llo");
  assert.deepEqual([await source.read(), await source.read()], [undefined, undefined]);
  await source.close();
  await assert.rejects(source.read(), ClosedError);
});

test("N8 C3a a read of fromReadableStream() that is cut leaves what the platform brings to the next", async () => {
  await virtually(async () => {
    let pulls = 0;
    const readable = new ReadableStream<Uint8Array>(
      {
        // It runs on when its first reader is gone, so it must not run in the reader's scope.
        async pull(controller) {
          pulls++;
          await sleep(100);
          controller.enqueue(numbered(3, 3 * (pulls - 1)));
        },
      },
      { highWaterMark: 0 },
    );
    const source = fromReadableStream(readable);
    for (let again = 0; again < 3; again++) assert.equal(await moveOnAfter(10, () => source.read()), undefined);
    assert.deepEqual(await source.read(), numbered(3));
    assert.equal(pulls, 1);
    assert.equal(await moveOnAfter(10, () => source.read()), undefined);
    await sleep(200);
    assert.deepEqual(source.statistics(), { bytesRead: 3, buffered: 3, reading: false });
    assert.deepEqual(await source.read(), numbered(3, 3));
    assert.equal(pulls, 2);
    await source.close();
  });
});

test("fromReadableStream() asks for nothing before somebody reads, nor when enough is there", async () => {
  let pulls = 0;
  const pull = (controller: ReadableStreamDefaultController<Uint8Array>) =>
    controller.enqueue(numbered(4, 4 * pulls++));
  const source = fromReadableStream(new ReadableStream({ pull }, { highWaterMark: 0 }));
  await afterwards();
  assert.equal(pulls, 0);
  assert.deepEqual([await source.read(1), await source.read(3)], [numbered(1), numbered(3, 1)]);
  await afterwards();
  assert.equal(pulls, 1);
  await source.close();
});

test("fromReadableStream() passes over empty chunks", async () => {
  const { readable, feed } = fed();
  const source = fromReadableStream(readable);
  for (const length of [0, 0, 2]) feed.enqueue(numbered(length));
  assert.deepEqual(await source.read(), numbered(2));
});

test("N1 fromReadableStream() gives copies, since the chunks of tee() are two readers'", async () => {
  const { readable, feed } = fed();
  const [first, second] = readable.tee().map((branch) => fromReadableStream(branch)) as [ByteStream, ByteStream];
  feed.enqueue(numbered(3));
  (await first.read())!.fill(9);
  assert.deepEqual(await second.read(), numbered(3));
});

test("N5 a stream that fails makes reads of fromReadableStream() reject, whoever waits, and drops what was not read", async () => {
  await virtually(async () => {
    const failure = new Error("disk");
    const { readable, feed } = fed();
    const source = fromReadableStream(readable, { name: "body" });
    await withTaskGroup(async (group) => {
      const waiting = group.attempt(() => source.read());
      await waitAllTasksBlocked();
      feed.error(failure);
      for (const failed of [() => Promise.resolve(waiting), () => source.read()]) {
        const error = await rejection(failed());
        assert.ok(error instanceof BrokenError && error.cause === failure);
        assert.equal(error.message, "Cannot read from stream 'body': it has failed");
      }
    });
    const { readable: other, feed: others } = fed();
    const idle = fromReadableStream(other);
    others.enqueue(numbered(5));
    await idle.read(1);
    others.error(failure);
    await afterwards();
    assert.equal(idle.statistics().buffered, 0);
    await assert.rejects(idle.read(), BrokenError);
    await idle.close();
  });
});

test("fromReadableStream() says so when it is given no bytes, and cancels the stream", async () => {
  let reason: unknown;
  const { readable, feed } = fed({ cancel: (why) => void (reason = why) });
  const source = fromReadableStream(readable);
  feed.enqueue("text" as never);
  await assert.rejects(source.read(), {
    name: "BrokenError",
    message: 'Cannot read from the readable stream: it has given "text", wanted a Uint8Array',
  });
  assert.ok(reason instanceof BrokenError);
  await assert.rejects(source.read(), BrokenError);
});

test("C3d close() of fromReadableStream() waits until the stream is cancelled, and tells when that fails", async () => {
  await virtually(async () => {
    const steps: string[] = [];
    const { readable } = fed({
      async cancel() {
        steps.push("cancelling");
        await sleep(50);
        steps.push("cancelled");
      },
    });
    const source = fromReadableStream(readable);
    await cancelledWhileWaiting(() => source.close());
    await source.close();
    assert.deepEqual([steps, source.isClosed], [["cancelling", "cancelled"], true]);
    const failure = new Error("cannot stop");
    const failing = fromReadableStream(fed({ cancel: () => Promise.reject(failure) }).readable);
    const error = await rejection(failing.close());
    assert.ok(error instanceof BrokenError && error.cause === failure);
    assert.equal(error.message, "Cannot close the readable stream: cancelling it has failed");
    await failing.close();
  });
});

test("N5 abort() of fromReadableStream() cancels the stream with its reason", async () => {
  let got: unknown;
  const cancel = (reason: unknown) => {
    got = reason;
    return Promise.reject(new Error("torn anyway"));
  };
  const source = fromReadableStream(fed({ cancel }).readable);
  const reason = new Error("enough");
  source.abort(reason);
  assert.equal(got, reason);
  await source.close();
  await assert.rejects(source.read(), (error) => error instanceof ClosedError && error.cause === reason);
});

test("what is no web stream, or is locked, is refused", () => {
  for (const wrong of [undefined, {}, new WritableStream()] as never[])
    assert.throws(() => fromReadableStream(wrong), TypeError);
  for (const wrong of [undefined, {}, new ReadableStream()] as never[])
    assert.throws(() => fromWritableStream(wrong), TypeError);
  assert.throws(() => fromReadableStream(7 as never), /^TypeError: Cannot read from 7: wanted a ReadableStream$/);
  assert.throws(() => fromWritableStream(7 as never), /^TypeError: Cannot write to 7: wanted a WritableStream$/);
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  fromWebStreams({ readable, writable });
  assert.throws(() => fromReadableStream(readable), TypeError);
  assert.throws(() => fromWritableStream(writable), TypeError);
});

// --- fromWritableStream()

test("fromWritableStream() hands over copies of bounded size", async () => {
  const got: Uint8Array[] = [];
  const sink = fromWritableStream(new WritableStream({ write: (piece) => void got.push(piece) }));
  const bytes = numbered(100_000);
  const written = sink.write(bytes);
  await written;
  bytes.fill(0);
  await sink.close();
  assert.deepEqual(
    got.map(({ length }) => length),
    [chunk, 100_000 - chunk],
  );
  assert.deepEqual(got[1], numbered(100_000 - chunk, chunk));
  assert.equal(sink.bytesWritten, 100_000);
});

test("closeWriting() and close() of fromWritableStream() wait until everything has arrived", async () => {
  await virtually(async () => {
    for (const end of ["closeWriting", "close"] as const) {
      const steps: string[] = [];
      const write = async () => {
        await sleep(10);
        steps.push("written");
      };
      const close = async () => {
        await sleep(10);
        steps.push("closed");
      };
      const sink = fromWritableStream(new WritableStream({ write, close }));
      await sink.write(numbered(3));
      assert.deepEqual(steps, []);
      await sink[end]();
      assert.deepEqual(steps, ["written", "closed"]);
      await sink.close();
    }
  });
});

test("C3d close() of fromWritableStream() that is cancelled while it waits goes on until everything has arrived", async () => {
  await virtually(async () => {
    let closed = false;
    const close = async () => {
      await sleep(50);
      closed = true;
    };
    const sink = fromWritableStream(new WritableStream({ close }));
    await cancelledWhileWaiting(() => sink.close());
    assert.ok(closed);
  });
});

test("closeWriting() of fromWritableStream() that is cut goes on, and the next call waits for it", async () => {
  await virtually(async () => {
    let closed = 0;
    const close = async () => {
      await sleep(100);
      closed++;
    };
    const sink = fromWritableStream(new WritableStream({ close }));
    assert.equal(await moveOnAfter(10, () => sink.closeWriting().then(() => "ended")), undefined);
    await assert.rejects(sink.write(numbered(1)), ClosedError);
    assert.equal(closed, 0);
    await sink.closeWriting();
    assert.equal(closed, 1);
    await sink.close();
    assert.equal(closed, 1);
  });
});

test("a failure behind a write of fromWritableStream() is told by the next call, or else by close()", async () => {
  const failure = new Error("disk full");
  const failing = () =>
    fromWritableStream(new WritableStream({ write: () => Promise.reject(failure) }), { name: "file" });
  const calls = {
    "write to": (sink: ReturnType<typeof failing>) => sink.write(numbered(1)),
    "close the writing of": (sink: ReturnType<typeof failing>) => sink.closeWriting(),
    close: (sink: ReturnType<typeof failing>) => sink.close(),
  };
  for (const pause of [true, false]) {
    for (const [what, call] of Object.entries(calls)) {
      const sink = failing();
      await sink.write(numbered(1));
      if (pause) await afterwards();
      const error = await rejection(call(sink).then(() => (what === "write to" ? call(sink) : undefined)));
      assert.ok(error instanceof BrokenError && error.cause === failure, what);
      assert.equal(error.message, `Cannot ${what} stream 'file': it has failed`);
      await sink.close();
    }
  }
});

test("a failure on closing is told by closeWriting() and by close()", async () => {
  const failure = new Error("disk full");
  for (const end of ["closeWriting", "close"] as const) {
    const sink = fromWritableStream(new WritableStream({ close: () => Promise.reject(failure) }));
    await sink.write(numbered(1));
    const error = await rejection(sink[end]());
    assert.ok(error instanceof BrokenError && error.cause === failure);
    await sink.close();
  }
});

test("a failure on closing that a closeWriting() has not waited for is told by close()", async () => {
  await virtually(async () => {
    const failure = new Error("disk full");
    const close = async () => {
      await sleep(100);
      throw failure;
    };
    const sink = fromWritableStream(new WritableStream({ close }));
    assert.equal(await moveOnAfter(10, () => sink.closeWriting().then(() => "ended")), undefined);
    await sleep(200);
    const error = await rejection(sink.close());
    assert.ok(error instanceof BrokenError && error.cause === failure);
  });
});

test("await using closes what is made of web streams, and for await reads it", async () => {
  const got: Uint8Array[] = [];
  let [closed, cancelled] = [false, false];
  {
    await using sink = fromWritableStream(new WritableStream({ close: () => void (closed = true) }));
    await using source = fromReadableStream(fed({ cancel: () => void (cancelled = true) }).readable);
    assert.deepEqual([sink.isClosed, source.isClosed, closed, cancelled], [false, false, false, false]);
  }
  assert.deepEqual([closed, cancelled], [true, true]);
  for await (const piece of fromReadableStream(new Response("abc").body!)) got.push(piece);
  assert.equal(Buffer.concat(got).toString(), "abc");
});

test("N3 close() of fromWritableStream() says nothing of a reader that wants no more, if all had arrived", async () => {
  const { readable, writable } = identity(1000);
  const sink = fromWritableStream(writable);
  await sink.write(numbered(10));
  await afterwards();
  await readable.cancel();
  await sink.close();
  assert.ok(sink.isClosed);
});

/** What a promise gives, or its error. */
function rejectionOr<T>(promise: Promise<T>): Promise<unknown> {
  return promise.catch((error: unknown) => error);
}

test("N3 close() of both ends of one thing is no failure of it, whatever is on its way", async () => {
  for (let turns = 0; turns < 12; turns++) {
    for (const awaited of [true, false]) {
      const echo = fromWebStreams(new TransformStream<Uint8Array, Uint8Array>());
      const written = echo.write(numbered(1));
      const came = rejectionOr(echo.read());
      if (awaited) assert.deepEqual(await came, numbered(1));
      await written;
      for (let turn = 0; turn < turns; turn++) await undefined;
      await echo.close();
      const last = await came;
      assert.ok(last instanceof Uint8Array || last instanceof ClosedError, String(last));
    }
  }
});

test("C3d close() of fromWritableStream() that hangs is cut at the cut-off, and aborts the stream", async () => {
  await virtually(async () => {
    let reason: unknown;
    const stuck = new WritableStream({
      write: (_, controller) =>
        new Promise<void>((resolve) => {
          controller.signal.onabort = () => resolve();
        }),
      abort: (why) => void (reason = why),
    });
    const sink = fromWritableStream(stuck);
    await sink.write(numbered(1));
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        await sink.close();
      },
      { grace: 100 },
    );
    assert.ok(reason instanceof CancelledError);
  });
});

test("C3d close() of fromWritableStream() that has failed while a write hangs is cut at the cut-off", async () => {
  await virtually(async () => {
    const stuck = new WritableStream({
      write(_, controller) {
        controller.error(new Error("disk"));
        return new Promise<void>(() => undefined);
      },
    });
    const sink = fromWritableStream(stuck);
    await sink.write(numbered(1));
    await afterwards();
    let ended = "";
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        await sink.close().finally(() => (ended = "cut"));
      },
      { grace: 100 },
    );
    assert.equal(ended, "cut");
  });
});

test("N5 abort() of fromWritableStream() aborts the stream with its reason", async () => {
  const reason = new Error("enough");
  let got: unknown;
  const sink = fromWritableStream(new WritableStream({ abort: (why) => void (got = why) }));
  await sink.write(numbered(1));
  sink.abort(reason);
  await afterwards();
  assert.equal(got, reason);
  await assert.rejects(sink.write(numbered(1)), (error) => error instanceof ClosedError && error.cause === reason);
});

// --- toReadableStream()

test("N4 toReadableStream() reads when it is read from, and not before", async () => {
  await virtually(async () => {
    const [source, feed] = memoryStreamPair();
    await feed.write(numbered(5));
    const reader = toReadableStream(source).getReader();
    await waitAllTasksBlocked();
    assert.equal(source.statistics().bytesRead, 0);
    assert.deepEqual(await reader.read(), { done: false, value: numbered(5) });
    await feed.close();
    assert.deepEqual((await reader.read()).done, true);
    assert.equal(source.isClosed, false);
  });
});

test("toReadableStream() and toWritableStream() carry a body through fetch's own types", async () => {
  const [source, feed] = memoryStreamPair();
  await feed.write(new TextEncoder().encode("größe"));
  await feed.close();
  assert.equal(await new Response(toReadableStream(source)).text(), "größe");
  const [sink, drain] = memoryStreamPair();
  await new Response("größe").body!.pipeTo(toWritableStream(sink));
  assert.equal(Buffer.from(await readAll(drain)).toString(), "größe");
});

test("N1 C3a bytes go there and back through the platform's streams, however readers are cut", async () => {
  await virtually(async () => {
    const [a, b] = memoryStreamPair({ capacity: 50 });
    const [one, other] = [a, b].map((end) =>
      fromWebStreams({ readable: toReadableStream(end), writable: toWritableStream(end) }),
    ) as [ByteStream, ByteStream];
    const random = randomFrom(7);
    const got: number[] = [];
    await withTaskGroup(async (group) => {
      group.spawn(async () => {
        for (let at = 0; at < 3000; at += 100) {
          await one.write(numbered(100, at));
          await sleep(random(3));
        }
        await one.closeWriting();
      });
      for (let ended = false; !ended;) {
        await moveOnAfter(1 + random(3), async () => {
          for (let read = await other.read(1 + random(80)); read !== undefined; read = await other.read(99))
            got.push(...read);
          ended = true;
        });
      }
    });
    assert.deepEqual(Uint8Array.from(got), numbered(3000));
    await other.closeWriting();
    assert.equal(await one.read(), undefined);
  });
});

test("the cancel() of toReadableStream() closes the source, also while it waits", async () => {
  await virtually(async () => {
    const [source, feed] = memoryStreamPair();
    const reader = toReadableStream(source).getReader();
    const waiting = reader.read();
    await waitAllTasksBlocked();
    await reader.cancel();
    assert.deepEqual([(await waiting).done, source.isClosed], [true, true]);
    await assert.rejects(feed.write(numbered(1)), BrokenError);
  });
});

test("an error of its source is the error of toReadableStream()", async () => {
  const [source, feed] = memoryStreamPair();
  feed.abort();
  await assert.rejects(toReadableStream(source).getReader().read(), BrokenError);
});

test("N8 a task that is cancelled while it waits for pipeTo() ends it, and nothing is lost on the way in", async () => {
  await virtually(async () => {
    const [source, feed] = memoryStreamPair();
    const [sink, drain] = memoryStreamPair();
    await withTaskGroup(async (group) => {
      const piping = group.spawn(() => toReadableStream(source).pipeTo(toWritableStream(sink)));
      await feed.write(numbered(3));
      assert.deepEqual(await readExactly(drain, 3), numbered(3));
      await waitAllTasksBlocked();
      piping.cancel();
      assert.equal((await piping.outcome()).status, "cancelled");
    });
    await feed.write(numbered(3, 3));
    assert.deepEqual(await source.read(), numbered(3, 3));
    await assert.rejects(drain.read(), BrokenError);
  });
});

test("X2 a reader of toReadableStream() in another task may be cancelled: the stream goes on", async () => {
  await virtually(async () => {
    const [source, feed] = memoryStreamPair();
    const reader = toReadableStream(source).getReader();
    let waiting: ReturnType<typeof reader.read> | undefined;
    await moveOnAfter(10, async () => {
      waiting = reader.read();
      await sleepForever();
    });
    await feed.write(numbered(2));
    assert.deepEqual((await waiting!).value, numbered(2));
  });
});

test("what a task has made of a source can be read when the task has ended", async () => {
  await virtually(async () => {
    const [source, feed] = memoryStreamPair();
    const [sink, drain] = memoryStreamPair();
    const [readable, writable] = await withTaskGroup((group) =>
      group.spawn(() => [toReadableStream(source), toWritableStream(sink)] as const),
    );
    await feed.write(numbered(2));
    await feed.close();
    await readable.pipeTo(writable);
    assert.deepEqual(await readAll(drain), numbered(2));
  });
});

test("toReadableStream() that outlives its run can be read", async () => {
  const [source, feed] = memoryStreamPair();
  const readable = await run(() => toReadableStream(source), { host: false });
  await feed.write(numbered(2));
  await feed.close();
  assert.deepEqual(new Uint8Array(await new Response(readable).arrayBuffer()), numbered(2));
});

// --- toWritableStream()

test("N4 toWritableStream() makes its writer wait while the sink is full", async () => {
  await virtually(async () => {
    const [sink, drain] = memoryStreamPair({ capacity: 4 });
    const writer = toWritableStream(sink).getWriter();
    const written = writer.write(numbered(10));
    await waitAllTasksBlocked();
    assert.deepEqual([writer.desiredSize, sink.bytesWritten], [0, 4]);
    assert.deepEqual(await readExactly(drain, 10), numbered(10));
    await written;
    await writer.close();
    assert.deepEqual([await drain.read(), sink.isClosed], [undefined, false]);
  });
});

test("N5 the abort() of toWritableStream() cuts a write that waits, and aborts the sink", async () => {
  await virtually(async () => {
    const [sink, drain] = memoryStreamPair({ capacity: 4 });
    const writer = toWritableStream(sink).getWriter();
    writer.write(numbered(10)).catch(() => undefined);
    await waitAllTasksBlocked();
    const reason = new Error("enough");
    await writer.abort(reason);
    assert.deepEqual([sink.isClosed, sink.bytesWritten], [true, 4]);
    const error = await rejection(drain.read());
    assert.ok(error instanceof BrokenError && error.cause === reason);
  });
});

test("an error of its sink is the error of toWritableStream(), also for what is no bytes", async () => {
  const [sink, drain] = memoryStreamPair();
  await drain.close();
  await assert.rejects(toWritableStream(sink).getWriter().write(numbered(1)), BrokenError);
  const [other] = memoryStreamPair();
  await assert.rejects(
    toWritableStream(other)
      .getWriter()
      .write("text" as never),
    TypeError,
  );
});

test("X2 streams of the platform call back in the task that made them", async () => {
  await virtually(async () => {
    await withTaskGroup(async (group) => {
      const [source, feed] = memoryStreamPair();
      const tasks: unknown[] = [];
      const { read } = source;
      source.read = (max) => {
        tasks.push(currentTask()?.name);
        return read.call(source, max);
      };
      const reader = await group.spawn(() => toReadableStream(source).getReader(), { name: "maker" });
      await feed.write(numbered(1));
      await group.spawn(() => reader.read(), { name: "reader" });
      assert.ok(!tasks.includes("reader"), `called in ${String(tasks)}`);
    });
  });
});
