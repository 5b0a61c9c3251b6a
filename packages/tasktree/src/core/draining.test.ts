/** Finishing what there is and taking no more: rule C11. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { reasonOf, rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  checkpoint,
  currentScope,
  isCancelled,
  moveOnAfter,
  now,
  openTaskGroup,
  shield,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type Scope,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

test("C11a drain tells everything inside, also what is opened later, and nothing outside", () =>
  virtually(async () => {
    const seen: boolean[] = [];
    await withTaskGroup(async (around) => {
      await withCancelScope(async (scope) => {
        await withTaskGroup(async (group) => {
          const inner = group.spawn(async () => {
            await sleep(10);
            seen.push(currentScope().draining);
            await shield(
              async () => {
                seen.push(currentScope().draining);
              },
              { timeout: 10 },
            );
          });
          assert.equal(scope.draining, false);
          scope.drain(1000);
          assert.equal(scope.draining, true);
          assert.equal(group.draining, true);
          assert.equal(around.draining, false);
          await inner;
          group.spawn(() => void seen.push(currentScope().draining));
          await withCancelScope((scope) => void seen.push(scope.draining));
        });
      });
      assert.equal(around.draining, false);
      assert.equal(currentScope().draining, false);
    });
    assert.deepEqual(seen, [true, true, true, true]);
  }));

test("C11a drain leaves the work alone until its time is over, then cancels", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await withCancelScope(async (scope) => {
      scope.drain(100);
      assert.equal(scope.cancelRequested, false);
      await checkpoint();
      await sleep(99);
      log.push(now());
      const error = await rejection(sleepForever());
      assert.ok(isCancelled(error));
      assert.equal(error.why, "explicit");
      log.push(now(), scope.cancelRequested);
    });
    assert.deepEqual(log, [99, 100, true]);
  }));

test("C11a a scope that ends while draining is not cancelled", () =>
  virtually(async () => {
    const scope = await withCancelScope(async (scope) => {
      scope.drain(100);
      await sleep(10);
      return scope;
    });
    await sleep(1000);
    assert.equal(scope?.draining, true);
    assert.equal(scope?.cancelRequested, false);
  }));

test("C11a drain(0) cancels there and then, drain(Infinity) never", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.drain(0);
      assert.equal(scope.draining, true);
      assert.equal(scope.cancelRequested, true);
    });
    await withCancelScope(async (scope) => {
      scope.drain(Infinity);
      await sleep(1e7);
      assert.equal(scope.draining, true);
      assert.equal(scope.cancelRequested, false);
    });
  }));

test("C11a a drain inside a drain keeps its own time", () =>
  virtually(async () => {
    for (const [outerMs, innerMs] of [
      [100, 30],
      [30, 100],
    ] as const) {
      const start = now();
      const cuts: number[] = [];
      await withCancelScope(async (outer) => {
        await withCancelScope(async (inner) => {
          outer.drain(outerMs);
          inner.drain(innerMs);
          await rejection(sleepForever());
          cuts.push(now() - start);
        });
        if (cuts[0] === outerMs) return;
        assert.equal(outer.cancelRequested, false);
        await rejection(sleepForever());
        cuts.push(now() - start);
      });
      assert.deepEqual(cuts, outerMs > innerMs ? [30, 100] : [30]);
    }
  }));

test("C11a draining a scope that was cancelled changes nothing", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.cancel("first");
      scope.drain(10);
      assert.equal(scope.draining, false);
      assert.equal(reasonOf(await rejection(checkpoint())), "first");
    });
  }));

test("C11b waitDraining waits for a drain of the scope, or of one around it", () =>
  virtually(async () => {
    for (const which of ["outer", "inner"] as const) {
      const log: string[] = [];
      await withCancelScope(async (outer) => {
        await withCancelScope(async (inner) => {
          await withTaskGroup(async (group) => {
            for (const name of ["a", "b"]) {
              group.spawn(async () => {
                await inner.waitDraining();
                log.push(name);
              });
            }
            await waitAllTasksBlocked();
            assert.deepEqual(log, []);
            (which === "outer" ? outer : inner).drain(1000);
          });
        });
      });
      assert.deepEqual(log, ["a", "b"]);
      assert.ok(now() < 1000);
    }
  }));

test("C11b waitDraining of a scope around is not ended by a drain further in", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      await withCancelScope(async (inner) => {
        inner.drain(1000);
        await inner.waitDraining();
        assert.equal(await moveOnAfter(10, () => outer.waitDraining().then(() => "drained")), undefined);
      });
    });
  }));

test("C11b waitDraining resolves at once while draining, and is a checkpoint", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.drain(1000);
      await scope.waitDraining();
      await withCancelScope(async (inner) => {
        inner.cancel();
        assert.ok(isCancelled(await rejection(scope.waitDraining())));
      });
    });
  }));

test("C11b waitDraining ends with its scope, which has nothing left to drain", () =>
  virtually(async () => {
    let scope!: Scope;
    const group = openTaskGroup();
    await withCancelScope(async (inner) => {
      scope = inner;
      group.spawn(() => inner.waitDraining());
      await sleep(5);
    });
    await group.join();
    assert.equal(now(), 5);
    await scope.waitDraining();
    assert.equal(scope.draining, false);
  }));

test("C11b waitDraining can be cancelled, then no drain wakes it", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      assert.equal(await moveOnAfter(10, () => scope.waitDraining().then(() => "drained")), undefined);
      void scope.waitDraining();
      scope.drain(5);
      await rejection(sleepForever());
    });
  }));

test("K9 a waitDraining() that nobody awaits is not reported unhandled when it is cancelled", async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", note);
  try {
    // outside of any run: nobody but the process would be told
    await withCancelScope(async (scope) => {
      void scope.waitDraining();
      scope.cancel();
    });
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  } finally {
    process.off("unhandledRejection", note);
  }
  assert.deepEqual(unhandled, []);
});
