import assert from "node:assert/strict";
import { test } from "node:test";
import { numbered, readExactly, streamConformance } from "../../test/stream-conformance.ts";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import { BrokenError, moveOnAfter, suppressedErrors, withTaskGroup } from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";
import {
  BufferedReader,
  memoryStreamPair,
  pipe,
  staple,
  toReadableStream,
  toWritableStream,
  writeJson,
  writeLine,
} from "./index.ts";

streamConformance("staple()", async (options) => {
  const [[a, intoA], [b, intoB]] = [memoryStreamPair(options), memoryStreamPair(options)];
  return [staple(a, intoB), staple(b, intoA)];
});

streamConformance("staple() with a BufferedReader", async (options) => {
  const [a, b] = memoryStreamPair(options);
  return [staple(new BufferedReader(a), a), staple(new BufferedReader(b), b)];
});

test("staple() closes both halves, and tells the errors of both", async () => {
  const [[source], [sink]] = [memoryStreamPair(), memoryStreamPair()];
  const errors = [new Error("sink"), new Error("source")];
  sink.close = () => Promise.reject(errors[0]);
  source.close = () => Promise.reject(errors[1]);
  const error = await rejection(staple(source, sink).close());
  assert.equal(error, errors[0]);
  assert.deepEqual(suppressedErrors(error), [errors[1]]);
});

test("staple() closes the source though closing the sink fails, and is closed when both are", async () => {
  const [[source], [sink]] = [memoryStreamPair(), memoryStreamPair()];
  const failure = new Error("sink");
  const { close } = sink;
  sink.close = () => close.call(sink).then(() => Promise.reject(failure));
  const stream = staple(source, sink);
  await source.close();
  assert.equal(stream.isClosed, false);
  assert.equal(await rejection(stream.close()), failure);
  assert.deepEqual([stream.isClosed, source.isClosed, sink.isClosed], [true, true, true]);
});

test("staple() aborts the source though aborting the sink throws", () => {
  const [[source], [sink]] = [memoryStreamPair(), memoryStreamPair()];
  sink.abort = () => {
    throw new Error("sink");
  };
  assert.throws(() => staple(source, sink).abort(), /sink/);
  assert.ok(source.isClosed);
});

// --- pipe()

test("pipe() copies everything at the pace of the slower side, and closes neither", async () => {
  await virtually(async () => {
    const [[source, feed], [sink, drain]] = [memoryStreamPair(), memoryStreamPair({ capacity: 10 })];
    await withTaskGroup(async (group) => {
      const copied = group.spawn(() => pipe(source, sink));
      await feed.write(numbered(100));
      await feed.write(numbered(30, 100));
      await waitAllTasksBlocked();
      assert.deepEqual([sink.bytesWritten, source.statistics().buffered], [10, 30]);
      await feed.closeWriting();
      assert.deepEqual(await readExactly(drain, 130), numbered(130));
      assert.equal(await copied, 130);
    });
    assert.deepEqual([source.isClosed, sink.isClosed], [false, false]);
    await sink.write(numbered(1));
  });
});

test("C3a pipe() cut while it reads has written all that it had read", async () => {
  await virtually(async () => {
    const [[source, feed], [sink, drain]] = [memoryStreamPair(), memoryStreamPair()];
    await feed.write(numbered(5));
    assert.equal(await moveOnAfter(10, () => pipe(source, sink)), undefined);
    await feed.write(numbered(5, 5));
    await feed.close();
    assert.equal(await pipe(source, sink), 5);
    assert.deepEqual(await drain.read(), numbered(10));
  });
});

test("pipe() cut while it writes has written what bytesWritten says", async () => {
  await virtually(async () => {
    const [[source, feed], [sink, drain]] = [memoryStreamPair(), memoryStreamPair({ capacity: 3 })];
    await feed.write(numbered(5));
    assert.equal(await moveOnAfter(10, () => pipe(source, sink)), undefined);
    assert.equal(sink.bytesWritten, 3);
    assert.deepEqual(await drain.read(), numbered(3));
  });
});

test("pipe() fails with the error of either side", async () => {
  const [[source, feed], [sink, drain]] = [memoryStreamPair(), memoryStreamPair()];
  await feed.write(numbered(5));
  await drain.close();
  await assert.rejects(pipe(source, sink), BrokenError);
  feed.abort();
  await assert.rejects(pipe(source, sink), BrokenError);
});

test("what is no source, or no sink, is refused before anything is done with it", async () => {
  const [end] = memoryStreamPair();
  const wrong = 7 as never;
  const [noSource, noSink] = [
    /^TypeError: Cannot .* 7: wanted a source of bytes$/,
    /^TypeError: Cannot .* 7: wanted a sink of bytes$/,
  ];
  assert.throws(() => staple(wrong, end), noSource);
  assert.throws(() => staple(end, wrong), noSink);
  assert.throws(() => toReadableStream(wrong), noSource);
  assert.throws(() => toWritableStream(wrong), noSink);
  await assert.rejects(pipe(wrong, end), noSource);
  await assert.rejects(pipe(end, wrong), noSink);
  await assert.rejects(writeLine(wrong, "a"), noSink);
  await assert.rejects(writeJson(null as never, 1), /^TypeError: Cannot write a line to null: wanted a sink of bytes$/);
});
