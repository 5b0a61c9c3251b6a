import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  allSettled,
  CancelledError,
  currentScope,
  currentTask,
  isCancelled,
  moveOnAfter,
  now,
  run,
  sleep,
  sleepForever,
  suppressedErrors,
  WorkCancelledError,
  withCancelScope,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

const fulfilled = (value: unknown) => ({ status: "fulfilled", value });
const rejected = (reason: unknown) => ({ status: "rejected", reason });

function failing(reason: unknown, ms = 0): () => Promise<never> {
  return async () => {
    await sleep(ms);
    throw reason;
  };
}

test("B1f allSettled() tells how each has ended, in list order, and waits for all of them", async () => {
  await virtually(async () => {
    const slow = async () => (await sleep(20), "slow");
    const error = new Error("quick");
    const thrower = () => {
      throw error;
    };
    assert.deepEqual(await allSettled([slow, failing(error, 10), () => 3, thrower, failing(undefined)]), [
      fulfilled("slow"),
      rejected(error),
      fulfilled(3),
      rejected(error),
      rejected(undefined),
    ]);
    assert.equal(now(), 20);
  });
});

test("B1f allSettled() gives a record under its keys, and any iterable as an array; nothing gives nothing", async () => {
  const error = new Error("posts");
  assert.deepEqual(await allSettled({ user: () => "ada", posts: failing(error), ["__proto__"]: () => 1 }), {
    user: fulfilled("ada"),
    posts: rejected(error),
    ["__proto__"]: fulfilled(1),
  });
  assert.deepEqual(await allSettled(new Set([() => 1])), [fulfilled(1)]);
  assert.deepEqual(await allSettled([]), []);
  assert.deepEqual(await allSettled({}), {});
  assert.deepEqual(await allSettled([], { limit: 1 }), []);
});

for (const limit of [Infinity, 1]) {
  test(`B1f allSettled(…, { limit: ${limit} }): what was cancelled by itself is rejected with a WorkCancelledError`, async () => {
    await virtually(async () => {
      const cut = async () => {
        currentTask()!.cancel("enough");
        await sleepForever();
      };
      const stubborn = async () => {
        currentTask()!.cancel();
        return "all the same";
      };
      const failed = new Error("cleanup");
      const failingCleanup = async () => {
        try {
          await cut();
        } finally {
          throw failed;
        }
      };
      const [first, ...others] = await allSettled([cut, stubborn, failingCleanup, () => "last"], { limit });
      assert.equal(first.status, "rejected");
      assert.ok(first.reason instanceof WorkCancelledError);
      assert.ok(first.reason.cause instanceof CancelledError);
      assert.match(first.reason.message, /main\/cut/);
      assert.deepEqual(others, [fulfilled("all the same"), rejected(failed), fulfilled("last")]);
    });
  });

  test(`B1f allSettled(…, { limit: ${limit} }) cancelled from outside cancels all, waits for them, and rejects`, async () => {
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
      const before = failing(new Error("before the cancellation"));
      await withCancelScope(async (scope) => {
        setTimeout(() => scope.cancel(), 10);
        const error = await rejection(allSettled([before, () => 1, job, job], { limit }));
        assert.ok(isCancelled(error));
        assert.deepEqual(suppressedErrors(error), []);
      });
      assert.equal(cleaned, limit === 1 ? 1 : 2);
    });
  });
}

test("B1f what fails while allSettled() is being cancelled has no entry to be in: the call rejects with it", async () => {
  await virtually(async () => {
    const [one, two] = [new Error("one"), new Error("two")];
    const job = (error: Error) => async () => {
      try {
        await sleepForever();
      } finally {
        throw error;
      }
    };
    const left = await rejection(moveOnAfter(10, () => allSettled([failing(new Error("before")), job(one), job(two)])));
    assert.equal(left, one);
    assert.deepEqual(suppressedErrors(left), [two]);
  });
});

test("B1f allSettled() in a cancelled scope calls none of its functions", async () => {
  await virtually(async () => {
    for (const options of [{}, { limit: 1 }]) {
      let called = false;
      await withCancelScope(async (scope) => {
        scope.cancel();
        await allSettled([() => (called = true), () => (called = true)], options);
      });
      assert.equal(called, false);
    }
  });
});

test("B1f what allSettled() gives is not lost to a cancellation that comes when all have ended", async () => {
  await virtually(async () => {
    const value = await withCancelScope(async (scope) => {
      const value = await allSettled([() => 1]);
      scope.cancel();
      return value;
    });
    assert.deepEqual(value, [fulfilled(1)]);
  });
});

