/** Steps that wait, are refused, or are asked for at once: as those of an async generator. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { collected } from "../../test/collected.ts";
import { randomFrom } from "../../test/random.ts";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  allSettled,
  any,
  asCompleted,
  CancelledError,
  checkpoint,
  currentScope,
  isCancelled,
  mapConcurrent,
  now,
  sleep,
  sleepForever,
  withCancelScope,
} from "../index.ts";
import { WaitList } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

/** What is left open in the scope around. */
function openHere(): number {
  return (currentScope() as unknown as { children?: { size: number } }).children?.size ?? 0;
}

for (const ordered of [true, false]) {
  test(`B1e when a step of mapConcurrent({ ordered: ${ordered} }) was refused or cut, the work has ended, and the next step gives done`, async () => {
    const ways = {
      "a result is ready": { items: [0, 1, 2], cancelDuring: false },
      "none is ready": { items: [0, -1, 2], cancelDuring: false },
      "it waits for one": { items: [0, -1, 2], cancelDuring: true },
    };
    for (const [way, { items, cancelDuring }] of Object.entries(ways)) {
      await virtually(async () => {
        let ended = 0;
        const fn = async (item: number): Promise<number> => {
          if (item >= 0 && item < 2) return item;
          return await sleepForever().finally(() => ended++);
        };
        await withCancelScope(async (scope) => {
          const results = mapConcurrent(items, fn, { limit: 3, ordered });
          assert.deepEqual(await results.next(), { done: false, value: 0 }, way);
          if (way !== "a result is ready" && !ordered) await sleep(1);
          if (cancelDuring) void sleep(1).then(() => scope.cancel());
          else scope.cancel();
          const error = await rejection(results.next());
          assert.ok(error instanceof CancelledError, way);
          assert.equal(ended, items.filter((item) => item < 0 || item === 2).length, way);
          assert.equal(openHere(), 0, way);
          for (let again = 0; again < 2; again++) {
            const after: unknown = await results.next().catch((late: unknown) => late); // the scope would absorb it
            assert.deepEqual(after, { done: true, value: undefined }, way);
          }
          throw error;
        });
      });
    }
  });
}

/** As `mapConcurrent` of two items would be with a generator of the language's. */
async function* plainly<T>(first: T, promise: Promise<T>): AsyncGenerator<T> {
  yield first;
  const line = new WaitList<T>({ describe: () => "the item" });
  void promise.then((value) => line.wake(value));
  const value = await line.wait();
  await checkpoint();
  yield value;
}

test("B1e a cancellation between the wake of a step and its going on is delivered there; one that comes after leaves it its result", async () => {
  for (const [hops, wanted] of [
    [0, ["cancelled"]],
    [6, ["value", "cancelled"]],
  ] as const) {
    const makers = {
      plainly,
      ordered: (first: string, promise: Promise<string>) =>
        mapConcurrent([first, promise], (item) => item, { limit: 9 }),
      alone: (first: string, promise: Promise<string>) =>
        mapConcurrent([first, promise], (item) => item, { limit: Infinity }),
      unordered: (first: string, promise: Promise<string>) => asCompleted([() => first, () => promise]),
    };
    for (const [name, make] of Object.entries(makers)) {
      await virtually(async () => {
        const item = Promise.withResolvers<string>();
        const got: string[] = [];
        await withCancelScope(async (scope) => {
          const results = make("first", item.promise);
          assert.deepEqual(await results.next(), { done: false, value: "first" });
          const steps = (async (): Promise<void> => {
            for (;;) {
              const step = await results.next();
              if (step.done === true) return;
              got.push(step.value);
            }
          })();
          await waitAllTasksBlocked();
          let cancelling: Promise<unknown> = item.promise; // after whoever waits for it already
          for (let hop = 0; hop < hops; hop++) cancelling = cancelling.then(() => undefined);
          void cancelling.then(() => scope.cancel());
          item.resolve("value");
          const error = await rejection(steps.then(sleepForever));
          assert.ok(isCancelled(error));
          got.push("cancelled");
          const after: unknown = await results.next().catch((late: unknown) => late); // the scope would absorb it
          assert.deepEqual(after, { done: true, value: undefined });
        });
        assert.deepEqual(got, wanted, `${name}, ${hops} hops`);
      });
    }
  }
});

test("B1e steps that several take from one mapConcurrent() settle in the order they were asked for, and give each result once", async () => {
  for (let seed = 1; seed <= 2000; seed++) {
    const random = randomFrom(seed);
    const [size, takers, limit] = [random(14), 1 + random(4), 1 + random(6)];
    const asked: number[] = [];
    const got: number[] = [];
    const settled: number[] = [];
    await virtually(async () => {
      const work = async (item: number): Promise<number> => {
        for (let hop = random(4); hop > 0; hop--) await null;
        if (random(3) === 0) await sleep(random(2));
        return item;
      };
      const results = mapConcurrent(Array(size).keys(), work, { limit });
      const take = async (): Promise<void> => {
        for (;;) {
          const place = asked.push(asked.length) - 1;
          const step = await results.next();
          settled.push(place);
          if (step.done === true) return;
          got.push(step.value);
          for (let hop = random(5); hop > 0; hop--) await null;
        }
      };
      await Promise.all(Array.from({ length: takers }, take));
    });
    assert.deepEqual(got, [...Array(size).keys()], `seed ${seed}`);
    assert.deepEqual(settled, asked, `seed ${seed}`);
  }
});

