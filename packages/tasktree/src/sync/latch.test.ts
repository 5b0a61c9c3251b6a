import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "../../test/random.ts";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  Latch,
  moveOnAfter,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { waitForOne } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

const closed = { open: false, waiting: 0 };

test("Latch.wait() waits while it is closed, and passes while it is open", async () => {
  await virtually(async () => {
    const latch = new Latch({ name: "ready" });
    assert.deepEqual([latch.isOpen, latch.describe()], [false, "latch 'ready' (closed)"]);
    assert.equal(await moveOnAfter(10, () => latch.wait().then(() => "passed")), undefined);
    latch.open();
    latch.open();
    assert.deepEqual([latch.isOpen, latch.describe()], [true, "latch 'ready' (open)"]);
    await latch.wait();
    await latch.wait();
    latch.close();
    assert.equal(await moveOnAfter(10, () => latch.wait().then(() => "passed")), undefined);
    assert.deepEqual(latch.statistics(), closed);
    await new Latch({ open: true }).wait();
    assert.equal(new Latch().describe(), "latch (closed)");
  });
});

test("F1a F1b Latch.open() lets everybody pass who waits, in the order they came, even if it is closed again at once", async () => {
  await virtually(async () => {
    const latch = new Latch();
    const passed: number[] = [];
    await withTaskGroup(async (group) => {
      for (let number = 0; number < 5; number++) group.spawn(() => latch.wait().then(() => passed.push(number)));
      await waitAllTasksBlocked();
      assert.deepEqual(latch.statistics(), { open: false, waiting: 5 });
      latch.open();
      latch.close();
      assert.deepEqual(latch.statistics(), closed);
      const late = group.spawn(() => latch.wait().then(() => passed.push(5)));
      await waitAllTasksBlocked();
      assert.deepEqual(passed, [0, 1, 2, 3, 4]);
      late.cancel();
    });
    assert.deepEqual(latch.statistics(), closed);
  });
});

test("C3a Latch.wait() cut on entry throws, also where it is open", async () => {
  await virtually(async () => {
    for (const open of [false, true]) {
      const latch = new Latch({ open });
      await withCancelScope(async (scope) => {
        scope.cancel();
        await assert.rejects(latch.wait(), CancelledError);
      });
      assert.deepEqual(latch.statistics(), { open, waiting: 0 });
    }
  });
});

test("C3a Latch.wait() cut while it waits has left the line, and does not hold up the others", async () => {
  await virtually(async () => {
    const latch = new Latch();
    const passed: number[] = [];
    await withTaskGroup(async (group) => {
      const tasks = [0, 1, 2].map((number) => group.spawn(() => latch.wait().then(() => passed.push(number))));
      await waitAllTasksBlocked();
      tasks[1]!.cancel();
      assert.equal(latch.statistics().waiting, 2);
      latch.open();
      tasks[2]!.cancel();
    });
    assert.deepEqual(passed, [0, 2]);
  });
});

test("C3b a waiter that is cancelled after the latch was opened has passed it", async () => {
  await virtually(async () => {
    const latch = new Latch();
    let passed = false;
    await withTaskGroup(async (group) => {
      const waiter = group.spawn(async () => {
        await latch.wait();
        passed = true;
        await checkpoint();
      });
      await waitAllTasksBlocked();
      latch.open();
      waiter.cancel();
      assert.equal((await waiter.outcome()).status, "cancelled");
    });
    assert.equal(passed, true);
  });
});

test("C3a C3b whoever waits when the latch opens passes, whoever is cut before does not, in whatever order", async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = randomFrom(seed);
    await virtually(async () => {
      const latch = new Latch();
      let open = false;
      const ways: { arrived?: boolean; due?: boolean; cut?: boolean; passed?: boolean }[] = [];
      await withTaskGroup(async (group) => {
        const tasks = Array.from({ length: 20 }, (_, number) => {
          const way: (typeof ways)[number] = (ways[number] = {});
          const before = random(10);
          return group.spawn(async () => {
            await sleep(before);
            way.arrived = true;
            way.due = open;
            await latch.wait();
            way.passed = true;
          });
        });
        for (let turn = 0; turn < 20; turn++) {
          if (random(2) === 0) await sleep(1);
          const number = random(20);
          if (random(3) === 0) {
            open = true;
            latch.open();
            for (const way of ways) if (way.arrived && !way.cut) way.due = true;
          } else if (random(2) === 0) {
            open = false;
            latch.close();
          } else {
            tasks[number]!.cancel();
            ways[number]!.cut = true;
          }
        }
        open = true;
        latch.open();
        for (const way of ways) if (!way.cut) way.due = true;
      });
      for (const way of ways)
        assert.equal(way.passed ?? false, way.due ?? false, `seed ${seed}: ${JSON.stringify(way)}`);
      assert.deepEqual(latch.statistics(), { open: true, waiting: 0 });
    });
  }
});

test("Latch is something to wait for among others", async () => {
  await virtually(async () => {
    const [left, right] = [new Latch(), new Latch()];
    assert.equal(left.choice().poll(), undefined);
    await withTaskGroup(async (group) => {
      const first = group.spawn(() => waitForOne([left.choice(), right.choice()]));
      const cut = group.spawn(() => waitForOne([left.choice(), right.choice()]));
      await waitAllTasksBlocked();
      assert.deepEqual([left.statistics().waiting, right.statistics().waiting], [2, 2]);
      cut.cancel();
      right.open();
      assert.deepEqual([left.statistics().waiting, right.statistics().waiting], [0, 0]);
      assert.deepEqual(await first, { index: 1, value: undefined });
    });
    assert.deepEqual(right.choice().poll(), { value: undefined });
  });
});

test("K9b a cancelled Latch.wait() that nobody awaits is not reported", async () => {
  await virtually(async () => {
    const latch = new Latch();
    await withTaskGroup(async (group) => {
      const task = group.spawn(() => {
        void latch.wait();
        return sleepForever();
      });
      await waitAllTasksBlocked();
      task.cancel();
    });
    assert.deepEqual(latch.statistics(), closed);
  });
});

test("Latch works outside of every task", async () => {
  const latch = new Latch();
  const passed = latch.wait();
  latch.open();
  await passed;
  await latch.wait();
});
