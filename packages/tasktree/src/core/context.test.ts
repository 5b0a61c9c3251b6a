import assert from "node:assert/strict";
import {
  AsyncLocalStorage,
  AsyncResource,
  createHook,
  executionAsyncId,
  executionAsyncResource,
} from "node:async_hooks";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { program, runFile } from "../../test/child.ts";
import { everywhere } from "../../test/everywhere.ts";
import { Job } from "../../test/job.ts";
import { rejection } from "../../test/rejection.ts";
import { runtime, skipOn } from "../../test/runtime.ts";
import { virtually } from "../../test/virtual.ts";
import {
  abandonOnCancel,
  CancelledError,
  checkpoint,
  currentScope,
  currentSignal,
  currentTask,
  failAfter,
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
import { spawnChild } from "../lowlevel.ts";
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

/** What everything that enters a context sees of ours and of what others store, beside what it is to see. */
async function seenEverywhere(stored: unknown, look: () => unknown): Promise<void> {
  const local = new TaskLocal({ default: "none" });
  const seen = await local.run("ours", () =>
    everywhere(() => [currentTask()!.path.startsWith("main"), local.get(), look()]),
  );
  assert.ok(Object.keys(seen).length > 20);
  const wanted = [true, "ours", stored];
  for (const [where, looks] of Object.entries(seen)) assert.deepEqual(looks, [wanted, wanted], where);
}

test("X1a with no store but ours, everything that enters a context has its scope and its values", () =>
  virtually(() => seenEverywhere(undefined, () => trace.getStore())));

test("X1a what another library stored around run(), or inside, is seen in everything that enters a context, and so is ours", async () => {
  const look = (): unknown => trace.getStore();
  await trace.run("around", () =>
    virtually(async () => {
      await seenEverywhere("around", look);
      await trace.run("inside", () => seenEverywhere("inside", look));
      await trace.run(undefined as never, () => seenEverywhere(undefined, look));
      await seenEverywhere("around", look);
    }),
  );
  await virtually(async () => {
    await withCancelScope(() => trace.run("in a block", () => seenEverywhere("in a block", look)));
    await failAfter(100, () => seenEverywhere(undefined, look));
  });
});

test("X1a of two other libraries' stores both are seen, also one whose value is undefined", async () => {
  const other = new AsyncLocalStorage<number | undefined>();
  const look = (): unknown => [trace.getStore(), other.getStore()];
  await virtually(async () => {
    await other.run(undefined, () => seenEverywhere([undefined, undefined], look));
    await other.run(1, () => trace.run("both", () => seenEverywhere(["both", 1], look)));
    await other.run(1, () => seenEverywhere([undefined, 1], look));
  });
});

test(
  "X1a what another library enters without a block is seen in what begins after it, between two children too",
  skipOn({ bun: "`enterWith` of one store outlasts the `run` of another" }),
  async () => {
    const look = (): unknown => trace.getStore();
    await virtually(async () => {
      trace.enterWith("main");
      await seenEverywhere("main", look);
      const seen: unknown[] = [];
      await withTaskGroup((group) => {
        const tell = async (): Promise<void> => {
          const before = look();
          await sleep(1);
          seen.push([before, look()]);
        };
        for (const stored of ["first", "second"]) {
          trace.enterWith(stored);
          group.spawn(tell);
          spawnChild(group, new Job(tell));
        }
      });
      const wanted = ["first", "first", "second", "second"];
      assert.deepEqual(
        seen,
        wanted.map((stored) => [stored, stored]),
      );
    });
  },
);

test("X1a what a child stores reaches neither its siblings nor its spawner, with or without another's store around", async () => {
  await virtually(async () => {
    for (const around of [undefined, "around"]) {
      const seen: unknown[] = [];
      const spawnAll = () =>
        withTaskGroup((group) => {
          for (const name of ["a", "b"]) {
            group.spawn(async () => {
              seen.push(trace.getStore());
              await trace.run(name, () => sleep(1));
              seen.push(trace.getStore());
            });
            seen.push(trace.getStore());
          }
        });
      await (around === undefined ? spawnAll() : trace.run(around, spawnAll));
      assert.deepEqual(seen, Array<unknown>(6).fill(around));
    }
  });
});

test("X1a the default of another library's store is seen in everything that enters a context", async () => {
  const other = new AsyncLocalStorage<string>({ defaultValue: "default" });
  const outside = other.getStore(); // undefined on a runtime that has no defaults
  await virtually(async () => {
    await seenEverywhere(outside, () => other.getStore());
    await other.run("inside", () => seenEverywhere("inside", () => other.getStore()));
  });
});

test("X1a what another library switches off, leaves or captures in a task takes nothing of ours away", async () => {
  await virtually(async () => {
    const local = new TaskLocal({ default: "none" });
    const other = new AsyncLocalStorage<string>();
    const look = (): unknown => [currentTask()?.path, local.get(), other.getStore()];
    let captured: (<R>(fn: () => R) => R) | undefined;
    let bound: (() => unknown) | undefined;
    await withTaskGroup((group) => {
      const child = async (): Promise<void> => {
        other.disable();
        assert.deepEqual(look(), ["main/child", "ours", undefined]);
        assert.deepEqual(other.exit(look), ["main/child", "ours", undefined]);
        captured = AsyncLocalStorage.snapshot() as typeof captured;
        bound = AsyncResource.bind(look);
        await other.run("theirs", async () => {
          assert.deepEqual(look(), ["main/child", "ours", "theirs"]);
          await sleep(1);
          other.disable();
          assert.deepEqual(look(), ["main/child", "ours", undefined]);
          await sleep(1);
        });
        assert.deepEqual(look(), ["main/child", "ours", undefined]);
      };
      local.run("ours", () => group.spawn(child, { name: "child" }));
    });
    const afterChild = ["main", "ours", undefined]; // the task has ended: who stands around it counts
    assert.deepEqual([captured!(look), bound!()], [afterChild, afterChild]);
    assert.deepEqual(
      other.run("around", () => captured!(look)),
      afterChild,
    );
  });
});

test("X1a a child that is an object has the values of its spawner and the scope of its group", async () => {
  await virtually(async () => {
    const local = new TaskLocal({ default: "none" });
    const seen: unknown[] = [];
    await withTaskGroup(async (group) => {
      const tell = async (): Promise<void> => {
        await sleep(1);
        seen.push([local.get(), currentTask()!.path]);
      };
      await withCancelScope(async (inner) => {
        local.run("spawner", () => spawnChild(group, new Job(tell)));
        inner.cancel();
      });
    });
    assert.deepEqual(seen, [["spawner", "main/job"]]);
  });
});

test(
  "X1a who watches node:async_hooks sees a resource of its own for each task and scope",
  skipOn({
    bun: "`executionAsyncResource` always gives the same object",
    deno: "a context is entered there without an AsyncResource",
  }),
  async () => {
    const made = new Map<number, string>();
    const hook = createHook({ init: (id, type) => void made.set(id, type) }).enable();
    const resources: object[] = [];
    const ids: number[] = [];
    const look = (): void => {
      resources.push(executionAsyncResource());
      ids.push(executionAsyncId());
    };
    try {
      await virtually(async () => {
        look();
        await withTaskGroup(async (group) => {
          look();
          for (let child = 0; child < 3; child++) group.spawn(look);
          for (let child = 0; child < 3; child++) spawnChild(group, new Job(look));
          await withCancelScope(look);
        });
      });
    } finally {
      hook.disable();
    }
    assert.equal(resources.length, 9);
    assert.equal(new Set(resources).size, resources.length);
    assert.equal(new Set(ids).size, ids.length);
    for (const id of ids) assert.equal(made.get(id), "tasktree");
  },
);

test("X1a contexts are kept apart also where Node does not show what it keeps of them, or keeps it in its older way", async () => {
  const older = "--no-async-context-frame"; // of Node 24
  const ways = [runFile(program("contexts.ts"), ["shown"])];
  if (runtime === "node") ways.push(runFile(program("contexts.ts"), ["hidden"]));
  if (runtime === "node" && process.allowedNodeEnvironmentFlags.has(older)) {
    ways.push(runFile(program("contexts.ts"), ["shown"], { env: { NODE_OPTIONS: older } }));
  }
  for (const { code, stdout, stderr } of await Promise.all(ways)) {
    assert.deepEqual([code, stdout.trim()], [0, "fine"], stderr);
  }
});

test(
  "X1a a task is entered as cheaply where tasktree was loaded while another library's store was in use",
  skipOn({
    bun: "AsyncResources show nothing of what they keep",
    deno: "AsyncResources show nothing of what they keep",
  }),
  async () => {
    const [plainly, late] = await Promise.all(
      ["plainly", "late"].map((way) => runFile(program("loaded-late.ts"), [way])),
    );
    assert.deepEqual(late, plainly);
    assert.deepEqual(late, { code: 0, stdout: "Frame", stderr: "" });
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
