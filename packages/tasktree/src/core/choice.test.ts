/** Waiting for one of several things: rules C3, F1 and K8 for who stands in many lines at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "../../test/random.ts";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  checkpoint,
  DeadlockError,
  isCancelled,
  now,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  WorkCancelledError,
  type Task,
} from "../index.ts";
import { currentTask, waitForOne, WaitList, type Choice, type Chosen, type Waitable } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";
import { Latch } from "../sync/latch.ts";
import { waitsOf } from "./dump.ts";
import type { TaskNode } from "./task.ts";

/** Somewhere to wait for a word; nothing is ever there already. */
class Place implements Waitable {
  readonly waiters: WaitList<string, unknown> = new WaitList<string, unknown>(this);
  readonly name: string;
  held: Task[] = [];
  /** How often somebody has left without having been woken here. */
  leavings = 0;

  constructor(name: string) {
    this.name = name;
  }

  describe(): string {
    return `place '${this.name}'`;
  }

  holders(): Iterable<Task> {
    return this.held;
  }

  left(): void {
    this.leavings++;
  }

  choice(payload?: unknown): Choice<string> {
    return { poll: () => undefined, line: this.waiters, payload };
  }
}

function placesOf(names: string): Place[] {
  return names.split("").map((name) => new Place(name));
}

function choicesOf(places: readonly Place[]): Choice<string>[] {
  return places.map((place) => place.choice());
}

function sizes(places: readonly Place[]): number[] {
  return places.map(({ waiters }) => waiters.size);
}

test("C3b waitForOne() woken in one line has left the others at once, and tells which it was", () =>
  virtually(async () => {
    for (const at of [0, 1, 2]) {
      const places = placesOf("abc");
      await withTaskGroup(async (group) => {
        const waiter = group.spawn(() => waitForOne(choicesOf(places)));
        await waitAllTasksBlocked();
        assert.deepEqual(sizes(places), [1, 1, 1]);
        assert.equal(places[at]!.waiters.wake("word"), true);
        assert.deepEqual(sizes(places), [0, 0, 0]);
        for (const { waiters } of places) assert.equal(waiters.wake("lost"), false);
        assert.deepEqual(await waiter, { index: at, value: "word" });
      });
    }
  }));

test("waitForOne() that fails in one line rejects with that error, and has left the others", () =>
  virtually(async () => {
    const places = placesOf("abc");
    const error = new Error("closed");
    await withTaskGroup(async (group) => {
      const waiter = group.attempt(() => waitForOne(choicesOf(places)));
      await waitAllTasksBlocked();
      places[1]!.waiters.failAll(error);
      assert.deepEqual(sizes(places), [0, 0, 0]);
      assert.equal(await rejection(waiter), error);
    });
  }));

test("waitForOne() may stand in one line twice, and counts once", () =>
  virtually(async () => {
    const places = placesOf("ab");
    const [a, b] = places as [Place, Place];
    await withTaskGroup(async (group) => {
      const twice = group.spawn(() => waitForOne([b.choice(), a.choice(), a.choice()]));
      const next = group.spawn(() => a.waiters.wait(undefined));
      await waitAllTasksBlocked();
      a.waiters.wakeAll("word");
      assert.deepEqual(sizes(places), [0, 0]);
      assert.deepEqual(await twice, { index: 1, value: "word" });
      assert.equal(await next, "word");
    });
  }));

test("waitForOne() brings to each line what its choice brings there", () =>
  virtually(async () => {
    const [a, b] = placesOf("ab") as [Place, Place];
    await withTaskGroup(async (group) => {
      group.spawn(() => waitForOne([a.choice("to a"), b.choice(2)]));
      await waitAllTasksBlocked();
      assert.deepEqual([a.waiters.first, b.waiters.first], ["to a", 2]);
      b.waiters.wake("word");
    });
  }));

test("C3a waitForOne() cut while it waits has left all lines at once", () =>
  virtually(async () => {
    const places = placesOf("abc");
    await withTaskGroup(async (group) => {
      const waiter = group.spawn(() => waitForOne(choicesOf(places)));
      await waitAllTasksBlocked();
      waiter.cancel();
      assert.deepEqual(sizes(places), [0, 0, 0]);
      assert.equal((await waiter.outcome()).status, "cancelled");
    });
  }));

test("C3a an item given in the step after waitForOne() was cut goes to the next in that line", () =>
  virtually(async () => {
    const [a, b] = placesOf("ab") as [Place, Place];
    await withTaskGroup(async (group) => {
      const first = group.spawn(() => waitForOne([a.choice(), b.choice()]));
      const second = group.spawn(() => waitForOne([b.choice(), a.choice()]));
      await waitAllTasksBlocked();
      first.cancel();
      a.waiters.wake("item");
      assert.deepEqual(await second, { index: 1, value: "item" });
      assert.equal((await first.outcome()).status, "cancelled");
    });
  }));

