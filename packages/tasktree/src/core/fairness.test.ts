import assert from "node:assert/strict";
import { test } from "node:test";
import { all, checkpoint, now, run, Semaphore, sleep, withCancelScope, withTaskGroup } from "../index.ts";
import type { ClockDriver } from "./clock.ts";

/** Operations that never have to wait. */
const busy: Record<string, () => Promise<() => Promise<unknown>>> = {
  "checkpoint()": async () => checkpoint,
  "sleep(0)": async () => () => sleep(0),
  "acquiring a free permit": async () => {
    const semaphore = new Semaphore(1);
    return () => semaphore.with(() => undefined);
  },
  "awaiting a task that has ended": async () => {
    const task = await withTaskGroup((group) => ({ task: group.spawn(() => 1) }));
    return async () => await task.task;
  },
  "asking a task that has ended for its outcome": async () => {
    const task = await withTaskGroup((group) => ({ task: group.spawn(() => 1) }));
    return () => task.task.outcome();
  },
  "swallowing cancellations": async () => {
    return async () => {
      await withCancelScope(async (scope) => {
        scope.cancel();
        await checkpoint();
      });
    };
  },
};

for (const [what, make] of Object.entries(busy)) {
  test(`F2 timers get their turn however busy a task is: ${what}`, async () => {
    await run(
      async () => {
        const operation = await make();
        let rang = false;
        setTimeout(() => (rang = true), 1);
        const started = performance.now();
        while (!rang && performance.now() - started < 2000) await operation();
        assert.ok(rang);
      },
      { host: false },
    );
  });
}

test("F2 timers get their turn however busily tasks hand a permit to each other", async () => {
  await run(
    async () => {
      const semaphore = new Semaphore(1);
      let rang = false;
      setTimeout(() => (rang = true), 1);
      const started = performance.now();
      const pass = async () => {
        while (!rang && performance.now() - started < 2000) await semaphore.with(() => undefined);
      };
      await all([pass, pass, pass]);
      assert.ok(rang);
    },
    { host: false },
  );
});

test("F2 timers get their turn however many groups are opened and left, though nothing in them waits", async () => {
  await run(
    async () => {
      let rang = false;
      setTimeout(() => (rang = true), 1);
      const started = performance.now();
      while (!rang && performance.now() - started < 1000) await all([() => 1, () => 2]);
      assert.ok(rang);
    },
    { host: false },
  );
});

test("F2 timers get their turn where operations that came fast become slow", async () => {
  await run(
    async () => {
      const busyFor = (ms: number) => {
        const end = performance.now() + ms;
        while (performance.now() < end);
      };
      await sleep(1);
      for (let fast = 0; fast < 1000; fast++) await checkpoint();
      let rang = false;
      setTimeout(() => (rang = true), 1);
      let slow = 0;
      for (; !rang && slow < 1000; slow++) {
        await checkpoint();
        busyFor(1);
      }
      assert.ok(slow < 100, `it took ${slow} steps of a millisecond`);
    },
    { host: false },
  );
});

/** A clock on which every turn is over at once, and begins anew when told. */
class ImpatientClock implements ClockDriver {
  patient = false;

  now(): number {
    return 0;
  }
  arm(): void {}
  hold(): void {}
  newTurn(): void {}
  turnIsOver(): boolean {
    return !this.patient;
  }
}

test("F2 the budget postpones the resumption, after the operation has taken effect", async () => {
  const clock = new ImpatientClock();
  await run(
    async () => {
      const semaphore = new Semaphore(1);
      let resumed = false;
      const acquired = semaphore.acquire().finally(() => (resumed = true));
      assert.deepEqual(semaphore.statistics(), { free: 0, held: 1, waiting: 0 });
      for (let tick = 0; tick < 20; tick++) await null;
      assert.equal(resumed, false);
      (await acquired).release();
      assert.equal(now(), 0);
    },
    { host: false, clock },
  );
});

test("F2 C3b what was postponed is not lost to a cancellation that comes before the resumption", async () => {
  const clock = new ImpatientClock();
  await run(
    async () => {
      const semaphore = new Semaphore(1);
      await withCancelScope(async (scope) => {
        const acquired = semaphore.acquire();
        scope.cancel();
        (await acquired).release();
      });
      assert.deepEqual(semaphore.statistics(), { free: 1, held: 0, waiting: 0 });
    },
    { host: false, clock },
  );
});

test("F2 what was postponed resumes in the order in which it took effect", async () => {
  const clock = new ImpatientClock();
  await run(
    async () => {
      const order: number[] = [];
      await withTaskGroup((group) => {
        for (const number of [1, 2, 3]) group.spawn(async () => order.push((await checkpoint(), number)));
      });
      assert.deepEqual(order, [1, 2, 3]);
    },
    { host: false, clock },
  );
});
