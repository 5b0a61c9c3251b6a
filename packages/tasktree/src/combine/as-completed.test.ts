import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { collected } from "../../test/collected.ts";
import { virtually } from "../../test/virtual.ts";
import {
  asCompleted,
  CancelledError,
  currentScope,
  currentTask,
  isCancelled,
  moveOnAfter,
  sleep,
  sleepForever,
  suppressedErrors,
  TaskLocal,
  WorkCancelledError,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

function after<T>(ms: number, value: T): () => Promise<T> {
  return async () => (await sleep(ms), value);
}

test("B1g asCompleted() gives values in the order in which they come; those that come at once in list order", async () => {
  await virtually(async () => {
    const jobs = [after(20, "c"), after(10, "a"), () => "now", after(10, "b"), after(30, undefined)];
    assert.deepEqual(await collected(asCompleted(jobs)), ["now", "a", "b", "c", undefined]);
    assert.deepEqual(await collected(asCompleted(new Set(jobs), { limit: 1 })), ["c", "a", "now", "b", undefined]);
    assert.deepEqual(await collected(asCompleted([1, 2, 3].map((n) => () => n))), [1, 2, 3]);
  });
});

test("B1g asCompleted() gives the pairs of a record; nothing gives nothing", async () => {
  await virtually(async () => {
    const jobs = { user: after(20, "ada"), posts: () => 3, ["__proto__"]: after(1, null) };
    assert.deepEqual(await collected(asCompleted(jobs)), [
      ["posts", 3],
      ["__proto__", null],
      ["user", "ada"],
    ]);
    assert.deepEqual(await collected(asCompleted([])), []);
    assert.deepEqual(await collected(asCompleted({})), []);
  });
});

test("B1g the first failure comes out of the loop of asCompleted() when the rest was cancelled and has ended", async () => {
  await virtually(async () => {
    const error = new Error("failed");
    const late = new Error("cleanup");
    let cleaned = false;
    const other = async () => {
      try {
        await sleepForever();
      } finally {
        await sleep(50);
        cleaned = true;
        throw late;
      }
    };
    const failing = async () => {
      await sleep(10);
      throw error;
    };
    const got: unknown[] = [];
    const use = async () => {
      for await (const value of asCompleted([other, after(5, "value"), failing])) got.push(value);
    };
    assert.equal(await rejection(use()), error);
    assert.ok(cleaned);
    assert.deepEqual(got, ["value"]);
    assert.deepEqual(suppressedErrors(error), [late]);
  });
});

test("B1g a function of asCompleted() that was cancelled by itself comes out of the loop as a WorkCancelledError", async () => {
  await virtually(async () => {
    const cut = async () => {
      currentTask()!.cancel();
      await sleepForever();
    };
    const error = await rejection(collected(asCompleted([sleepForever, cut])));
    assert.ok(error instanceof WorkCancelledError);
    assert.match(error.message, /^Task 'main\/asCompleted\/items\//);
  });
});

for (const leave of ["break", "return", "throw"]) {
  test(`B1g leaving the loop of asCompleted() by ${leave} cancels and awaits the rest`, async () => {
    await virtually(async () => {
      let cleaned = 0;
      const slow = async () => {
        try {
          return await sleepForever();
        } finally {
          await sleep(50);
          cleaned++;
        }
      };
      const use = async () => {
        for await (const value of asCompleted([slow, () => "first", slow])) {
          assert.equal(value, "first");
          if (leave === "break") break;
          if (leave === "return") return;
          throw new Error("left");
        }
      };
      if (leave === "throw") await assert.rejects(use(), /left/);
      else await use();
      assert.equal(cleaned, 2);
      const { children } = currentScope() as unknown as { children?: { size: number } };
      assert.equal(children?.size ?? 0, 0);
    });
  });
}

test("B1g asCompleted() is cancelled with the scope that called it, also while results are there to be taken", async () => {
  await virtually(async () => {
    let cleaned = 0;
    const slow = async () => {
      try {
        await sleepForever();
      } finally {
        await sleep(5);
        cleaned++;
      }
    };
    assert.equal(await moveOnAfter(10, () => collected(asCompleted([slow, slow]))), undefined);
    assert.equal(cleaned, 2);
    const got: unknown[] = [];
    const caught = await withCancelScope(async (scope) => {
      for await (const value of asCompleted([() => 1, () => 2, () => 3])) {
        got.push(value);
        scope.cancel();
      }
      return "not cut";
    });
    assert.equal(caught, undefined);
    assert.deepEqual(got, [1]);
    let called = false;
    await withCancelScope(async (scope) => {
      scope.cancel();
      assert.ok(isCancelled(await rejection(collected(asCompleted([() => (called = true)])))));
    });
    assert.equal(called, false);
  });
});

test("B1g asCompleted() starts nothing, and leaves nothing open, when it is never iterated", async () => {
  await virtually(async () => {
    let called = false;
    const results = asCompleted([() => (called = true)]);
    await waitAllTasksBlocked();
    const { children } = currentScope() as unknown as { children?: { size: number } };
    assert.equal(children?.size ?? 0, 0);
    await results.return();
    assert.deepEqual(await results.next(), { done: true, value: undefined });
    assert.equal(called, false);
  });
});

test("B1g asCompleted() runs in the scope and with the values of the call, wherever the results are taken", async () => {
  await virtually(async () => {
    const local = new TaskLocal({ default: "none" });
    const where = () => `${local.get()} ${currentTask()!.path}`;
    const results = local.run("caller", () => asCompleted([where, async () => where()]));
    await withTaskGroup(async (group) => {
      assert.deepEqual(await group.spawn(() => collected(results), { name: "consumer" }), [
        "caller main/asCompleted/items/where",
        "caller main/asCompleted/items/asCompleted[1]",
      ]);
    });
  });
});

test("B1g asCompleted() has at most `limit` in work or not yet taken, and reads its source only as there is room", async () => {
  await virtually(async () => {
    let taken = 0;
    let given = 0;
    let closed = 0;
    async function* later() {
      try {
        while (true) yield job();
      } finally {
        closed++;
      }
    }
    function* now() {
      try {
        while (true) yield job();
      } finally {
        closed++;
      }
    }
    function job() {
      const number = taken++;
      return after(number % 3, number);
    }
    for (const source of [later, now]) {
      taken = given = 0;
      for await (const _ of asCompleted(source(), { limit: 3 })) {
        assert.ok(taken <= ++given + 3, `took ${taken} with ${given} given`);
        await sleep(5);
        if (given === 20) break;
      }
    }
    assert.equal(closed, 2);
  });
});

test("B1g a source of asCompleted() that fails, or gives what is no function, ends the loop", async () => {
  await virtually(async () => {
    async function* source() {
      yield () => 1;
      throw new Error("source");
    }
    await assert.rejects(collected(asCompleted(source())), /source/);
    await assert.rejects(collected(asCompleted(new Set([() => 1, 5 as never]))), {
      name: "TypeError",
      message: "Cannot run asCompleted: item 1 is 5, wanted a function",
    });
  });
});

test("B1g a loop of asCompleted() that is cut while it waits throws the cancellation", async () => {
  await virtually(async () => {
    let thrown: unknown;
    await moveOnAfter(10, async () => {
      thrown = await rejection(collected(asCompleted([sleepForever])));
      throw thrown;
    });
    assert.ok(thrown instanceof CancelledError);
  });
});

test("asCompleted() throws for what is no record, no iterable, no function and no option, there and then", () => {
  const call = () => assert.fail("called");
  const promise = Promise.resolve(1) as never;
  assert.throws(() => asCompleted([call, promise]), { name: "TypeError", message: /item 1 is a promise/ });
  assert.throws(() => asCompleted({ call, promise }), { name: "TypeError", message: /item "promise" is a promise/ });
  assert.throws(() => asCompleted(promise), {
    name: "TypeError",
    message: "Cannot run asCompleted of a promise: wanted an iterable or a record of functions",
  });
  for (const jobs of [undefined, null, 5, "text", call]) assert.throws(() => asCompleted(jobs as never), TypeError);
  for (const limit of [0, 1.5, Number.NaN, null]) {
    assert.throws(() => asCompleted([call], { limit } as never), RangeError);
  }
  for (const options of [null, 5]) assert.throws(() => asCompleted([call], options as never), TypeError);
});
