import assert from "node:assert/strict";
import { test } from "node:test";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  isCancelled,
  moveOnAfter,
  now,
  run,
  Semaphore,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { waitAllTasksBlocked } from "./index.ts";

test("waitAllTasksBlocked() waits until every other task waits for something", async () => {
  await virtually(async () => {
    const semaphore = new Semaphore(0);
    let steps = 0;
    await withTaskGroup(async (group) => {
      for (let task = 0; task < 5; task++) {
        group.spawn(async () => {
          for (let step = 0; step < 50 * task; step++) {
            await (step % 3 === 0 ? checkpoint() : null);
            steps++;
          }
          await semaphore.acquire();
        });
      }
      await waitAllTasksBlocked();
      assert.equal(steps, 500);
      assert.equal(semaphore.statistics().waiting, 5);
      group.cancel();
    }).catch(() => undefined);
  });
});

test("waitAllTasksBlocked() follows what tasks wake in each other", async () => {
  await virtually(async () => {
    const gates = Array.from({ length: 20 }, () => new Semaphore(0, { max: 1 }));
    let reached = 0;
    await withTaskGroup(async (group) => {
      for (const [at, gate] of gates.entries()) {
        group.spawn(async () => {
          await gate.acquire();
          reached = at;
          gates[at + 1]?.release();
        });
      }
      gates[0]!.release();
      await waitAllTasksBlocked();
      assert.equal(reached, 19);
    });
  });
});

test("virtual time does not jump while somebody waits for all to be blocked", async () => {
  await virtually(async () => {
    await withTaskGroup(async (group) => {
      group.spawn(() => sleep(10));
      await waitAllTasksBlocked();
      await waitAllTasksBlocked();
      assert.equal(now(), 0);
    });
    assert.equal(now(), 10);
  });
});

test("waitAllTasksBlocked() resolves at once when there is nobody else", async () => {
  await virtually(async () => {
    await waitAllTasksBlocked();
    assert.equal(now(), 0);
  });
});

test("several tasks may wait for all others to be blocked at once", async () => {
  await virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup((group) => {
      for (const name of ["a", "b"]) {
        group.spawn(async () => {
          await waitAllTasksBlocked();
          seen.push(name);
        });
      }
    });
    assert.deepEqual(seen.sort(), ["a", "b"]);
  });
});

test("C3a waitAllTasksBlocked() is cut on entry, and while it waits; then time goes on", async () => {
  await virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(waitAllTasksBlocked(), CancelledError);
    });
    await withCancelScope(async (scope) => {
      queueMicrotask(() => scope.cancel());
      await assert.rejects(waitAllTasksBlocked(), CancelledError);
    });
    assert.equal(await moveOnAfter(10, sleepForever), undefined);
    assert.equal(now(), 10);
  });
});

test("waitAllTasksBlocked() works in real time, with sleepers and timers pending", async () => {
  await run(
    async () => {
      await withTaskGroup(async (group) => {
        let woken = false;
        const sleeper = group.spawn(() => sleep(60_000).finally(() => (woken = true)));
        await waitAllTasksBlocked();
        assert.equal(woken, false);
        sleeper.cancel();
        assert.ok(isCancelled(((await sleeper.outcome()) as unknown as { error: Error }).error.cause));
      });
    },
    { host: false },
  );
});