test("C3b an item given in the step before the waiter was cancelled is the waiter's", () =>
  virtually(async () => {
    const [a, b] = placesOf("ab") as [Place, Place];
    let given: Chosen<string> | undefined;
    await withTaskGroup(async (group) => {
      const first = group.spawn(async () => {
        given = await waitForOne([a.choice(), b.choice()]);
        await checkpoint();
      });
      const second = group.spawn(() => a.waiters.wait(undefined));
      await waitAllTasksBlocked();
      a.waiters.wake("item");
      first.cancel();
      assert.equal((await first.outcome()).status, "cancelled");
      assert.equal(second.status, "running");
      a.waiters.wake("another");
    });
    assert.deepEqual(given, { index: 0, value: "item" });
  }));

test("waitForOne() tells those whose line it leaves without having been woken there", () =>
  virtually(async () => {
    const places = placesOf("abc");
    const [a, b] = places as [Place, Place];
    await withTaskGroup(async (group) => {
      group.spawn(() => waitForOne(choicesOf(places)));
      const cut = group.spawn(() => waitForOne([b.choice(), a.choice()]));
      await waitAllTasksBlocked();
      a.waiters.wake("word");
      assert.deepEqual(
        places.map((place) => place.leavings),
        [0, 1, 1],
      );
      cut.cancel();
      assert.deepEqual(
        places.map((place) => place.leavings),
        [1, 2, 1],
      );
    });
  }));

test("C2j waitForOne() in cleanup waits until the cut-off, and then has left all lines", () =>
  virtually(async () => {
    const places = placesOf("ab");
    let error: unknown;
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        await rejection(checkpoint());
        error = await rejection(waitForOne(choicesOf(places)));
        throw error;
      },
      { grace: 100 },
    );
    assert.ok(isCancelled(error));
    assert.equal(now(), 100);
    assert.deepEqual(sizes(places), [0, 0]);
  }));

test("K9b a waitForOne() that nobody awaits is not reported unhandled when it is cut", async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", note);
  try {
    // outside of any run: nobody but the process would be told
    await withCancelScope((scope) => {
      void waitForOne(choicesOf(placesOf("ab")));
      scope.cancel();
    });
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  } finally {
    process.off("unhandledRejection", note);
  }
  assert.deepEqual(unhandled, []);
});

test("F1a in each line waitForOne() is served in the order of coming, among those who stand there alone", () =>
  virtually(async () => {
    const [a, b] = placesOf("ab") as [Place, Place];
    const served: string[] = [];
    const alone = (name: string, place: Place) => async () => {
      served.push(`${name} ${await place.waiters.wait(undefined)}`);
    };
    const both = (name: string) => async () => {
      const { index, value } = await waitForOne([a.choice(), b.choice()]);
      served.push(`${name} ${value} of ${index}`);
    };
    await withTaskGroup(async (group) => {
      for (const run of [alone("1", b), both("2"), alone("3", a), both("4"), alone("5", b)]) group.spawn(run);
      await waitAllTasksBlocked();
      for (const [place, word] of [
        [b, "p"],
        [b, "q"],
        [b, "r"],
        [a, "s"],
        [b, "t"],
      ] as const) {
        assert.equal(place.waiters.wake(word), true);
      }
    });
    assert.deepEqual(served, ["1 p", "2 q of 1", "4 r of 1", "3 s", "5 t"]);
    assert.deepEqual(sizes([a, b]), [0, 0]);
  }));

test("C3a C3b whatever is given and cancelled in whatever order, no item is lost or given twice", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = randomFrom(seed);
    await virtually(async () => {
      const places = placesOf("abc");
      const given: string[] = [];
      const got: string[] = [];
      await withTaskGroup(async (group) => {
        const waiters = Array.from({ length: 20 }, () => {
          const mine = places.filter(() => random(2) === 0);
          const start = random(10);
          return group.spawn(async () => {
            await sleep(start);
            if (mine.length === 0) return;
            const { index, value } = await waitForOne(choicesOf(mine));
            got.push(value);
            assert.ok(value.startsWith(mine[index]!.name));
          });
        });
        for (let turn = 0; turn < 20; turn++) {
          await sleep(1);
          for (let step = random(4); step > 0; step--) {
            const place = places[random(3)]!;
            const item = `${place.name}${given.length}`;
            if (random(3) === 0) waiters[random(20)]!.cancel();
            else if (place.waiters.wake(item)) given.push(item);
            if (random(3) === 0) await null;
          }
        }
        for (const waiter of waiters) waiter.cancel();
      });
      assert.deepEqual(got.toSorted(), given.toSorted(), `seed ${seed}`);
      assert.deepEqual(sizes(places), [0, 0, 0], `seed ${seed}`);
    });
  }
});

test("R3b a task in waitForOne() waits for one of all these, held by those that hold any", () =>
  virtually(async () => {
    const places = placesOf("ab");
    await withTaskGroup(async (group) => {
      const holder = group.spawn(sleepForever, { name: "holder" });
      const other = group.spawn(sleepForever, { name: "other" });
      places[1]!.held = [holder];
      const waiter = group.spawn(() => waitForOne<unknown>([...choicesOf(places), other.choice()]));
      await waitAllTasksBlocked();
      assert.equal(
        waitsOf(waiter as TaskNode),
        "waits for one of: place 'a', place 'b', task 'other', held by task 'holder' and task 'other'",
      );
      group.cancel();
    });
  }));

