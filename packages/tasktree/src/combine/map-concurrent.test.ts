import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { collected } from "../../test/collected.ts";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  currentScope,
  currentTask,
  failAfter,
  mapConcurrent,
  moveOnAfter,
  outside,
  sleep,
  sleepForever,
  suppressedErrors,
  TaskLocal,
  withCancelScope,
  withTaskGroup,
  WorkCancelledError,
  type Task,
} from "../index.ts";
import { MemoryQueue, type Lease } from "../queues/index.ts";
import { dumpTree } from "../core/dump.ts";
import { here } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

/** The numbers from 0, noting how many were taken and whether the source was closed. */
function source(length = Infinity) {
  const seen = { taken: 0, closed: false };
  function* numbers() {
    try {
      while (seen.taken < length) yield seen.taken++;
    } finally {
      seen.closed = true;
    }
  }
  return { seen, numbers: numbers() };
}

test("B1e mapConcurrent() gives results in the order of the items, whoever is ready first", async () => {
  await virtually(async () => {
    const fn = async (ms: number, index: number) => (await sleep(ms), `${index}:${ms}`);
    assert.deepEqual(await collected(mapConcurrent([30, 10, 20, 5], fn, { limit: 3 })), [
      "0:30",
      "1:10",
      "2:20",
      "3:5",
    ]);
  });
});

test("B1e mapConcurrent() unordered gives results as they are ready", async () => {
  await virtually(async () => {
    const fn = async (ms: number) => (await sleep(ms), ms);
    assert.deepEqual(await collected(mapConcurrent([30, 10, 20], fn, { limit: 3, ordered: false })), [10, 20, 30]);
  });
});

test("B1e mapConcurrent() takes iterables, async iterables and synchronous functions; nothing gives nothing", async () => {
  const double = (n: number) => n * 2;
  assert.deepEqual(await collected(mapConcurrent(new Set([1, 2]), double, { limit: 1 })), [2, 4]);
  async function* slowly() {
    for (const n of [1, 2, 3]) {
      await null;
      yield n;
    }
  }
  for (const ordered of [true, false]) {
    assert.deepEqual(await collected(mapConcurrent(slowly(), double, { limit: Infinity, ordered })), [2, 4, 6]);
    assert.deepEqual(await collected(mapConcurrent([], double, { limit: 1, ordered })), []);
  }
});

for (const ordered of [true, false]) {
  test(`B1e mapConcurrent({ ordered: ${ordered} }) has at most \`limit\` in work`, async () => {
    await virtually(async () => {
      let running = 0;
      let most = 0;
      const fn = async (n: number) => {
        most = Math.max(most, ++running);
        await sleep((n * 7) % 5);
        running--;
      };
      await collected(mapConcurrent(Array(20).keys(), fn, { limit: 4, ordered }));
      assert.equal(most, 4);
    });
  });

  test(`B1e a slow consumer slows the source of mapConcurrent({ ordered: ${ordered} })`, async () => {
    await virtually(async () => {
      const { seen, numbers } = source(20);
      let got = 0;
      for await (const _ of mapConcurrent(numbers, (n) => n, { limit: 3, ordered })) {
        await sleep(100);
        got++;
        // in work or done and not taken: 3; and the one in our hands
        assert.ok(seen.taken <= got + 3, `took ${seen.taken} with ${got} done`);
      }
      assert.equal(got, 20);
    });
  });

  test(`B1e leaving the loop of mapConcurrent({ ordered: ${ordered} }) cancels and awaits the work, and closes the source`, async () => {
    for (const leave of ["break", "return", "throw"]) {
      await virtually(async () => {
        const { seen, numbers } = source();
        let begun = 0;
        let cleaned = 0;
        const fn = async (n: number) => {
          if (n === 0) return n;
          begun++;
          try {
            return await sleepForever();
          } finally {
            await sleep(50);
            cleaned++;
          }
        };
        const use = async () => {
          for await (const n of mapConcurrent(numbers, fn, { limit: 3, ordered })) {
            assert.equal(n, 0);
            await waitAllTasksBlocked();
            if (leave === "break") break;
            if (leave === "return") return;
            throw new Error("left");
          }
        };
        if (leave === "throw") await assert.rejects(use(), /left/);
        else await use();
        assert.ok(begun > 0);
        assert.equal(cleaned, begun);
        assert.ok(seen.closed);
      });
    }
  });

  test(`B1e the first failure comes out of the loop of mapConcurrent({ ordered: ${ordered} }) when all have ended`, async () => {
    await virtually(async () => {
      const error = new Error("item 2");
      const late = new Error("cleanup of item 1");
      const { seen, numbers } = source();
      const ended: number[] = [];
      const got: number[] = [];
      const fn = async (n: number) => {
        try {
          if (n === 0) return n;
          await sleep(n === 2 ? 10 : 1000);
          throw error;
        } finally {
          await sleep(5);
          ended.push(n);
          if (n === 1) throw late;
        }
      };
      const use = async () => {
        for await (const n of mapConcurrent(numbers, fn, { limit: 3, ordered })) got.push(n);
      };
      await assert.rejects(use(), (thrown) => thrown === error);
      assert.deepEqual(got, [0]);
      assert.deepEqual(
        ended.sort((a, b) => a - b),
        Array.from({ length: seen.taken }, (_, n) => n).slice(0, ended.length),
      );
      assert.ok(ended.length >= 3);
      assert.deepEqual(suppressedErrors(error), [late]);
      assert.ok(seen.closed);
    });
  });
}

