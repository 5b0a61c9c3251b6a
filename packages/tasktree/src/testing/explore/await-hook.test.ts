import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { run } from "../../index.ts";
import { afterMicrotasks, installAwaitHook } from "./await-hook.ts";

/** How often the hook was called while `fn` ran in a task. */
async function seen(fn: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const uninstall = installAwaitHook(() => {
    count++;
    return undefined;
  });
  try {
    await run(fn, { host: false });
  } finally {
    uninstall();
  }
  return count;
}

const base = await seen(async () => undefined);

describe("the await hook", () => {
  it("sees every await of a native promise: in async functions, generators, loops and disposals", async () => {
    const more = async (fn: () => Promise<unknown>) => (await seen(fn)) - base;
    assert.equal(await more(async () => await Promise.resolve(1)), 1);
    assert.equal(
      await more(async () => {
        await null;
        await 5;
      }),
      0,
    );
    async function* two(): AsyncGenerator<number> {
      yield 1;
      yield 2;
    }
    const loop = async (): Promise<void> => {
      for await (const n of two()) assert.ok(n > 0);
    };
    assert.ok((await more(loop)) >= 3);
    assert.ok(
      (await more(async () => {
        await using _x = { [Symbol.asyncDispose]: () => Promise.resolve() };
      })) >= 1,
    );
    assert.ok((await more(async () => await Promise.all([Promise.resolve(1), Promise.resolve(2)]))) >= 3);
  });

  it("leaves promises what they are", async () => {
    class Mine<T> extends Promise<T> {}
    const uninstall = installAwaitHook((promise) => promise.then((value) => value));
    try {
      await run(
        async () => {
          const promise = Promise.resolve(1);
          assert.ok(promise instanceof Promise);
          assert.equal(promise.constructor.name, "Promise");
          assert.equal(promise.then(() => 2).constructor.name, "Promise");
          assert.ok(Mine.resolve(1).then(() => 2) instanceof Mine);
          assert.ok(promise.finally(() => {}) instanceof Promise);
          assert.deepEqual(
            await Promise.allSettled([promise, Promise.reject(new Error("x"))]).then((all) => all.length),
            2,
          );
          assert.equal(await new Mine((resolve) => resolve(3)), 3);
          await assert.rejects(Promise.reject(new TypeError("t")), TypeError);
        },
        { host: false },
      );
    } finally {
      uninstall();
    }
  });

  it("can be installed once at a time, and leaves nothing", () => {
    const before = Object.getOwnPropertyDescriptors(Promise.prototype);
    const uninstall = installAwaitHook(() => undefined);
    assert.throws(() => installAwaitHook(() => undefined), {
      name: "InvalidStateError",
      message: /somebody has already/,
    });
    uninstall();
    const after = Object.getOwnPropertyDescriptors(Promise.prototype);
    assert.deepEqual(after.constructor, before.constructor);
    assert.equal(after.then.value, before.then.value);
    assert.equal(after.then.enumerable, before.then.enumerable);
  });

  it("tells when every microtask has run, also of ticks that come from ticks", async () => {
    for (let round = 0; round < 3; round++) {
      let hops = 0;
      await new Promise<void>((resolve) => {
        process.nextTick(() => {
          void (async () => {
            while (++hops < 100) await null;
          })();
          afterMicrotasks(resolve);
        });
      });
      assert.equal(hops, 100);
    }
  });
});