test("B1e return() and throw() of mapConcurrent() stand in line with the steps, as a generator's", async () => {
  async function* generator(): AsyncGenerator<number> {
    for (const item of [0, 1, 2]) yield ((await sleep(item === 0 ? 5 : 0), item));
  }
  const ours = () => mapConcurrent([0, 1, 2], async (item) => (await sleep(item === 0 ? 5 : 0), item), { limit: 3 });
  for (const make of [generator, ours]) {
    await virtually(async () => {
      const log: unknown[] = [];
      const tell = (what: string, step: Promise<IteratorResult<unknown, unknown>>): Promise<unknown> =>
        step.then(
          ({ done, value }) => log.push([what, done, value]),
          (error: unknown) => log.push([what, error]),
        );
      const results = make() as AsyncGenerator<number, unknown>;
      const value = sleep(20).then(() => "returned");
      const settled = [tell("first", results.next()), tell("second", results.next())];
      settled.push(tell("return", results.return(value)), tell("after", results.next()));
      await sleep(10);
      settled.push(tell("late", results.next()), tell("throw", results.throw("thrown")));
      await Promise.all(settled);
      assert.deepEqual(log, [
        ["first", false, 0],
        ["second", false, 1],
        ["return", true, "returned"],
        ["after", true, undefined],
        ["late", true, undefined],
        ["throw", "thrown"],
      ]);
    });
  }
});

test("B1e a failure comes out of the step that waits for it, when the rest has ended; those asked for with it give done", () =>
  virtually(async () => {
    const failure = new Error("on purpose");
    const ended: string[] = [];
    const fn = async (item: number): Promise<number> => {
      await sleep(5);
      if (item === 0) throw failure;
      try {
        return await sleepForever();
      } finally {
        await sleep(5);
        ended.push("other");
      }
    };
    const results = mapConcurrent([0, 1], fn, { limit: 2 });
    const steps = [results.next(), results.next(), results.next()];
    assert.equal(await rejection(steps[0]!), failure);
    assert.deepEqual([ended, now()], [["other"], 10]);
    assert.deepEqual(
      await Promise.all(steps.slice(1)),
      [1, 2].map(() => ({ done: true, value: undefined })),
    );
    assert.equal(openHere(), 0);
  }));

test("K9b a step that nobody awaits is not reported for a cancellation, whether it waits, is refused, or stands in line", async () => {
  const reported: unknown[] = [];
  const note = (error: unknown): void => void reported.push(error);
  process.on("unhandledRejection", note);
  try {
    await virtually(async () => {
      for (const steps of [1, 3]) {
        for (const items of [[0, 1, 2], [0]]) {
          for (const when of ["before", "after"]) {
            await withCancelScope(async (scope) => {
              const fn = (item: number) => (item === 0 ? 0 : sleepForever());
              const results = mapConcurrent(items, fn, { limit: 3 });
              await results.next();
              if (when === "before") scope.cancel();
              for (let step = 0; step < steps; step++) void results.next();
              if (when === "after") scope.cancel();
              await checkpoint();
            });
          }
        }
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
  } finally {
    process.off("unhandledRejection", note);
  }
  assert.deepEqual(reported, []);
});

test("B1e an async source is not read on by a mapConcurrent() that one of its functions has had cancelled, nor waited for", () =>
  virtually(async () => {
    for (const limit of [1, 2]) {
      let taken = 0;
      async function* items(): AsyncGenerator<number> {
        for (;;) yield taken++;
      }
      await withCancelScope(async (scope) => {
        const cancel = (item: number): void => {
          if (item === limit - 1) scope.cancel();
        };
        await collected(mapConcurrent(items(), cancel, { limit }));
      });
      assert.deepEqual([taken, now()], [limit, 0]);
    }
  }));

test("B1f any() and allSettled() with a limit are over when one of their functions has had them cancelled, at once", () =>
  virtually(async () => {
    for (const combine of [any, allSettled]) {
      const called: string[] = [];
      await withCancelScope(async (scope) => {
        const cancel = (): void => {
          called.push("first");
          scope.cancel();
          throw new Error("after the cancellation");
        };
        await combine([cancel, () => called.push("second")], { limit: 1 });
      }).catch((error: unknown) => assert.match(String(error), /after the cancellation/));
      assert.deepEqual([called, now()], [["first"], 0]);
    }
  }));

test("B1a what a function of all() throws at once fails it when the others have begun; they are cancelled", () =>
  virtually(async () => {
    const failure = new Error("at once");
    for (const limit of [3, Infinity]) {
      const log: string[] = [];
      const other = async (): Promise<void> => {
        log.push("begun");
        await sleepForever().finally(() => log.push("ended"));
      };
      const fail = (): never => {
        throw failure;
      };
      assert.equal(await rejection(all([other, fail, other], { limit })), failure);
      assert.deepEqual(log, ["begun", "begun", "ended", "ended"], `${limit} at a time`);
    }
  }));