test("B1f allSettled() runs at most `limit` at a time, in order; whoever ends, however, makes room", async () => {
  await virtually(async () => {
    let running = 0;
    let most = 0;
    const started: number[] = [];
    const jobs = Array.from({ length: 9 }, (_, number) => async () => {
      started.push(number);
      most = Math.max(most, ++running);
      try {
        await sleep(9 - number);
        if (number % 3 === 1) throw new Error(`${number}`);
        if (number % 3 === 2) currentTask()!.cancel();
        await sleep(1);
        return number;
      } finally {
        running--;
      }
    });
    const entries = await allSettled(jobs, { limit: 3 });
    assert.equal(most, 3);
    assert.deepEqual(started, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert.deepEqual(
      entries.map(({ status }) => status),
      [0, 1, 2].flatMap(() => ["fulfilled", "rejected", "rejected"]),
    );
  });
});

test("B1f allSettled() has every entry, also where functions keep others from their turn", async () => {
  const busy = async () => {
    await sleep(1);
    for (const end = performance.now() + 3; performance.now() < end;);
    return 1;
  };
  // Many: whether a turn is over is not asked of the clock each time.
  const jobs = Array<typeof busy>(20).fill(busy);
  const wanted = jobs.map(() => fulfilled(1));
  await run(async () => assert.deepEqual(await allSettled(jobs), wanted), { host: false });
});

type Combine = (jobs: unknown, options?: unknown) => Promise<unknown>;

for (const [what, combine] of [
  ["all", all as Combine],
  ["allSettled", allSettled as Combine],
] as const) {
  test(`B1a B1f ${what}() reads an async iterable only as there is room`, async () => {
    await virtually(async () => {
      let taken = 0;
      let ended = 0;
      async function* source() {
        while (taken < 6) {
          const number = taken++;
          assert.ok(taken <= ended + 2, `took ${taken} with ${ended} ended`);
          yield async () => (await sleep(10 - number), ended++, number);
        }
      }
      const values = [0, 1, 2, 3, 4, 5];
      const got = await combine(source(), { limit: 2 });
      assert.deepEqual(got, what === "all" ? values : values.map(fulfilled));
    });
  });

  test(`B1a B1f ${what}() that is cancelled or fails closes its async source; the source's error comes out`, async () => {
    await virtually(async () => {
      const log: string[] = [];
      async function* source(last: () => unknown) {
        try {
          yield () => 1;
          yield last as () => Promise<unknown>;
          throw new Error("source");
        } finally {
          await sleep(5);
          log.push("closed");
        }
      }
      await moveOnAfter(10, () => combine(source(sleepForever), { limit: 1 }));
      assert.deepEqual(log, ["closed"]);
      const noFunction = await rejection(combine(source(5 as never), { limit: 1 }));
      assert.ok(noFunction instanceof TypeError);
      assert.match(noFunction.message, /item 1 is 5, wanted a function/);
      await assert.rejects(combine(source(() => 2)), /source/);
      assert.deepEqual(log, ["closed", "closed", "closed"]);
    });
  });

  test(`${what}() rejects what is no record, no iterable, no function and no option, before it calls any`, async () => {
    let called = false;
    const call = () => (called = true);
    const promise = Promise.resolve(1);
    await assert.rejects(combine([call, promise]), { name: "TypeError", message: /item 1 is a promise/ });
    await assert.rejects(combine({ call, promise }), { name: "TypeError", message: /item "promise" is a promise/ });
    await assert.rejects(combine(promise), {
      name: "TypeError",
      message: `Cannot run ${what} of a promise: wanted an iterable or a record of functions`,
    });
    for (const jobs of [undefined, null, 5, "text", call]) await assert.rejects(combine(jobs), TypeError);
    for (const limit of [0, -1, 1.5, Number.NaN, "2", null])
      await assert.rejects(combine([call], { limit }), RangeError);
    await assert.rejects(combine([call], null), {
      name: "TypeError",
      message: `Cannot run ${what} with null: wanted an object with options`,
    });
    await assert.rejects(combine([call], 5), TypeError);
    assert.equal(called, false);
  });

  test(`K6a ${what}() has each function run as a task of its own, also with a limit`, async () => {
    await virtually(async () => {
      const seen: string[] = [];
      const path = () => seen.push(currentTask()!.path);
      for (const limit of [Infinity, 1]) await combine([path, () => path()], { limit });
      assert.deepEqual(seen, ["main/path", `main/${what}[1]`, "main/path", `main/${what}[1]`]);
    });
  });

  test(`K9b ${what}() that nobody awaits reports no cancellation`, async () => {
    await virtually(async () => {
      await withCancelScope(async (scope) => {
        void combine([sleepForever, sleepForever], { limit: 1 });
        void combine([sleepForever, sleepForever]);
        await waitAllTasksBlocked();
        scope.cancel();
      });
      const { children } = currentScope() as unknown as { children?: { size: number } };
      assert.equal(children?.size ?? 0, 0);
    });
  });
}