test("B1e an error of the source comes out of the loop", async () => {
  await virtually(async () => {
    const error = new Error("source");
    function* numbers() {
      yield 1;
      throw error;
    }
    const got: number[] = [];
    const use = async () => {
      for await (const n of mapConcurrent(numbers(), (n) => n, { limit: 1 })) got.push(n);
    };
    await assert.rejects(use(), (thrown) => thrown === error);
    assert.deepEqual(got, [1]);
  });
});

test("B1e a failure of cleanup comes out of the loop that was left", async () => {
  await virtually(async () => {
    const error = new Error("cleanup");
    const fn = async (n: number) => {
      if (n === 0) return n;
      try {
        return await sleepForever();
      } finally {
        throw error;
      }
    };
    const use = async () => {
      for await (const _ of mapConcurrent([0, 1], fn, { limit: 2 })) {
        await waitAllTasksBlocked();
        break;
      }
    };
    await assert.rejects(use(), (thrown) => thrown === error);
  });
});

test("B1e mapConcurrent() is cancelled with the scope that called it, and has ended when that is left", async () => {
  await virtually(async () => {
    let cleaned = 0;
    const fn = async () => {
      try {
        await sleepForever();
      } finally {
        await sleep(5);
        cleaned++;
      }
    };
    const value = await moveOnAfter(10, () => collected(mapConcurrent([1, 2, 3], fn, { limit: 2 })));
    assert.equal(value, undefined);
    assert.equal(cleaned, 2);
  });
});

test("B1e work whose results nobody takes any more has ended when the scope that called mapConcurrent() is left", async () => {
  await virtually(async () => {
    let cleaned = false;
    await withCancelScope(async () => {
      const results = mapConcurrent(
        [1],
        async () => {
          try {
            await sleepForever();
          } finally {
            await sleep(5);
            cleaned = true;
          }
        },
        { limit: 1 },
      );
      void results.next().catch(() => undefined);
      await waitAllTasksBlocked();
    });
    assert.ok(cleaned);
  });
});

test("B1e mapConcurrent() belongs to the scope that called it, also where another task takes the results", async () => {
  await virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup(async (group) => {
      const results = mapConcurrent([1, 2], () => seen.push(currentTask()!.path), { limit: 1 });
      await group.spawn(() => collected(results), { name: "consumer" });
    });
    assert.equal(seen.length, 2);
    assert.ok(seen.every((path) => path.startsWith("main/mapConcurrent/")));
  });
});

test("B1e a loop that is cut while it waits for a result throws the cancellation", async () => {
  await virtually(async () => {
    let thrown: unknown;
    await moveOnAfter(10, async () => {
      try {
        for await (const _ of mapConcurrent([1], sleepForever, { limit: 1 })) assert.fail();
      } catch (error) {
        thrown = error;
        throw error;
      }
    });
    assert.ok(thrown instanceof CancelledError);
  });
});

for (const ordered of [true, false]) {
  test(`B1e an item that cancels itself ends the loop of mapConcurrent({ ordered: ${ordered} }) with WorkCancelledError`, async () => {
    await virtually(async () => {
      const { seen, numbers } = source(5);
      const got: number[] = [];
      let ended = false;
      const fn = async (n: number): Promise<number> => {
        if (n === 1) {
          await sleep(5);
          currentTask()!.cancel("by itself");
          await checkpoint();
        }
        if (n === 2) await sleepForever().finally(() => (ended = true));
        return n;
      };
      const loop = async (): Promise<void> => {
        for await (const n of mapConcurrent(numbers, fn, { limit: 3, ordered })) got.push(n);
      };
      const error = await rejection(failAfter(1000, loop));
      assert.ok(error instanceof WorkCancelledError);
      assert.equal((error.cause as CancelledError).reason, "by itself");
      assert.deepEqual([ended, seen.closed], [true, true]);
      assert.equal(got[0], 0);
      await checkpoint();
    });
  });
}

