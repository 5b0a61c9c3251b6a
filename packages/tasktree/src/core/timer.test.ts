import assert from "node:assert/strict";
import { test } from "node:test";
import { virtually } from "../../test/virtual.ts";
import { currentTask, now, sleep, withTaskGroup } from "../index.ts";
import { bound, Timer, WaitList } from "../lowlevel.ts";

test("Timer calls at its time on the run's clock, before those who sleep until then, and once", async () => {
  await virtually(async () => {
    const calls: string[] = [];
    const timer = new Timer(() => calls.push(`timer at ${now()}`));
    await withTaskGroup(async (group) => {
      group.spawn(async () => {
        await sleep(10);
        calls.push("sleeper");
      });
      timer.set(10);
      assert.equal(timer.deadline, 10);
    });
    assert.deepEqual(calls, ["timer at 10", "sleeper"]);
    assert.equal(timer.deadline, Infinity);
    await sleep(100);
    assert.equal(calls.length, 2);
  });
});

test("Timer can be set to an earlier or later time, be taken back, and be set by its own call", async () => {
  await virtually(async () => {
    const calls: number[] = [];
    const timer = new Timer(() => {
      calls.push(now());
      if (calls.length === 1) timer.set(now() + 7);
    });
    timer.set(50);
    timer.set(20);
    timer.set(30);
    await sleep(100);
    assert.deepEqual(calls, [30, 37]);
    timer.set(200);
    timer.set(Infinity);
    await sleep(200);
    assert.equal(calls.length, 2);
  });
});

test("Timer keeps its clock while it is set, and calls outside of every task", async () => {
  const calls: unknown[] = [];
  const timer = new Timer(() => calls.push(now(), currentTask()));
  const setFromOutside = bound((deadline: number) => timer.set(deadline));
  await virtually(() =>
    withTaskGroup((group) => {
      group.spawn(async () => {
        timer.set(40);
        setFromOutside(30);
        await sleep(100);
      });
    }),
  );
  assert.deepEqual(calls, [30, undefined]);
});

test("Timer lets virtual time jump for it, and wakes who waits", async () => {
  await virtually(async () => {
    const waiters = new WaitList<number>({ describe: () => "a time" });
    const timer = new Timer(() => waiters.wakeAll(now()));
    timer.set(3_600_000);
    assert.equal(await waiters.wait(), 3_600_000);
  });
});
