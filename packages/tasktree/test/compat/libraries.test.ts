import { Cause, Deferred, Duration, Effect, Exit, Fiber, Queue, Schedule } from "effect";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import timers from "node:timers/promises";
import PQueue from "p-queue";
import { everyWay } from "./every-way.ts";

describe("p-queue under the await hook", () => {
  test(
    "runs as many jobs at a time as it may, by priority, and tells when it is idle",
    everyWay(async () => {
      const queue = new PQueue({ concurrency: 2 });
      let [running, most] = [0, 0];
      const begun: string[] = [];
      const job = (name: string) => async () => {
        begun.push(name);
        most = Math.max(most, ++running);
        await timers.setTimeout(1);
        running--;
        return name;
      };
      const results = [
        queue.add(job("a")),
        queue.add(job("b")),
        queue.add(job("late")),
        queue.add(job("urgent"), { priority: 1 }),
      ];
      const failed = queue.add(async () => {
        await timers.setTimeout(1);
        throw new Error("failed");
      });
      await assert.rejects(failed, /failed/);
      await queue.onIdle();
      assert.deepEqual(await Promise.all(results), ["a", "b", "late", "urgent"]);
      assert.deepEqual(begun, ["a", "b", "urgent", "late"]);
      assert.deepEqual([most, running, queue.size, queue.pending], [2, 0, 0, 0]);
    }),
  );

  test(
    "limits the rate, pauses, times out and aborts",
    everyWay(async () => {
      const limited = new PQueue({ interval: 10, intervalCap: 2 });
      const begun = performance.now();
      const times = await limited.addAll(Array.from({ length: 4 }, () => () => performance.now() - begun));
      assert.ok(times[1]! < times[2]! && times[2]! >= 9, times.join());
      const queue = new PQueue({ autoStart: false, timeout: 5 });
      const slow = queue.add(() => timers.setTimeout(60_000, undefined, { ref: false }));
      const controller = new AbortController();
      const aborted = queue.add(() => "never", { signal: controller.signal });
      controller.abort(new Error("not wanted"));
      queue.start();
      await Promise.all([assert.rejects(slow, { name: "TimeoutError" }), assert.rejects(aborted, /not wanted/)]);
      await queue.onIdle();
    }),
  );
});

describe("Effect under the await hook", () => {
  test(
    "fibers fork and join, with bounded concurrency",
    everyWay(async () => {
      const sum = Effect.gen(function* () {
        const fibers = [];
        for (const n of [1, 2, 3]) fibers.push(yield* Effect.forkChild(Effect.delay(Effect.succeed(n), n)));
        const joined = yield* Fiber.joinAll(fibers);
        const mapped = yield* Effect.forEach([4, 5, 6], (n) => Effect.promise(() => timers.setTimeout(1, n)), {
          concurrency: 2,
        });
        return [...joined, ...mapped];
      });
      assert.deepEqual(await Effect.runPromise(sum), [1, 2, 3, 4, 5, 6]);
    }),
  );

  test(
    "timeouts, retries and failures arrive as they are",
    everyWay(async () => {
      const slow = Effect.timeout(Effect.never, Duration.millis(5));
      const timedOut = await Effect.runPromiseExit(slow);
      assert.ok(Exit.isFailure(timedOut));
      assert.match(Cause.pretty(timedOut.cause), /TimeoutError/);
      let attempts = 0;
      const flaky = Effect.tryPromise(async () => {
        await Promise.resolve();
        if (++attempts < 3) throw new Error("not yet");
        return attempts;
      });
      assert.equal(await Effect.runPromise(Effect.retry(flaky, Schedule.spaced(Duration.millis(1)))), 3);
      await assert.rejects(Effect.runPromise(Effect.fail(new RangeError("wrong"))), RangeError);
    }),
  );

  test(
    "a fiber is interrupted, and its finalizers run first",
    everyWay(async () => {
      const seen: string[] = [];
      const interrupted = Effect.gen(function* () {
        const begun = yield* Deferred.make<void>();
        const work = Effect.ensuring(
          Effect.andThen(Deferred.succeed(begun, undefined), Effect.never),
          Effect.promise(async () => {
            await timers.setTimeout(1);
            seen.push("finalized");
          }),
        );
        const fiber = yield* Effect.forkChild(work);
        yield* Deferred.await(begun);
        yield* Fiber.interrupt(fiber);
        seen.push("interrupted");
        return yield* Fiber.await(fiber);
      });
      const exit = await Effect.runPromise(interrupted);
      assert.ok(Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause));
      assert.deepEqual(seen, ["finalized", "interrupted"]);
      const controller = new AbortController();
      const cut = Effect.runPromise(Effect.never, { signal: controller.signal });
      controller.abort();
      await assert.rejects(cut);
    }),
  );

  test(
    "a queue between fibers loses nothing",
    everyWay(async () => {
      const program = Effect.gen(function* () {
        const queue = yield* Queue.bounded<number>(2);
        const producer = yield* Effect.forkChild(
          Effect.forEach([1, 2, 3, 4, 5], (n) => Effect.andThen(Effect.yieldNow, Queue.offer(queue, n))),
        );
        const taken: number[] = [];
        while (taken.length < 5) taken.push(yield* Queue.take(queue));
        yield* Fiber.join(producer);
        return taken;
      });
      assert.deepEqual(await Effect.runPromise(program), [1, 2, 3, 4, 5]);
    }),
  );
});
