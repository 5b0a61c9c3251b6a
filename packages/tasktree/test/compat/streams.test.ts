import assert from "node:assert/strict";
import { EventEmitter, on, once } from "node:events";
import { PassThrough, Readable, Transform, Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { describe, test } from "node:test";
import timers from "node:timers/promises";
import { everyWay } from "./every-way.ts";

const numbers = Array.from({ length: 40 }, (_, n) => n);

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function streamOf<T>(items: readonly T[]): ReadableStream<T> {
  const left = items.values();
  return new ReadableStream<T>({
    pull(out) {
      const { done, value } = left.next();
      if (done) out.close();
      else out.enqueue(value);
    },
  });
}

describe("streams, events and timers under the await hook", () => {
  test(
    "node:stream: a pipeline of streams and async generators keeps items, order and back pressure",
    everyWay(async () => {
      let held = 0;
      let most = 0;
      const source = Readable.from(numbers, { highWaterMark: 4 });
      const twice = new Transform({
        objectMode: true,
        highWaterMark: 4,
        transform(n: number, _encoding, done) {
          most = Math.max(most, ++held);
          setImmediate(() => done(null, n * 2));
        },
      });
      const seen: number[] = [];
      const sink = new Writable({
        objectMode: true,
        highWaterMark: 4,
        write(n: number, _encoding, done) {
          held--;
          seen.push(n);
          done();
        },
      });
      await pipeline(
        source,
        async function* odd(items: AsyncIterable<number>) {
          for await (const n of items) if (n % 2 === 1) yield n;
        },
        twice,
        sink,
      );
      assert.deepEqual(
        seen,
        numbers.filter((n) => n % 2 === 1).map((n) => n * 2),
      );
      assert.ok(most <= 16, `${most} items between two streams`);
    }),
  );

  test(
    "node:stream: an error in the middle destroys both ends, and reaches who awaits",
    everyWay(async () => {
      const broken = new Error("broken");
      const [source, sink] = [Readable.from(numbers), new PassThrough({ objectMode: true })];
      async function* failing(items: AsyncIterable<number>): AsyncGenerator<number> {
        for await (const n of items) {
          if (n === 3) throw broken;
          yield n;
        }
      }
      await assert.rejects(pipeline(source, failing, sink), broken);
      assert.ok(source.destroyed && sink.destroyed);
      const other = new PassThrough();
      const over = finished(other);
      other.destroy(broken);
      await assert.rejects(over, broken);
    }),
  );

  test(
    "web streams: readers, pipes, tees and cancellation",
    everyWay(async () => {
      const double = new TransformStream<number, number>({ transform: (n, out) => out.enqueue(n * 2) });
      const [left, right] = streamOf(numbers).pipeThrough(double).tee();
      const doubled = numbers.map((n) => n * 2);
      assert.deepEqual(await Promise.all([collected(left), collected(right)]), [doubled, doubled]);
      let cancelled: unknown;
      let next = 0;
      const endless = new ReadableStream<number>({
        pull: (out) => out.enqueue(next++),
        cancel: (reason) => void (cancelled = reason),
      });
      for await (const n of endless.values({ preventCancel: true })) if (n === 5) break;
      const reader = endless.getReader();
      assert.equal((await reader.read()).value, 6);
      await reader.cancel("enough");
      assert.equal(cancelled, "enough");
      const written: number[] = [];
      await streamOf(numbers).pipeTo(new WritableStream({ write: (n) => void written.push(n) }));
      assert.deepEqual(written, numbers);
      assert.equal(await new Response(new Blob(["text"]).stream()).text(), "text");
    }),
  );

  test(
    "node:events: once and on, with errors and signals",
    everyWay(async () => {
      const emitter = new EventEmitter();
      const first = once(emitter, "ready");
      emitter.emit("ready", 1, 2);
      assert.deepEqual(await first, [1, 2]);
      const failed = once(emitter, "ready");
      emitter.emit("error", new Error("failed"));
      await assert.rejects(failed, /failed/);
      const controller = new AbortController();
      const seen: number[] = [];
      const reading = (async () => {
        for await (const [n] of on(emitter, "number", { signal: controller.signal })) seen.push(n as number);
      })();
      for (const n of [1, 2, 3]) {
        emitter.emit("number", n);
        await Promise.resolve();
      }
      await timers.setImmediate();
      controller.abort();
      await assert.rejects(reading, { name: "AbortError" });
      assert.deepEqual(seen, [1, 2, 3]);
      assert.equal(emitter.listenerCount("number"), 0);
    }),
  );

  test(
    "node:timers/promises: sleeps in order, intervals, immediates and signals",
    everyWay(async () => {
      const woken: number[] = [];
      await Promise.all([9, 1, 5].map(async (ms) => woken.push(await timers.setTimeout(ms, ms))));
      assert.deepEqual(woken, [1, 5, 9]);
      let ticks = 0;
      for await (const value of timers.setInterval(1, "tick")) {
        assert.equal(value, "tick");
        if (++ticks === 3) break;
      }
      assert.equal(await timers.setImmediate("now"), "now");
      await timers.scheduler.wait(1);
      await timers.scheduler.yield();
      const controller = new AbortController();
      const cut = timers.setTimeout(60_000, undefined, { signal: controller.signal });
      controller.abort();
      await assert.rejects(cut, { name: "AbortError" });
      await assert.rejects(once(new EventTarget(), "never", { signal: AbortSignal.timeout(2) }), {
        name: "AbortError",
      });
    }),
  );
});
