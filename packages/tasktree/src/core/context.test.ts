import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { skipOn } from "../../test/runtime.ts";
import { virtually } from "../../test/virtual.ts";
import {
  abandonOnCancel,
  CancelledError,
  checkpoint,
  currentScope,
  currentSignal,
  currentTask,
  isCancelled,
  moveOnAfter,
  now,
  openTaskGroup,
  outside,
  run,
  sleep,
  sleepForever,
  TaskLocal,
  WorkCancelledError,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { VirtualClock, waitAllTasksBlocked } from "../testing/index.ts";

/** What a library such as a tracer stores. */
const trace = new AsyncLocalStorage<string>();

test("X1a a child has its spawner's context, which other libraries wrote", async () => {
  await virtually(async () => {
    const seen: (string | undefined)[] = [];
    await trace.run("opener", () =>
      withTaskGroup(async (group) => {
        const tell = async () => {
          await sleep(1);
          seen.push(trace.getStore());
        };
        group.spawn(tell);
        trace.run("spawner", () => group.spawn(tell));
        await trace.run("spawner of an attempt", () => group.attempt(tell));
        await trace.run("starter", () =>
          group.start(async (started: () => void) => {
            await tell();
            started();
          }),
        );
      }),
    );
    assert.deepEqual(new Set(seen), new Set(["opener", "spawner", "spawner of an attempt", "starter"]));
  });
});

test(
  "X1a what a library stores inside of scopes and tasks stays inside",
  skipOn({ bun: "`enterWith` of one store outlasts the `run` of another" }),
  async () => {
    await virtually(async () => {
      trace.enterWith("main");
      await withCancelScope(async () => {
        assert.equal(trace.getStore(), "main");
        trace.enterWith("scope");
        await sleep(1);
        assert.equal(trace.getStore(), "scope");
      });
      assert.equal(trace.getStore(), "main");
      await withTaskGroup((group) => {
        group.spawn(() => trace.enterWith("task"));
        assert.equal(trace.getStore(), "main");
      });
      assert.equal(trace.getStore(), "main");
    });
  },
);

test("X1a a child has its group's scope, wherever it was spawned from", async () => {
  await virtually(async () => {
    await withTaskGroup(async (outer) => {
      const cut: string[] = [];
      const child = async () => {
        assert.equal(currentTask()!.path, "main/outer child");
        await sleepForever().catch(() => cut.push("child"));
      };
      await withCancelScope(async (inner) => {
        outer.spawn(child, { name: "outer child" });
        inner.cancel();
      });
      await waitAllTasksBlocked();
      assert.deepEqual(cut, []);
      outer.cancel();
    }).catch((error: unknown) => assert.ok(error instanceof WorkCancelledError));
  });
});

test("X1a a child spawned by an event handler has the emitting code's context and the group's scope", async () => {
  await virtually(async () => {
    const emitter = new EventEmitter();
    const seen: unknown[] = [];
    await withTaskGroup(async (group) => {
      emitter.on("event", () => {
        group.spawn(
          async () => {
            seen.push(trace.getStore(), currentTask()!.path);
            await sleepForever();
          },
          { name: "handler" },
        );
      });
      await withTaskGroup(async (other) => {
        await other.spawn(() => trace.run("emitter", () => emitter.emit("event")), { name: "emitter" });
      });
      await waitAllTasksBlocked();
      group.cancel();
    }).catch(() => undefined);
    assert.deepEqual(seen, ["emitter", "main/handler"]);
  });
});

test("X1a a child spawned from outside of every task is inside its group", async () => {
  const emitter = new EventEmitter();
  const seen: string[] = [];
  const running = virtually(() =>
    withTaskGroup(async (group) => {
      emitter.on("event", () => void group.spawn(() => seen.push(currentTask()!.path), { name: "handler" }));
      await sleep(1000);
    }),
  );
  emitter.emit("event");
  await running;
  assert.deepEqual(seen, ["main/handler"]);
});

test("X1b code left behind by a cancelled scope sees that scope's error at every checkpoint", async () => {
  await virtually(async () => {
    let late: Promise<unknown> | undefined;
    let own: unknown;
    await withCancelScope(async (scope) => {
      late = (async () => {
        own = await rejection(sleepForever());
        for (let tick = 0; tick < 20; tick++) await null;
        return await rejection(sleep(1));
      })();
      await null;
      scope.cancel();
      await checkpoint();
    });
    const error = await late;
    assert.ok(error instanceof CancelledError);
    assert.equal(error, own);
  });
});

test("X1b code left behind by a scope that was not cancelled counts as part of the nearest living one", async () => {
  await virtually(async () => {
    let late: Promise<unknown> | undefined;
    await withCancelScope(
      async (outer) => {
        await withCancelScope(
          () =>
            withCancelScope(
              () => {
                late = leftBehind();
              },
              { name: "inner" },
            ),
          { name: "middle" },
        );
        assert.equal(await Promise.race([late, sleep(5)]), undefined);
        outer.cancel();
        assert.deepEqual(await late, ["main/outer", true]);
        await checkpoint();
      },
      { name: "outer" },
    );

    async function leftBehind() {
      for (let tick = 0; tick < 20; tick++) await null;
      const { path } = currentScope();
      return [path, isCancelled(await rejection(sleepForever()))];
    }
  });
});

test("X1b a wait that was left behind goes on in the scope around, and is cut with that", async () => {
  await virtually(async () => {
    let waiting: Promise<unknown> | undefined;
    await withCancelScope(async (outer) => {
      await withCancelScope(() => {
        waiting = rejection(sleepForever());
      });
      await waitAllTasksBlocked();
      outer.cancel();
      const error = await waiting;
      assert.ok(isCancelled(error));
      throw error;
    });
  });
});

test("X1b a timer left behind by a task belongs to the group's surroundings", async () => {
  await virtually(async () => {
    const seen = Promise.withResolvers<string>();
    await withTaskGroup((group) => {
      group.spawn(() => void setTimeout(() => seen.resolve(currentScope().path), 1), { name: "task" });
    });
    assert.equal(await seen.promise, "main");
  });
});

test("X2 onEnd is called in the context of its registration", async () => {
  await virtually(async () => {
    const local = new TaskLocal({ default: "none" });
    const seen: unknown[] = [];
    const tell = () => seen.push([local.get(), trace.getStore(), currentTask()?.name]);
    await withTaskGroup(async (group) => {
      const task = local.run("spawner", () => group.spawn(() => sleep(1), { name: "task" }));
      local.run("listener", () => trace.run("tracer", () => task.onEnd(tell)));
      await task;
      local.run("late", () => task.onEnd(tell));
    });
    assert.deepEqual(seen, [
      ["listener", "tracer", "main"],
      ["late", undefined, "main"],
    ]);
  });
});

test("X2 onLate is called in the context of its registration", async () => {
  await virtually(async () => {
    const local = new TaskLocal({ default: "none" });
    const seen = Promise.withResolvers<unknown[]>();
    const { promise, resolve } = Promise.withResolvers<number>();
    await moveOnAfter(1, () =>
      local.run("caller", () =>
        abandonOnCancel(promise, { onLate: (value) => seen.resolve([value, local.get(), currentTask()?.name]) }),
      ),
    );
    outside(() => resolve(7));
    assert.deepEqual(await seen.promise, [7, "caller", "main"]);
  });
});

test("X2 C7b an abort listener of a scope's signal runs in that scope", async () => {
  await virtually(async () => {
    const seen: (string | undefined)[] = [];
    await withCancelScope(
      async (scope) => {
        scope.signal.addEventListener("abort", () => seen.push(currentScope().path));
        outside(() => scope.cancel());
        await sleepForever();
      },
      { name: "request" },
    );
    assert.deepEqual(seen, ["main/request"]);
  });
});

test("X3 outside() runs its function under the root, at once, and gives its value or error", async () => {
  await virtually(async () => {
    await withCancelScope(async () => {
      assert.equal(
        outside(() => 42),
        42,
      );
      const thrower = () => {
        throw new Error("inside of outside");
      };
      assert.throws(() => outside(thrower), /inside of outside/);
      assert.deepEqual(
        outside(() => [currentTask(), currentScope().path]),
        [undefined, "root"],
      );
      assert.equal(currentTask()?.name, "main");
    });
  });
});

test("X3 what outside() starts is not reached by the task's cancellation, nor by its context", async () => {
  await virtually(async () => {
    let tick: Promise<unknown> | undefined;
    let end = Infinity;
    await trace.run("request", () =>
      moveOnAfter(10, async () => {
        tick = outside(async () => {
          assert.equal(trace.getStore(), undefined);
          assert.equal(currentSignal().aborted, false);
          await sleep(50);
          end = now();
        });
        await sleepForever();
      }),
    );
    await tick;
    assert.equal(end, 50);
  });
});

test("X3 a group opened in outside() outlives the task that opened it, and ends with the run", async () => {
  const ended: string[] = [];
  await virtually(async () => {
    await withTaskGroup((group) => {
      group.spawn(() => {
        const pool = outside(() => openTaskGroup({ name: "pool" }));
        pool.spawn(() => sleepForever().finally(() => ended.push("pool")));
      });
    });
    await waitAllTasksBlocked();
    assert.deepEqual(ended, []);
  });
  assert.deepEqual(ended, ["pool"]);
});

test("X3 what runs in outside() is cancelled with the root", async () => {
  let error: unknown;
  await virtually(async () => {
    const pending = outside(() => rejection(sleepForever()));
    outside(() => currentScope().cancel("over"));
    error = await pending;
  }).catch(() => undefined);
  assert.ok(error instanceof CancelledError);
});

test("X3 outside() sees the context in which run() was called", async () => {
  await trace.run("server", () =>
    run(
      () =>
        trace.run("request", () => {
          assert.equal(
            outside(() => trace.getStore()),
            "server",
          );
        }),
      { clock: new VirtualClock() },
    ),
  );
});

test("X3 outside() works outside of every run, and rejects what is no function", () => {
  assert.equal(
    outside(() => currentTask()),
    undefined,
  );
  assert.throws(() => outside(Promise.resolve() as unknown as () => void), TypeError);
});
