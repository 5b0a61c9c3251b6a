import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  CancelledError,
  checkpoint,
  currentTask,
  failAfter,
  moveOnAfter,
  sleep,
  sleepForever,
  suppressedErrors,
  withCancelScope,
  WorkCancelledError,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

test("B1a all() gives the values of an array in its order, whoever is ready first", async () => {
  await virtually(async () => {
    const slow = async () => (await sleep(20), "slow");
    const quick = async () => (await sleep(10), 2);
    assert.deepEqual(await all([slow, quick, () => null]), ["slow", 2, null]);
  });
});

test("B1a all() gives the values of a record under its keys, and those of any iterable as an array", async () => {
  assert.deepEqual(await all({ user: async () => "ada", posts: () => 3 }), { user: "ada", posts: 3 });
  const jobs = new Set([() => 1, async () => 2]);
  assert.deepEqual(await all(jobs), [1, 2]);
  function* lazily() {
    for (let number = 0; number < 3; number++) yield () => number;
  }
  assert.deepEqual(await all(lazily()), [0, 1, 2]);
});

test("B1a all() of nothing resolves", async () => {
  assert.deepEqual(await all([]), []);
  assert.deepEqual(await all({}), {});
  assert.deepEqual(await all([], { limit: 1 }), []);
});

test("B1a all() keeps a record's key that is also a name of Object.prototype", async () => {
  const jobs = { ["__proto__"]: () => 1, constructor: () => 2 };
  assert.deepEqual(Object.entries(await all(jobs)), [
    ["__proto__", 1],
    ["constructor", 2],
  ]);
});

for (const limit of [Infinity, 2]) {
  test(`B1a the first failure cancels the rest, and all(…, { limit: ${limit} }) rejects with it when they have ended`, async () => {
    await virtually(async () => {
      const error = new Error("first");
      const late = new Error("in cleanup");
      let cleaned = false;
      const failing = async () => {
        await sleep(10);
        throw error;
      };
      const other = async () => {
        try {
          await sleepForever();
        } finally {
          await sleep(100);
          cleaned = true;
          throw late;
        }
      };
      await assert.rejects(all([other, failing], { limit }), (thrown) => thrown === error);
      assert.ok(cleaned);
      assert.deepEqual(suppressedErrors(error), [late]);
    });
  });
}

test("B1a all() cancelled from outside cancels its functions and waits for them", async () => {
  await virtually(async () => {
    let cleaned = 0;
    const job = async () => {
      try {
        await sleepForever();
      } finally {
        await sleep(5);
        cleaned++;
      }
    };
    assert.equal(await moveOnAfter(10, () => all([job, job])), undefined);
    assert.equal(cleaned, 2);
  });
});

test("B1a all() in a cancelled scope calls none of its functions", async () => {
  await virtually(async () => {
    for (const options of [{}, { limit: 1 }]) {
      let called = false;
      await withCancelScope(async (scope) => {
        scope.cancel();
        await all([() => (called = true), () => (called = true)], options);
      });
      assert.equal(called, false);
    }
  });
});

test("B1a all() runs at most `limit` at a time, and starts them in order", async () => {
  await virtually(async () => {
    let running = 0;
    let most = 0;
    const started: number[] = [];
    const jobs = Array.from({ length: 7 }, (_, number) => async () => {
      started.push(number);
      most = Math.max(most, ++running);
      await sleep(7 - number);
      running--;
      return number;
    });
    assert.deepEqual(await all(jobs, { limit: 3 }), [0, 1, 2, 3, 4, 5, 6]);
    assert.equal(most, 3);
    assert.deepEqual(started, [0, 1, 2, 3, 4, 5, 6]);
  });
});

test("B1a after a failure all() with a limit starts nothing that was still in line", async () => {
  await virtually(async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const started: string[] = [];
    const jobs = [
      async () => {
        await sleep(10);
        setTimeout(resolve, 1);
        throw new Error("first");
      },
      // knows nothing of cancellation, and returns a value
      async () => await promise,
      () => started.push("third"),
    ];
    await assert.rejects(all(jobs, { limit: 2 }), /first/);
    assert.deepEqual(started, []);
  });
});

test("B1a a cancelled all() with a limit starts nothing more, even if a function swallows the cancellation", async () => {
  await virtually(async () => {
    const started: string[] = [];
    const stubborn = async () => {
      await sleepForever().catch(() => undefined);
    };
    await moveOnAfter(10, () => all([stubborn, () => started.push("second")], { limit: 1 }));
    assert.deepEqual(started, []);
  });
});

test("B1a all() has each function run as a child of its own, named as the function", async () => {
  await virtually(async () => {
    const path = async () => currentTask()!.path;
    assert.deepEqual(await all([path, () => currentTask()!.path]), ["main/path", "main/all[1]"]);
  });
});

test("B1a a value is not lost to a cancellation that comes when all have ended", async () => {
  await virtually(async () => {
    const value = await withCancelScope(async (scope) => {
      const value = await all([() => 1]);
      scope.cancel();
      return value;
    });
    assert.deepEqual(value, [1]);
  });
});

test("C3c all() is cut by its functions' first checkpoint, each of which sees the same error", async () => {
  await virtually(async () => {
    const seen: unknown[] = [];
    const job = async () => {
      try {
        await waitAllTasksBlocked();
        await checkpoint();
        await sleepForever();
      } catch (error) {
        seen.push(error);
        throw error;
      }
    };
    await moveOnAfter(5, () => all([job, job]));
    assert.equal(seen.length, 2);
    assert.ok(seen[0] instanceof CancelledError);
    assert.equal(seen[0], seen[1]);
  });
});

for (const limit of [1, 2, Infinity]) {
  test(`B1a a function that cancels itself ends all(…, { limit: ${limit} }), which rejects with WorkCancelledError`, async () => {
    await virtually(async () => {
      const seen: string[] = [];
      const jobs = [
        () => sleep(5),
        async () => {
          currentTask()!.cancel("by itself");
          await checkpoint();
        },
        () => sleepForever().finally(() => seen.push("another cancelled")),
      ];
      const error = await rejection(failAfter(1000, () => all(jobs, { limit })));
      assert.ok(error instanceof WorkCancelledError);
      assert.equal((error.cause as CancelledError).reason, "by itself");
      assert.deepEqual(seen, limit === Infinity ? ["another cancelled"] : []);
      await checkpoint();
    });
  });
}

test("all() rejects what are no functions, before it calls any", async () => {
  let called = false;
  const call = () => (called = true);
  const promise = Promise.resolve(1) as unknown as () => number;
  await assert.rejects(all([call, promise]), { name: "TypeError", message: /item 1 is a promise/ });
  await assert.rejects(all({ call, promise }), TypeError);
  for (const jobs of [undefined, null, 5, "text", call]) await assert.rejects(all(jobs as unknown as []), TypeError);
  for (const limit of [0, -1, 1.5, Number.NaN, "2" as unknown as number]) {
    await assert.rejects(all([call], { limit }), RangeError);
  }
  assert.equal(called, false);
});