// --- a task as a choice

const failure = new Error("failed");

function fails(): never {
  throw failure;
}

test("K8a a task as a choice is waited for: its value, its error, its cancellation", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const tasks = [
        group.attempt(() => promise.then(() => "value")),
        group.attempt(() => promise.then(fails)),
        group.attempt(sleepForever),
      ] as const;
      const waiters = tasks.map((task) => group.attempt(() => waitForOne<unknown>([task.choice()])));
      await waitAllTasksBlocked();
      resolve();
      tasks[2].cancel();
      assert.deepEqual(await waiters[0], { index: 0, value: "value" });
      assert.equal(await rejection(waiters[1]!), failure);
      assert.ok((await rejection(waiters[2]!)) instanceof WorkCancelledError);
    });
  }));

test("K8b poll() of a task gives its value or throws its error once it has ended, as often as it is asked", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const tasks = [group.spawn(() => "value"), group.attempt(fails), group.spawn(sleepForever)] as const;
      const [ok, failed, cancelled] = tasks.map((task) => task.choice());
      assert.equal(cancelled!.poll(), undefined);
      tasks[2].cancel();
      for (const task of tasks) await task.outcome();
      for (let time = 0; time < 2; time++) {
        assert.deepEqual(ok!.poll(), { value: "value" });
        assert.throws(
          () => failed!.poll(),
          (error) => error === failure,
        );
        assert.throws(() => cancelled!.poll(), WorkCancelledError);
      }
    });
  }));

test("K8b any number may wait for a task as a choice, one of them for it twice", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const task = group.spawn(async () => (await sleep(10), "value"));
      const waiters = [[task], [task, task], [task], [task, task]].map((tasks) =>
        group.spawn(() => waitForOne(tasks.map((each) => each.choice()))),
      );
      const joiner = group.spawn(async () => await task);
      for (const waiter of waiters) assert.deepEqual(await waiter, { index: 0, value: "value" });
      assert.equal(await joiner, "value");
    });
  }));

test("K8a a waiter that is cancelled, or woken by another choice, leaves the task alone", () =>
  virtually(async () => {
    const [a] = placesOf("a") as [Place];
    await withTaskGroup(async (group) => {
      const task = group.spawn(async () => (await sleep(10), "value"));
      const cut = group.spawn(() => waitForOne<string>([task.choice(), a.choice()]));
      const woken = group.spawn(() => waitForOne<string>([task.choice(), a.choice()]));
      await waitAllTasksBlocked();
      cut.cancel();
      a.waiters.wake("word");
      assert.deepEqual(await woken, { index: 1, value: "word" });
      assert.equal(task.status, "running");
      assert.equal(await task, "value");
      assert.equal((await cut.outcome()).status, "cancelled");
    });
  }));

test("K8c poll() of a task in itself, or in a task inside it, throws DeadlockError", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const seen: unknown[] = [];
      await group.spawn(
        async () => {
          const task = currentTask()!;
          const poll = (): void => assert.throws(() => task.choice().poll(), DeadlockError);
          poll();
          seen.push("itself");
          await withTaskGroup((inner) => {
            inner.spawn(() => (poll(), seen.push("inside")));
          });
        },
        { name: "outer" },
      );
      assert.deepEqual(seen, ["itself", "inside"]);
    });
  }));

test("K15a the failure of an attempt goes to whoever waits for it as a choice, or polls it when it has ended", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const late = group.attempt(async () => (await sleep(10), fails()));
      const waiter = group.attempt(() => waitForOne([late.choice()]));
      assert.equal(await rejection(waiter), failure);
      const ended = group.attempt(fails);
      assert.throws(
        () => ended.choice().poll(),
        (error) => error === failure,
      );
    });
  }));

test("K15b a waiter that was cut, or woken by another choice, before the failure came has not got it", () =>
  virtually(async () => {
    for (const how of ["cut", "woken"]) {
      const [a] = placesOf("a") as [Place];
      const group = withTaskGroup(async (group) => {
        const task = group.attempt(async () => (await sleep(10), fails()));
        const waiter = group.spawn(() => waitForOne<unknown>([task.choice(), a.choice()]));
        await waitAllTasksBlocked();
        if (how === "cut") waiter.cancel();
        else a.waiters.wake("word");
      });
      assert.equal(await rejection(group), failure, how);
    }
  }));

test("R3b a task in waitForOne() for what nobody holds is told to wait for that alone", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const waiter = group.spawn(() => waitForOne([new Latch().choice()]));
      await waitAllTasksBlocked();
      assert.equal(waitsOf(waiter as TaskNode), "waits for one of: latch (closed)");
      group.cancel();
    });
  }));
