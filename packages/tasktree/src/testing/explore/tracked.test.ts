import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { all, Mutex } from "../../index.ts";
import { explore, ScheduleError, tracked } from "../index.ts";

async function lostUpdates(program: () => unknown): Promise<string[]> {
  try {
    await explore(program);
    return [];
  } catch (error) {
    assert.ok(error instanceof ScheduleError, String(error));
    assert.equal((error.cause as Error).name, "LostUpdateError", error.message);
    return [(error.cause as Error).message];
  }
}

describe("tracked", () => {
  it("is like the object itself, inside too", () => {
    const inner = { list: [3, 1, 2], map: new Map([["a", 1]]) };
    const object = tracked<{ inner: typeof inner; when?: Date; f: () => number }>({
      inner,
      when: new Date(0),
      f: () => 5,
    });
    assert.deepEqual(
      object.inner.list.toSorted((a, b) => a - b),
      [1, 2, 3],
    );
    object.inner.list.push(4);
    assert.equal(inner.list.length, 4);
    assert.equal(object.inner, object.inner);
    assert.equal(object.inner.map.get("a"), 1);
    assert.equal(object.inner.map.set("b", 2), object.inner.map);
    assert.equal(inner.map.size, 2);
    assert.equal(object.f(), 5);
    assert.equal(object.when!.getTime(), 0);
    delete object.when;
    assert.deepEqual(Object.keys(object), ["inner", "f"]);
    assert.ok("f" in object && Array.isArray(object.inner.list));
    assert.equal(tracked(tracked(inner)), tracked(inner));
    const frozen = Object.freeze({ deep: {} });
    assert.equal(tracked(frozen).deep, frozen.deep);
  });

  it("keeps a class with private state working", async () => {
    const mutex = tracked(new Mutex({ name: "m" }));
    assert.ok(mutex instanceof Mutex);
    assert.equal(await mutex.with(() => 7), 7);
    assert.equal(mutex.statistics().waiting, 0);
  });

  it("reports a write from a read that has become stale, by whoever wrote last", async () => {
    const deposit = (account: { balance: number }) => async () => {
      const before = account.balance;
      await Promise.resolve();
      account.balance = before + 1;
    };
    const [found] = await lostUpdates(() => {
      const account = tracked({ balance: 0 });
      return all([deposit(account), deposit(account)]);
    });
    assert.match(
      found!,
      /^Lost update of 'balance': .+ wrote it.* from what it had read.*, and .+ had written it meanwhile/,
    );
  });

  it("does not report what was read anew, a blind write, other properties, or what a mutex protects", async () => {
    const cases: (() => unknown)[] = [
      () => {
        const box = tracked({ n: 0 });
        const add = async () => {
          await Promise.resolve();
          box.n += 1;
          await Promise.resolve();
          box.n += 1;
        };
        return all([add, add]);
      },
      () => {
        const box = tracked({ n: 0 });
        const set = (n: number) => async () => {
          await Promise.resolve();
          box.n = n;
        };
        return all([set(1), set(2)]);
      },
      () => {
        const box = tracked({ a: 0, b: 0 });
        const own = (key: "a" | "b") => async () => {
          const before = box[key];
          await Promise.resolve();
          box[key] = before + 1;
        };
        return all([own("a"), own("b")]);
      },
      () => {
        const box = tracked({ n: 0 });
        const mutex = new Mutex();
        const add = () =>
          mutex.with(async () => {
            const before = box.n;
            await Promise.resolve();
            box.n = before + 1;
          });
        return all([add, add]);
      },
    ];
    for (const [index, program] of cases.entries()) assert.deepEqual(await lostUpdates(program), [], `case ${index}`);
  });

  it("reports what a class, and an async function on the way, have read", async () => {
    class Account {
      balance = 0;
    }
    const direct = (account: Account) => async () => {
      const before = account.balance;
      await Promise.resolve();
      account.balance = before + 1;
    };
    const throughHelpers = (account: Account) => async () => {
      const get = async () => {
        await Promise.resolve();
        return account.balance;
      };
      const before = await get();
      await Promise.resolve();
      account.balance = before + 1;
    };
    for (const way of [direct, throughHelpers]) {
      const [found] = await lostUpdates(() => {
        const account = tracked(new Account());
        return all({ ann: way(account), bob: way(account) });
      });
      assert.match(found ?? "none", /^Lost update of 'balance'/);
    }
  });

  it("does not report writes that follow one's own, nor that keys were added", async () => {
    const cases: (() => unknown)[] = [
      () => {
        const state = tracked({ status: "" });
        const work = async () => {
          state.status = "loading";
          await Promise.resolve();
          state.status = "done";
        };
        return all([work, work]);
      },
      () => {
        const table = tracked<Record<string, number>>({});
        const fill = (name: string) => async () => {
          table[`${name}1`] = 1;
          await Promise.resolve();
          table[`${name}2`] = 2;
        };
        return all([fill("a"), fill("b")]);
      },
    ];
    for (const [index, program] of cases.entries()) assert.deepEqual(await lostUpdates(program), [], `case ${index}`);
  });

  it("sees updates of lists, and of code that is no task's", async () => {
    const [found] = await lostUpdates(async () => {
      const state = tracked({ seats: ["a", "b"] });
      async function take(): Promise<void> {
        const [first, ...others] = state.seats;
        await Promise.resolve();
        assert.ok(first !== undefined);
        state.seats = others;
      }
      await Promise.all([take(), take()]);
    });
    assert.match(found!, /^Lost update of 'seats': 'take' wrote it/);
  });

  it("forgets what an earlier schedule has done to an object that outlives it", async () => {
    const box = tracked({ n: 0 });
    const program = async () => {
      const before = box.n;
      await Promise.resolve();
      box.n = before + 1;
    };
    assert.deepEqual(await lostUpdates(program), []);
    await explore(program);
  });
});
