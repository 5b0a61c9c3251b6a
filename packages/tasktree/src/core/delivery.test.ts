/** Who is told of a cancellation, and when: rule C2. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  abandonOnCancel,
  checkpoint,
  isCancelled,
  moveOnAfter,
  now,
  Semaphore,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

// --- C2: delivery

test("C2a cancel() cuts every wait in progress in the subtree, whatever it waits for", () =>
  virtually(async () => {
    const semaphore = new Semaphore(0, { max: 1 });
    const errors: unknown[] = [];
    let error: unknown;
    await withTaskGroup(async (group) => {
      const other = group.spawn(() => sleep(1000));
      await withCancelScope(async (scope) => {
        await withTaskGroup(async (inner) => {
          const waits = [
            () => sleepForever(),
            () => sleep(500),
            () => semaphore.acquire(),
            () => other,
            () => other.outcome(),
            () => abandonOnCancel(new Promise(() => {})),
            () => scope.waitDraining(),
            () => withCancelScope(() => sleepForever()),
            () => moveOnAfter(800, () => sleepForever()),
          ];
          for (const wait of waits) inner.spawn(async () => errors.push(await rejection(wait())));
          await waitAllTasksBlocked();
          assert.deepEqual(errors, []);
          scope.cancel();
          error = await rejection(checkpoint());
          await waitAllTasksBlocked();
          assert.equal(errors.length, waits.length);
        });
      });
      assert.equal(now(), 0);
    });
    for (const one of errors) assert.equal(one, error);
    assert.deepEqual(semaphore.statistics(), { free: 0, held: 0, waiting: 0 });
  }));

test("C2a two waits of one node are both cut with the same error", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      const waits = Promise.allSettled([sleepForever(), sleep(10), sleepForever()]);
      scope.cancel();
      const results = await waits;
      const errors = results.map((result) => (result.status === "rejected" ? result.reason : undefined));
      assert.ok(isCancelled(errors[0]));
      assert.deepEqual(new Set(errors).size, 1);
      await checkpoint();
    });
  }));

test("C2a a node with no wait throws at its next checkpoint, once", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.cancel();
      await null;
      await rejection(checkpoint());
      await checkpoint();
      await sleep(10);
      assert.equal(now(), 10);
    });
  }));

test("C2a each node of the subtree is told on its own", () =>
  virtually(async () => {
    const log: string[] = [];
    await withCancelScope(async (scope) => {
      await withTaskGroup(async (group) => {
        group.spawn(async () => {
          await rejection(sleepForever());
          log.push("waiting: cut");
          await checkpoint();
          log.push("waiting: unwinds");
        });
        const { promise, resolve } = Promise.withResolvers<void>();
        group.spawn(async () => {
          await promise;
          await rejection(checkpoint());
          log.push("busy: cut");
          await checkpoint();
          log.push("busy: unwinds");
        });
        await waitAllTasksBlocked();
        scope.cancel();
        await rejection(waitAllTasksBlocked());
        await waitAllTasksBlocked();
        log.push("block");
        resolve();
        await waitAllTasksBlocked();
      });
    });
    assert.deepEqual(log, ["waiting: cut", "waiting: unwinds", "block", "busy: cut", "busy: unwinds"]);
  }));

test("C2c in a node that was told, finally, catch and disposers can await until the cut-off", () =>
  virtually(async () => {
    const log: string[] = [];
    const semaphore = new Semaphore(1);
    const step = async (what: string): Promise<void> => {
      await sleep(100);
      using _permit = await semaphore.acquire();
      await checkpoint();
      log.push(`${what} ${now()}`);
    };
    await withCancelScope(async (scope) => {
      queueMicrotask(() => scope.cancel());
      await using _resource = { [Symbol.asyncDispose]: () => step("disposer") };
      try {
        await sleepForever();
      } catch (error) {
        await step("catch");
        throw error;
      } finally {
        await step("finally");
      }
    });
    assert.deepEqual(log, ["catch 100", "finally 200", "disposer 300"]);
  }));

test("C2c a throw at a checkpoint tells the node as a cut wait does", () =>
  virtually(async () => {
    let cleaned = 0;
    await withCancelScope(async (scope) => {
      scope.cancel();
      try {
        await checkpoint();
      } finally {
        await sleep(4999);
        cleaned = now();
      }
    });
    assert.equal(cleaned, 4999);
  }));

test("C2c what a shielded or a called function's wait was cut by tells the node of that code, not another", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      const { promise, resolve } = Promise.withResolvers<unknown>();
      await withTaskGroup(async (group) => {
        // its wait is made in the task's node, though the block's code handles it
        group.spawn(() => {
          resolve(rejection(sleepForever()));
          return sleepForever();
        });
        await waitAllTasksBlocked();
        scope.cancel();
        assert.ok(isCancelled(await promise));
        assert.ok(isCancelled(await rejection(checkpoint())), "the block had not been told");
      });
    });
  }));

// --- C2: who is told

test("C2e an error that leaves a child scope tells the parent, through any kind of scope", () =>
  virtually(async () => {
    const kinds: ((fn: () => Promise<unknown>) => Promise<unknown>)[] = [
      (fn) => withCancelScope(fn),
      (fn) => moveOnAfter(1e6, fn),
      (fn) => withTaskGroup(fn),
      (fn) => withCancelScope(() => withTaskGroup(() => withCancelScope(fn))),
    ];
    for (const kind of kinds) {
      let cleaned = false;
      await withCancelScope(async (scope) => {
        try {
          await kind(() => (scope.cancel(), sleepForever()));
        } finally {
          await sleep(10);
          cleaned = true;
        }
      });
      assert.equal(cleaned, true);
    }
  }));

test("C2e an error that is swallowed inside a child scope does not tell the parent", () =>
  virtually(async () => {
    for (const kind of [withCancelScope, withTaskGroup] as ((fn: () => Promise<unknown>) => Promise<unknown>)[]) {
      await withCancelScope(async (scope) => {
        const inner = kind(async () => {
          scope.cancel();
          await rejection(checkpoint());
          await checkpoint();
        });
        // a group that was cancelled from outside gives no value (K12), and so tells the parent
        if (kind === (withTaskGroup as never)) return assert.ok(isCancelled(await rejection(inner)));
        await inner;
        assert.ok(isCancelled(await rejection(checkpoint())), "the parent is told here");
        await checkpoint();
      });
    }
  }));

test("C2e a cancelled child that swallows leaves the parent to be told at its own checkpoint", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      const value = await withCancelScope(async (inner) => {
        inner.cancel();
        await rejection(checkpoint());
        outer.cancel();
        await checkpoint();
        return "swallowed";
      });
      assert.equal(value, "swallowed");
      assert.ok(isCancelled(await rejection(checkpoint())));
      await checkpoint();
    });
  }));

test("C2e a scope that absorbs its own cancellation tells the parent nothing", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      await withCancelScope((inner) => (inner.cancel(), sleepForever()));
      outer.cancel();
      assert.ok(isCancelled(await rejection(checkpoint())));
    });
  }));

test("C2f a scope opened while unwinding starts told: it can await, and spawn", () =>
  virtually(async () => {
    const log: string[] = [];
    await withCancelScope(async (scope) => {
      scope.cancel();
      try {
        await checkpoint();
      } finally {
        await withCancelScope(() => sleep(10));
        log.push(`scope ${now()}`);
        await withTaskGroup(async (group) => {
          group.spawn(async () => {
            await sleep(10);
            log.push(`task ${now()}`);
          });
        });
        await moveOnAfter(1000, () => moveOnAfter(1000, () => sleep(10)));
        log.push(`nested ${now()}`);
      }
    });
    assert.deepEqual(log, ["scope 10", "task 20", "nested 30"]);
  }));

test("C2f a scope opened while unwinding inherits the cut-off", () =>
  virtually(async () => {
    const cuts: number[] = [];
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        await rejection(checkpoint());
        await sleep(40);
        await rejection(
          withCancelScope(
            async () => {
              assert.ok(isCancelled(await rejection(sleepForever())));
              cuts.push(now());
              await checkpoint();
            },
            { grace: 1e6 },
          ),
        );
      },
      { grace: 100 },
    );
    assert.deepEqual(cuts, [100]);
  }));

test("C2f a scope opened before the node was told is told on its own", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.cancel();
      await withCancelScope(async () => {
        assert.ok(isCancelled(await rejection(checkpoint())));
        await checkpoint();
      });
      assert.ok(isCancelled(await rejection(checkpoint())));
    });
  }));
