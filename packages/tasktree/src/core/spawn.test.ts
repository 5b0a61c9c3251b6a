/** Starting children, and where that is refused: rules K2 and K7. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  currentScope,
  currentTask,
  InvalidStateError,
  isCancelled,
  now,
  shield,
  sleep,
  suppressedErrors,
  withCancelScope,
  withTaskGroup,
  WorkCancelledError,
  type TaskGroup,
} from "../index.ts";
import type { Instrument } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";
import { cleaningUp } from "../../test/cleaning-up.ts";
import { failing } from "../../test/cleaning-up.ts";

test("K2a spawn calls the function before it returns", () =>
  virtually(() =>
    withTaskGroup((group) => {
      let called = false;
      group.spawn(async () => {
        called = true;
        await checkpoint();
      });
      assert.equal(called, true);
    }),
  ));

test("K2b what the function throws synchronously is the task's failure", () =>
  virtually(async () => {
    const error = new Error("at once");
    let spawned = false;
    const group = withTaskGroup((group) => {
      const task = group.spawn(() => {
        throw error;
      });
      spawned = true;
      assert.equal(task.status, "failed");
    });
    assert.equal(await rejection(group), error);
    assert.equal(spawned, true);
  }));

test("K2c a child that cancels its group before its first await does not run on", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup((group) => {
      group.spawn(async () => {
        group.cancel();
        seen.push("before");
        await checkpoint();
        seen.push("after");
      });
      assert.throws(() => group.spawn(() => seen.push("sibling")), CancelledError);
    });
    assert.deepEqual(seen, ["before"]);
  }));

test("K2c a child that fails before its first await cancels the block at its next checkpoint", () =>
  virtually(async () => {
    const error = new Error("at once");
    const seen: string[] = [];
    const group = withTaskGroup(async (group) => {
      group.spawn(() => failing(error));
      await cleaningUp(seen, "block");
    });
    assert.equal(await rejection(group), error);
    assert.deepEqual(seen, ["block"]);
  }));

test("K7a spawning into a cancelled group from inside throws its CancelledError and calls nothing", () =>
  virtually(async () => {
    let called = false;
    let thrown: unknown;
    const group = withTaskGroup(async (group) => {
      group.cancel("enough");
      try {
        group.spawn(() => (called = true));
      } catch (error) {
        thrown = error;
        throw error;
      }
      await checkpoint();
    });
    await assert.rejects(group, WorkCancelledError);
    assert.ok(isCancelled(thrown));
    assert.equal(thrown.reason, "enough");
    assert.equal(called, false);
  }));

test("K7a the throw of spawn counts as told: cleanup after it can wait", () =>
  virtually(async () => {
    let cleaned = false;
    await withCancelScope(async (scope) => {
      await withTaskGroup(async (group) => {
        scope.cancel();
        try {
          group.spawn(() => {});
        } finally {
          await sleep(10);
          cleaned = true;
        }
      });
    });
    assert.equal(cleaned, true);
  }));

test("K7b spawning into a cancelled group from outside throws WorkCancelledError", () =>
  virtually(() =>
    withTaskGroup(async (outer) => {
      let inner: TaskGroup | undefined;
      outer.spawn(() =>
        withTaskGroup(async (group) => {
          inner = group;
          await cleaningUp([], "", 100);
        }).catch((error: unknown) => assert.ok(error instanceof WorkCancelledError)),
      );
      await waitAllTasksBlocked();
      inner!.cancel("enough");
      let called = false;
      assert.throws(
        () => inner!.spawn(() => (called = true)),
        (error: unknown) =>
          error instanceof WorkCancelledError && isCancelled(error.cause) && error.cause.reason === "enough",
      );
      assert.equal(
        inner!.trySpawn(() => (called = true)),
        undefined,
      );
      assert.equal(called, false);
    }),
  ));

test("K7c spawning into a group that has ended throws InvalidStateError naming it; trySpawn gives undefined", () =>
  virtually(async () => {
    let kept: TaskGroup | undefined;
    await withTaskGroup((group) => void (kept = group), { name: "requests" });
    let called = false;
    assert.throws(() => kept!.spawn(() => (called = true)), {
      name: "InvalidStateError",
      message: /main\/requests.*has ended/,
    });
    assert.throws(() => kept!.attempt(() => (called = true)), InvalidStateError);
    await assert.rejects(
      kept!.start(() => (called = true)),
      InvalidStateError,
    );
    assert.equal(
      kept!.trySpawn(() => (called = true)),
      undefined,
    );
    assert.equal(called, false);
  }));

test("K7c trySpawn of an open group is spawn", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const task = group.trySpawn(() => "value");
      assert.equal(await task, "value");
    }),
  ));

test("K7d a group opened while unwinding accepts children until the cut-off", () =>
  virtually(
    async () => {
      const seen: unknown[] = [];
      await withCancelScope(async (scope) => {
        scope.cancel();
        try {
          await checkpoint();
        } finally {
          const cleanup = withTaskGroup(async (group) => {
            group.spawn(() => sleep(10).then(() => seen.push("closed a")));
            group.spawn(() => sleep(10).then(() => seen.push("closed b")));
            await rejection(sleep(1000));
            assert.equal(now(), 300);
            assert.throws(() => group.spawn(() => seen.push("too late")), CancelledError);
          });
          await assert.rejects(cleanup, CancelledError);
        }
      });
      assert.deepEqual(seen, ["closed a", "closed b"]);
    },
    { grace: 300 },
  ));

test("K2a the child is registered before its function is called", async () => {
  const told: string[] = [];
  const instrument: Instrument = { taskSpawned: (task) => told.push(task.name) };
  await virtually(
    () =>
      withTaskGroup((group) => {
        const outside = currentScope();
        group.spawn(
          () => {
            assert.equal(currentTask()?.name, "child");
            assert.equal(currentTask()?.status, "running");
            assert.deepEqual(told, ["main", "child"]);
          },
          { name: "child" },
        );
        assert.equal(currentScope(), outside);
      }),
    { instruments: [instrument] },
  );
});

test("K2b whatever goes wrong with what the function returns is the task's failure too", () =>
  virtually(async () => {
    const error = new Error("then");
    const hostile = {
      get then(): never {
        throw error;
      },
    };
    const rejecting = {
      then(): never {
        throw error;
      },
    };
    for (const returned of [hostile, rejecting]) {
      assert.equal(await rejection(withTaskGroup((group) => void group.spawn(() => returned as unknown))), error);
    }
  }));

test("K2c a child that fails at once: the block's next spawn throws, and calls nothing", () =>
  virtually(async () => {
    const error = new Error("at once");
    let called = false;
    let thrown: unknown;
    const group = withTaskGroup((group) => {
      group.spawn(() => {
        throw error;
      });
      try {
        group.spawn(() => (called = true));
      } catch (caught) {
        thrown = caught;
        throw caught;
      }
    });
    assert.equal(await rejection(group), error);
    assert.ok(isCancelled(thrown) && thrown.reason === error);
    assert.equal(called, false);
    assert.deepEqual(suppressedErrors(error), []);
  }));

test("K7a attempt and start refuse in a cancelled group as spawn does", () =>
  virtually(async () => {
    const calls: string[] = [];
    await rejection(
      withTaskGroup(async (group) => {
        group.cancel();
        assert.throws(() => group.attempt(() => calls.push("attempt")), CancelledError);
        assert.ok(isCancelled(await rejection(group.start(() => calls.push("start")))));
        assert.equal(
          group.trySpawn(() => calls.push("trySpawn")),
          undefined,
        );
        await shield(
          () => {
            assert.throws(() => group.spawn(() => calls.push("shielded")), CancelledError);
          },
          { timeout: 10 },
        );
      }),
    ).catch(() => {});
    assert.deepEqual(calls, []);
  }));

test("K7a the error is that of the outermost cancelled scope, and passes through the group as its cancellation", () =>
  virtually(async () => {
    let thrown: unknown;
    const value = await withCancelScope(async (outer) => {
      await withTaskGroup((group) => {
        group.cancel("inner");
        outer.cancel("outer");
        try {
          group.spawn(() => {});
        } catch (error) {
          thrown = error;
          throw error;
        }
      });
    });
    assert.equal(value, undefined);
    assert.ok(isCancelled(thrown) && thrown.reason === "outer");
  }));

test("K7c a group that was cancelled and has ended refuses as one that has ended", () =>
  virtually(async () => {
    let kept: TaskGroup | undefined;
    await withTaskGroup((group) => {
      kept = group;
      group.cancel();
    });
    assert.throws(() => kept!.spawn(() => {}), InvalidStateError);
  }));

test("K7c so does a group whose run is over, from inside another run", async () => {
  let kept: TaskGroup | undefined;
  await virtually(() => withTaskGroup((group) => void (kept = group)));
  await virtually(() => {
    assert.throws(() => kept!.spawn(() => {}), InvalidStateError);
    assert.equal(
      kept!.trySpawn(() => {}),
      undefined,
    );
  });
});

test("K7d a failure in a group opened while unwinding cancels the siblings and comes out", () =>
  virtually(async () => {
    const error = new Error("close");
    const seen: string[] = [];
    const scope = withCancelScope(async (scope) => {
      scope.cancel();
      try {
        await checkpoint();
      } finally {
        await withTaskGroup((group) => {
          group.spawn(() => cleaningUp(seen, "sibling", 5));
          group.spawn(() => failing(error, 1));
        });
      }
    });
    assert.equal(await rejection(scope), error);
    assert.deepEqual(seen, ["sibling"]);
  }));

test("K7d a group that was open when the cancellation came accepts no more children in its cleanup", () =>
  virtually(async () => {
    let called = false;
    await withCancelScope(async (scope) => {
      await withTaskGroup(async (group) => {
        scope.cancel();
        try {
          await checkpoint();
        } finally {
          assert.throws(() => group.spawn(() => (called = true)), CancelledError);
        }
      });
    });
    assert.equal(called, false);
  }));
