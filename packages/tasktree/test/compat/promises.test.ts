import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { describe, test, type TestContext } from "node:test";
import timers from "node:timers/promises";
import { types } from "node:util";
import { explore } from "../../src/testing/index.ts";
import { everyWay } from "./every-way.ts";

class Mine<T> extends Promise<T> {
  readonly #mark = "mine";

  get mark(): string {
    return this.#mark;
  }
}

async function* countTo(end: number, seen: string[]): AsyncGenerator<number, string, string | undefined> {
  try {
    for (let n = 1; n <= end; n++) {
      const sent = yield n;
      if (sent !== undefined) seen.push(sent);
    }
    return "end";
  } finally {
    await Promise.resolve();
    seen.push("closed");
  }
}

async function* countAndEnd(end: number, seen: string[]): AsyncGenerator<number | string> {
  yield yield* countTo(end, seen);
}

async function fails(message: string): Promise<never> {
  await Promise.resolve();
  throw new Error(message);
}

describe("promises under the await hook", () => {
  test(
    "all, any, race and allSettled give what they should",
    everyWay(async () => {
      const later = (ms: number) => timers.setTimeout(ms, ms);
      assert.deepEqual(await Promise.all([later(3), 2, later(1), Promise.resolve(0)]), [3, 2, 1, 0]);
      assert.equal(await Promise.race([later(30), later(1)]), 1);
      assert.equal(await Promise.any([fails("a"), later(1)]), 1);
      const { errors } = (await Promise.any([fails("a"), fails("b")]).catch(
        (error: unknown) => error,
      )) as AggregateError;
      assert.deepEqual(
        errors.map(({ message }: Error) => message),
        ["a", "b"],
      );
      const [fine, failed] = await Promise.allSettled([later(1), fails("c")]);
      assert.deepEqual(fine, { status: "fulfilled", value: 1 });
      assert.equal(((failed as PromiseRejectedResult).reason as Error).message, "c");
      await assert.rejects(Promise.all([later(1), fails("d")]), /d/);
    }),
  );

  test(
    "withResolvers, try, finally and catch do what they should",
    everyWay(async () => {
      const { promise, resolve } = Promise.withResolvers<number>();
      queueMicrotask(() => resolve(7));
      assert.equal(await promise, 7);
      assert.equal(await Promise.try((a: number, b: number) => a + b, 1, 2), 3);
      await assert.rejects(
        Promise.try(() => {
          throw new TypeError("at once");
        }),
        TypeError,
      );
      let cleaned = 0;
      const clean: () => unknown = async () => {
        await Promise.resolve();
        cleaned++;
      };
      assert.equal(await Promise.resolve(1).finally(clean), 1);
      assert.equal(await fails("x").catch(({ message }: Error) => message), "x");
      await assert.rejects(
        fails("y").finally(() => cleaned++),
        /y/,
      );
      assert.equal(cleaned, 2);
    }),
  );

  test(
    "promises stay what they look like",
    everyWay(async () => {
      const promise = (async () => 1)();
      assert.ok(promise instanceof Promise && types.isPromise(promise));
      assert.equal(Object.prototype.toString.call(promise), "[object Promise]");
      assert.equal(promise.constructor.name, "Promise");
      assert.ok(promise.then(() => {}) instanceof Promise);
      assert.equal(Promise.resolve(promise.then((n) => n)) instanceof Promise, true);
      assert.equal(await structuredClone({ n: await promise }).n, 1);
      assert.deepEqual(Object.keys(promise), []);
    }),
  );

  test(
    "subclasses of Promise keep their class through then, and can be awaited",
    everyWay(async () => {
      const mine = new Mine<number>((resolve) => setImmediate(resolve, 5));
      assert.equal(await mine, 5);
      const next = mine.then((n) => n + 1);
      assert.ok(next instanceof Mine);
      assert.equal(next.mark, "mine");
      assert.equal(await next.finally(() => {}), 6);
      assert.equal(await Mine.all([mine, next, 1]).then((all) => all.length), 3);
      await assert.rejects(Mine.reject(new Error("no")), /no/);
    }),
  );

  test(
    "thenables are called once, and can resolve, reject and throw",
    everyWay(async () => {
      let calls = 0;
      const thenable = (settle: (resolve: (n: number) => void, reject: (error: Error) => void) => void) => ({
        then(resolve: (n: number) => void, reject: (error: Error) => void) {
          calls++;
          settle(resolve, reject);
        },
      });
      assert.equal(await thenable((resolve) => resolve(1)), 1);
      assert.equal(await (async () => thenable((resolve) => setImmediate(resolve, 2)))(), 2);
      const rejected = async () => await thenable((_resolve, reject) => reject(new Error("no")));
      await assert.rejects(rejected(), /no/);
      const thrown = async () =>
        await thenable(() => {
          throw new Error("thrown");
        });
      await assert.rejects(thrown(), /thrown/);
      assert.equal(calls, 4);
      const chained = Promise.resolve(thenable((resolve) => resolve(3)));
      assert.deepEqual(await Promise.all([chained, thenable((resolve) => resolve(4))]), [3, 4]);
    }),
  );

  test(
    "async generators: values sent in, early ends, errors thrown in, delegation",
    everyWay(async () => {
      const seen: string[] = [];
      const counting = countTo(3, seen);
      assert.deepEqual(await counting.next(), { value: 1, done: false });
      assert.deepEqual(await counting.next("sent"), { value: 2, done: false });
      assert.deepEqual(await counting.return("early"), { value: "early", done: true });
      for await (const n of countTo(9, seen)) if (n === 2) break;
      const delegated: unknown[] = [];
      for await (const n of countAndEnd(2, seen)) delegated.push(n);
      assert.deepEqual(delegated, [1, 2, "end"]);
      const broken = countTo(3, seen);
      await broken.next();
      await assert.rejects(broken.throw(new Error("thrown in")), /thrown in/);
      assert.deepEqual(seen, ["sent", "closed", "closed", "closed", "closed"]);
      // Calls that nobody waits between stand in line.
      const three = countTo(2, []);
      const results = await Promise.all([three.next(), three.next(), three.next()]);
      assert.deepEqual(
        results.map(({ value }) => value),
        [1, 2, "end"],
      );
    }),
  );

  test(
    "an AsyncLocalStorage of somebody else has its value right after each await",
    everyWay(async () => {
      const store = new AsyncLocalStorage<string>();
      const work = (name: string) =>
        store.run(name, async () => {
          const places: string[] = [];
          const note = () => places.push(store.getStore()!);
          await Promise.resolve();
          note();
          await timers.setTimeout(1);
          note();
          await null;
          note();
          await fails("x").catch(note);
          note();
          for await (const _n of countTo(2, [])) note();
          await Promise.all([Promise.resolve().then(note), new Promise<void>((resolve) => setImmediate(resolve))]);
          note();
          store.enterWith(`${name}!`);
          await Promise.resolve();
          note();
          return places;
        });
      for (const [name, places] of Object.entries({ a: await work("a"), b: await work("b") })) {
        assert.deepEqual(places, [...Array.from({ length: 9 }, () => name), `${name}!`]);
      }
      const both = await Promise.all(["c", "d"].map(work));
      assert.deepEqual(
        both.map((places) => new Set(places)),
        [new Set(["c", "c!"]), new Set(["d", "d!"])],
      );
      assert.equal(store.getStore(), undefined);
    }),
  );

  test("node:test goes on with its own tests while an exploration runs", async (t: TestContext) => {
    let ended = 0;
    const program = () => Promise.all([timers.setTimeout(1), timers.setTimeout(1), timers.setTimeout(1)]);
    const exploring = explore(program, { schedules: 200 }).then(() => assert.equal(ended, 3));
    for (const name of ["first", "second", "third"]) {
      await t.test(name, async () => {
        await Promise.resolve();
        ended++;
      });
    }
    await exploring;
  });
});