test("B1e mapConcurrent() leaves nothing behind on the scope that called it", async () => {
  await virtually(async () => {
    await collected(mapConcurrent([1, 2], (n) => n, { limit: 1 }));
    for await (const _ of mapConcurrent([1, 2], (n) => n, { limit: 1 })) break;
    const { children } = currentScope() as unknown as { children?: { size: number } };
    assert.equal(children?.size ?? 0, 0);
  });
});

test("B1e mapConcurrent() that is never iterated calls nothing and leaves nothing open", async () => {
  await virtually(async () => {
    let called = false;
    const results = mapConcurrent([1], () => (called = true), { limit: 1 });
    await waitAllTasksBlocked();
    const { children } = currentScope() as unknown as { children?: { size: number } };
    assert.equal(children?.size ?? 0, 0);
    await results.return();
    assert.deepEqual(await results.next(), { done: true, value: undefined });
    assert.equal(called, false);
  });
});

test("B1e mapConcurrent() begins in the scope that called it, also if the first step is taken elsewhere", async () => {
  await virtually(async () => {
    const results = mapConcurrent([1, 2], () => currentTask()!.path, { limit: 2 });
    await withTaskGroup(async (group) => {
      const [first] = await group.spawn(() => collected(results), { name: "consumer" });
      assert.match(first!, /^main\/mapConcurrent\//);
    });
    const gone = await withCancelScope(async (scope) => {
      const results = mapConcurrent([1], () => assert.fail("called"), { limit: 1 });
      scope.cancel();
      return await rejection(outside(() => collected(results)));
    });
    assert.ok(gone instanceof WorkCancelledError);
  });
});

test("B1e a step of mapConcurrent() is a checkpoint, also where a result is there", async () => {
  for (const ordered of [true, false]) {
    await virtually(async () => {
      const got: number[] = [];
      const value = await withCancelScope(async (scope) => {
        for await (const n of mapConcurrent([1, 2, 3], (n) => n, { limit: 3, ordered })) {
          got.push(n);
          scope.cancel();
        }
        return "not cut";
      });
      assert.equal(value, undefined);
      assert.deepEqual(got, [1]);
    });
  }
});

test("K6a each item of mapConcurrent() has a task of its own: cancelled when it has ended, it disturbs no other", async () => {
  await virtually(async () => {
    const tasks: Task[] = [];
    const fn = async (n: number) => {
      tasks.push(currentTask()!);
      await sleep(1);
      if (n > 0) tasks[n - 1]!.cancel();
      await sleep(1);
      return n;
    };
    assert.deepEqual(await collected(mapConcurrent([0, 1, 2], fn, { limit: 1 })), [0, 1, 2]);
    assert.equal(new Set(tasks).size, 3);
  });
});

test("B1e mapConcurrent() hands over items that are promises as they are", async () => {
  const items = [Promise.resolve(1), Promise.resolve(2)];
  assert.deepEqual(await collected(mapConcurrent(items, async (item) => 10 * (await item), { limit: 1 })), [10, 20]);
  assert.deepEqual(await collected(mapConcurrent(items, (item) => item instanceof Promise, { limit: 1 })), [
    true,
    true,
  ]);
});

test("X1a the functions of mapConcurrent() see the values that its caller sees", async () => {
  await virtually(async () => {
    const local = new TaskLocal({ default: "none" });
    const seen = await local.run("caller", () => collected(mapConcurrent([1, 2], () => local.get(), { limit: 1 })));
    assert.deepEqual(seen, ["caller", "caller"]);
  });
});

test("mapConcurrent() rejects what is not iterable, no function, and a limit that makes no sense, there and then", () => {
  const fn = (n: number) => n;
  assert.throws(() => mapConcurrent(5 as unknown as number[], fn, { limit: 1 }), TypeError);
  assert.throws(() => mapConcurrent(null as unknown as number[], fn, { limit: 1 }), TypeError);
  assert.throws(() => mapConcurrent([1], 5 as unknown as typeof fn, { limit: 1 }), TypeError);
  for (const limit of [0, -1, 1.5, Number.NaN]) assert.throws(() => mapConcurrent([1], fn, { limit }), RangeError);
  assert.throws(() => mapConcurrent([1], fn, undefined as unknown as { limit: number }), RangeError);
  for (const options of [null, 5, "text"]) assert.throws(() => mapConcurrent([1], fn, options as never), TypeError);
  for (const ordered of [null, "no", 0]) {
    assert.throws(() => mapConcurrent([1], fn, { limit: 1, ordered } as never), TypeError);
  }
});

test("B1e a mapConcurrent() over a queue that is left at once gives back the lease that came in that step", async () => {
  await virtually(async () => {
    for (const steps of [1, 2, 3, 4]) {
      const queue = new MemoryQueue<number>();
      for (let item = 0; item < 9; item++) queue.tryPut(item);
      let left = steps;
      const work = async (lease: Lease<number>): Promise<void> => {
        await using _lease = lease;
        await lease.ack();
      };
      for await (const _ of mapConcurrent(queue, work, { limit: 2 })) if (--left === 0) break;
      const { ready, leased, done } = queue.statistics();
      assert.deepEqual({ leased, all: ready + done }, { leased: 0, all: 9 });
    }
  });
});

test("B1e what mapConcurrent() has taken in the step that cancels it is disposed of", async () => {
  await virtually(async () => {
    let disposed = 0;
    const item = { [Symbol.dispose]: () => void disposed++ };
    await withCancelScope(async (scope) => {
      async function* items() {
        await sleep(5);
        scope.cancel();
        yield item;
      }
      await collected(mapConcurrent(items(), () => assert.fail("called"), { limit: 2 }));
    });
    assert.equal(disposed, 1);
  });
});

test("B1e the failure of a function stays the error where the source's return() throws too", async () => {
  await virtually(async () => {
    const [failure, closing] = [new Error("failure"), new Error("closing")];
    const items: Iterable<number> = {
      [Symbol.iterator]: () => ({
        next: () => ({ done: false, value: 1 }),
        return() {
          throw closing;
        },
      }),
    };
    const error = await rejection(collected(mapConcurrent(items, () => Promise.reject(failure), { limit: 1 })));
    assert.equal(error, failure);
    assert.deepEqual(suppressedErrors(error), [closing]);
  });
});

test("B1e a mapConcurrent() made in a scope that was cancelled and has ended throws that scope's error", async () => {
  await virtually(async () => {
    let results!: AsyncIterable<number>;
    await withCancelScope(async (scope) => {
      results = mapConcurrent([1], (item) => item, { limit: 1 });
      scope.cancel();
    });
    await assert.rejects(collected(results), CancelledError);
  });
});

async function* slowly<T>(items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) {
    await null;
    yield item;
  }
}

test("R3b the tasks of a mapConcurrent() tell that they wait for room, and who takes the results that he waits for one", async () => {
  await virtually(async () => {
    const full = mapConcurrent(slowly([1, 2]), (n) => n, { limit: 1 });
    await full.next();
    const empty = mapConcurrent([1], sleepForever, { limit: 1 });
    await withTaskGroup(async (group) => {
      const consumer = group.spawn(() => empty.next(), { name: "consumer" });
      await waitAllTasksBlocked();
      const dump = dumpTree(here().root);
      assert.match(dump, /^ *items waits for room for another item of mapConcurrent$/m);
      assert.match(dump, /^ *consumer waits for a result of mapConcurrent/m);
      consumer.cancel();
    });
    await full.return();
  });
});

test("B1e a function of mapConcurrent() over an async source that fails, or is cancelled by itself, ends it all", async () => {
  await virtually(async () => {
    const failure = new Error("failure");
    const fails = (n: number) => (n === 2 ? Promise.reject(failure) : n);
    assert.equal(await rejection(collected(mapConcurrent(slowly([1, 2, 3]), fails, { limit: 1 }))), failure);
    const cut = async (n: number) => {
      if (n === 2) currentTask()!.cancel("by itself");
      await sleep(1);
      return n;
    };
    const error = await rejection(collected(mapConcurrent(slowly([1, 2, 3]), cut, { limit: 1 })));
    assert.ok(error instanceof WorkCancelledError);
    assert.ok(error.cause instanceof CancelledError);
    assert.equal(error.cause.reason, "by itself");
  });
});

test("B1e the iterator of mapConcurrent() ends its work when it is thrown into, and when it is disposed of", async () => {
  await virtually(async () => {
    for (const how of ["throw", "dispose"] as const) {
      const { seen, numbers } = source();
      let cleaned = 0;
      const results = mapConcurrent(numbers, (n) => (n === 0 ? n : sleepForever().finally(() => cleaned++)), {
        limit: 2,
      });
      assert.deepEqual(await results.next(), { done: false, value: 0 });
      await waitAllTasksBlocked();
      const error = new Error("thrown into it");
      if (how === "throw") assert.equal(await rejection(results.throw(error)), error);
      else await results[Symbol.asyncDispose]();
      assert.ok(cleaned > 0);
      assert.ok(seen.closed);
      assert.deepEqual(await results.next(), { done: true, value: undefined });
    }
  });
});

test("B1e steps of mapConcurrent() that are asked for at once come one after the other, as a generator's", async () => {
  await virtually(async () => {
    const results = mapConcurrent([30, 10], async (ms) => (await sleep(ms), ms), { limit: 2 });
    const steps = await Promise.all([results.next(), results.next(), results.next()]);
    assert.deepEqual(
      steps.map(({ value }) => value),
      [30, 10, undefined],
    );
  });
});
