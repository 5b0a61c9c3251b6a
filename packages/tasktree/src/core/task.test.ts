/** Tasks: rules K6, K8 to K10, K15 to K17. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { program, runFile, type Ended } from "../../test/child.ts";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  abandonOnCancel,
  all,
  checkpoint,
  currentTask,
  DeadlockError,
  failAfter,
  isCancelled,
  moveOnAfter,
  now,
  openTaskGroup,
  outside,
  race,
  Semaphore,
  sleep,
  sleepForever,
  suppressedErrors,
  TaskLocal,
  withCancelScope,
  withTaskGroup,
  WorkCancelledError,
  type Outcome,
  type Task,
  type TaskGroup,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

async function fails(error: unknown): Promise<never> {
  await checkpoint();
  throw error;
}

// --- K6

test("K6a cancelling a task ends that one alone, and its group does not fail", () =>
  virtually(async () => {
    const value = await withTaskGroup(async (group) => {
      const cancelled = group.spawn(sleepForever);
      const sibling = group.spawn(() => sleep(50).then(() => "sibling"));
      await waitAllTasksBlocked();
      cancelled.cancel();
      assert.equal((await cancelled.outcome()).status, "cancelled");
      return await sibling;
    });
    assert.equal(value, "sibling");
  }));

test("K6a cancelling a task that has ended changes nothing", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const task = group.spawn(() => 1);
      await task;
      task.cancel();
      assert.equal(task.status, "ok");
      assert.equal(await task, 1);
    }),
  ));

test("K6b awaiting a cancelled task throws WorkCancelledError, which names it and has the CancelledError as cause", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const task = group.spawn(sleepForever, { name: "idle" });
      task.cancel("enough");
      const [during, later] = [await rejection(task), await rejection(task)];
      assert.ok(during instanceof WorkCancelledError);
      assert.equal(isCancelled(during), false);
      assert.match(during.message, /main\/idle/);
      assert.ok(isCancelled(during.cause));
      assert.equal(during.cause.reason, "enough");
      assert.equal(later, during);
      await checkpoint();
    }),
  ));

test("K6b unhandled, the WorkCancelledError of a cancelled child is an ordinary failure of the block", () =>
  virtually(async () => {
    const error = await rejection(
      withTaskGroup(async (group) => {
        const task = group.spawn(sleepForever);
        task.cancel();
        await task;
      }),
    );
    assert.ok(error instanceof WorkCancelledError);
    assert.match(error.message, /Task .* was cancelled/);
  }));

test("K6c a cancelled task that still returns gives its value", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const task = group.spawn(async () => {
        try {
          return await sleepForever();
        } catch (error) {
          assert.ok(isCancelled(error));
          return 42;
        }
      });
      await waitAllTasksBlocked();
      task.cancel();
      assert.equal(await task, 42);
      assert.equal(task.status, "ok");
    }),
  ));

// --- K8

test("K8a awaiting a task is a checkpoint, and cancelling the awaiter leaves the task alone", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const work = group.spawn(() => sleep(100).then(() => "work"));
      const done = group.spawn(() => "done");
      const waiter = group.spawn(async () => await work);
      await waitAllTasksBlocked();
      waiter.cancel();
      assert.equal((await waiter.outcome()).status, "cancelled");
      assert.equal(work.status, "running");
      assert.equal(await work, "work");
      await withCancelScope(async (scope) => {
        scope.cancel();
        await done;
        assert.fail("a task that has ended is a checkpoint too");
      });
    }),
  ));

test("K8a the scope that counts is the one around the await, not around the spawn", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const work = group.spawn(() => sleep(100).then(() => "work"));
      assert.equal(await moveOnAfter(10, async () => await work), undefined);
      assert.equal(await work, "work");
    }),
  ));

test("K8b any number may await a task, while it runs and later", () =>
  virtually(async () => {
    const error = new Error("task");
    let task: Task | undefined;
    const group = withTaskGroup(async (group) => {
      const value = group.spawn(() => sleep(10).then(() => "value"));
      assert.deepEqual(await Promise.all([value, value, value.then((text) => text.length)]), ["value", "value", 5]);
      assert.equal(await value, "value");
      task = group.spawn(() => fails(error));
      await Promise.all([rejection(task), rejection(task)]).then((errors) => assert.deepEqual(errors, [error, error]));
    });
    assert.equal(await rejection(group), error);
    assert.equal(await rejection(task!), error);
  }));

test("K8c awaiting oneself, or a task around oneself, throws DeadlockError at once", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const outer: Task = group.spawn(
        async () => {
          assert.ok((await rejection(currentTask()!)) instanceof DeadlockError);
          await withTaskGroup((inner) => {
            inner.spawn(() =>
              failAfter(1000, async () => {
                const error = await rejection(outer);
                assert.ok(error instanceof DeadlockError);
                assert.match(error.message, /main\/outer/);
              }),
            );
          });
        },
        { name: "outer" },
      );
      await outer;
    }),
  ));

test("K8d onEnd is told the outcome when the task ends, and soon if it has", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const outcomes: Outcome<string>[] = [];
      const task = group.spawn(() => sleep(5).then(() => "value"));
      task.onEnd((outcome) => outcomes.push(outcome));
      assert.equal(outcomes.length, 0);
      await task;
      task.onEnd((outcome) => outcomes.push(outcome));
      await checkpoint();
      assert.deepEqual(outcomes, [
        { status: "ok", value: "value" },
        { status: "ok", value: "value" },
      ]);
      assert.throws(() => task.onEnd(5 as never), { name: "TypeError", message: /5/ });
    }),
  ));

test("K8d what an onEnd callback throws fails the task around the group", async () => {
  const error = new Error("callback");
  const main = virtually(() =>
    withTaskGroup(async (group) => {
      group
        .spawn(() => sleep(5))
        .onEnd(() => {
          throw error;
        });
      await sleepForever();
    }),
  );
  assert.equal(await rejection(main), error);
});

// --- K9

test("K9a the failure of a task that nobody awaits reaches its group", () =>
  virtually(async () => {
    const error = new Error("nobody");
    assert.equal(await rejection(withTaskGroup((group) => void group.spawn(() => fails(error)))), error);
  }));

test("K9a swallowing the error of an await does not save the group", () =>
  virtually(async () => {
    const error = new Error("swallowed");
    const group = withTaskGroup(async (group) => {
      const task = group.spawn(() => fails(error));
      assert.equal(await rejection(task), error);
    });
    assert.equal(await rejection(group), error);
  }));

test("K9b promises that nobody handles are not reported for a cancellation or an error that the group has", async () => {
  const reported: unknown[] = [];
  const listen = (error: unknown): void => void reported.push(error);
  process.on("unhandledRejection", listen);
  try {
    await virtually(async () => {
      const error = new Error("the group has it");
      const group = withTaskGroup(async (group) => {
        const task = group.spawn(() => fails(error));
        void task.then(() => {});
        void group.spawn(sleepForever).then(() => {});
        void task.then();
        await sleepForever();
      });
      assert.equal(await rejection(group), error);
      const semaphore = new Semaphore(0, { max: 1 });
      const never = new Promise<never>(() => {});
      for (const wait of [
        () => sleep(9),
        () => sleepForever(),
        () => semaphore.acquire(),
        () => semaphore.with(() => {}),
        () => abandonOnCancel(never),
        () => withTaskGroup(sleepForever),
        () => withCancelScope(sleepForever),
        () => failAfter(1000, sleepForever),
        () => moveOnAfter(1000, sleepForever),
        () => all([sleepForever]),
        () => race([sleepForever]),
        () => waitAllTasksBlocked(),
        () => checkpoint(),
      ]) {
        await withCancelScope(async (scope) => {
          void wait();
          scope.cancel();
          void wait();
          await checkpoint();
        });
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
  } finally {
    process.off("unhandledRejection", listen);
  }
  assert.deepEqual(reported, []);
});

// --- K10

test("K10 a group that lives long holds nothing of a million ended children", async () => {
  const { code, stdout, stderr } = await runFile(program("many-children.ts"));
  assert.equal(code, 0, stderr);
  assert.match(stdout, /flat/);
});

// --- K15

test("K15a the failure of an attempt goes to whoever awaits it, during or after, and the group lives", () =>
  virtually(async () => {
    const error = new Error("attempt");
    const value = await withTaskGroup(async (group) => {
      assert.equal(await rejection(group.attempt(() => fails(error))), error);
      const late = group.attempt(() => fails(error));
      await waitAllTasksBlocked();
      assert.equal(await rejection(late), error);
      const asOutcome = await group.attempt(() => fails(error)).outcome();
      assert.deepEqual(asOutcome, { status: "failed", error });
      return "value";
    });
    assert.equal(value, "value");
  }));

test("K15b the failure of an attempt that nobody awaited fails the group, and only at its end", () =>
  virtually(async () => {
    const error = new Error("attempt");
    let finished = false;
    const group = withTaskGroup(async (group) => {
      group.attempt(() => fails(error));
      await sleep(100);
      finished = true;
    });
    assert.equal(await rejection(group), error);
    assert.equal(finished, true);
  }));

test("K15b an awaiter that was cut before the failure came has not got it", () =>
  virtually(async () => {
    const error = new Error("attempt");
    const group = withTaskGroup(async (group) => {
      const task = group.attempt(() => sleep(50).then(() => fails(error)));
      await moveOnAfter(10, async () => await task);
    });
    assert.equal(await rejection(group), error);
  }));

// --- K16

test("K16 outcome() gives value, error or cancellation as data, while the task runs and later", () =>
  virtually(async () => {
    const error = new Error("failed");
    let failed: Task | undefined;
    const group = withTaskGroup(async (group) => {
      const ok = group.spawn(() => sleep(5).then(() => 1));
      assert.deepEqual(await ok.outcome(), { status: "ok", value: 1 });
      assert.deepEqual(await ok.outcome(), { status: "ok", value: 1 });
      const cut = group.spawn(sleepForever);
      cut.cancel();
      const outcome = await cut.outcome();
      assert.equal(outcome.status, "cancelled");
      assert.ok(outcome.status === "cancelled" && outcome.error instanceof WorkCancelledError);
      failed = group.spawn(() => fails(error));
      assert.deepEqual(await failed.outcome(), { status: "failed", error });
    });
    assert.equal(await rejection(group), error);
    assert.deepEqual(await failed!.outcome(), { status: "failed", error });
  }));

test("K16 outcome() is a checkpoint of the caller", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const task = group.spawn(() => sleep(100));
      assert.equal(await moveOnAfter(10, () => task.outcome()), undefined);
    }),
  ));

// --- K17

test("K17 a task has then only, and is awaited when an async function returns it", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const start = async (): Promise<string> => group.spawn(() => sleep(5).then(() => "value")) as never;
      assert.equal(await start(), "value");
      const task = group.spawn(() => "value");
      assert.equal(task instanceof Promise, false);
      assert.equal("catch" in task || "finally" in task, false);
      const nested = group.spawn(() => group.spawn(() => "nested"));
      assert.equal(await nested, "nested");
    }),
  ));

// --- odd corners of K6 to K17

test("K6a a task that cancels itself stops at its next checkpoint, and its own children with it", () =>
  virtually(async () => {
    const seen: string[] = [];
    const value = await withTaskGroup(async (group) => {
      const task = group.spawn(async () => {
        await withTaskGroup(async (inner) => {
          inner.spawn(() => sleepForever().finally(() => seen.push("grandchild")));
          currentTask()!.cancel();
          seen.push("goes on");
          await checkpoint();
          seen.push("never");
        });
      });
      assert.equal((await task.outcome()).status, "cancelled");
      return "value";
    });
    assert.equal(value, "value");
    assert.deepEqual(seen, ["goes on", "grandchild"]);
  }));

test("K6a a cancelled task that fails in its cleanup fails the group all the same", () =>
  virtually(async () => {
    const error = new Error("cleanup");
    const group = withTaskGroup(async (group) => {
      const task = group.spawn(async () => {
        try {
          await sleepForever();
        } finally {
          throw error;
        }
      });
      task.cancel();
      await sleepForever();
    });
    assert.equal(await rejection(group), error);
  }));

test("K6b the error is one for all awaiters, as data too, and nobody's cancellation", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const task = group.spawn(sleepForever);
      const errors = Promise.all([rejection(task), rejection(task), task.outcome()]);
      task.cancel();
      const [first, second, outcome] = await errors;
      assert.ok(first instanceof WorkCancelledError);
      assert.equal(second, first);
      assert.ok(outcome.status === "cancelled" && outcome.error === first);
    }),
  ));

test("K6c a task that is cancelled as it succeeds has succeeded", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const gate = Promise.withResolvers<string>();
      const task = group.spawn(() => gate.promise);
      gate.resolve("value");
      task.cancel();
      assert.equal(await task, "value");
    }),
  ));

test("K8a an awaiter that is cancelled just as the task ends gets the one that came first", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      for (const order of ["end first", "cancel first"]) {
        let waiter: Task<string> | undefined;
        const gate = Promise.withResolvers<string>();
        const task = group.spawn(() => gate.promise);
        task.onEnd(() => order === "end first" && waiter!.cancel());
        waiter = group.spawn(async () => await task);
        await waitAllTasksBlocked();
        gate.resolve("value");
        if (order === "cancel first") waiter.cancel();
        const outcome = await waiter.outcome();
        assert.equal(outcome.status, order === "end first" ? "ok" : "cancelled");
      }
    }),
  ));

test("K8a an awaiter in cleanup waits until the cut-off, and no longer", () =>
  virtually(
    () =>
      withTaskGroup(async (group) => {
        const quick = group.spawn(() => sleep(50).then(() => "quick"));
        const slow = group.spawn(() => sleep(1000).then(() => "slow"));
        const seen: unknown[] = [];
        await withCancelScope(async (scope) => {
          scope.cancel();
          await rejection(checkpoint());
          seen.push(await quick);
          seen.push(isCancelled(await rejection(slow)), now());
        });
        assert.deepEqual(seen, ["quick", true, 300]);
        assert.equal(await slow, "slow");
      }),
    { grace: 300 },
  ));

test("K8b a task is awaited from another run and from outside of every run", async () => {
  let task: Task<string> | undefined;
  const gate = Promise.withResolvers<void>();
  const first = virtually(() =>
    withTaskGroup(async (group) => {
      task = group.spawn(() => gate.promise.then(() => "value"));
    }),
  );
  const second = virtually(async () => await task!);
  const outside = Promise.resolve(task!);
  gate.resolve();
  assert.deepEqual(await Promise.all([first, second, outside]), [undefined, "value", "value"]);
});

test("K8c so do outcome(), a grandchild of an open group, and a task that returns itself", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const outer: Task = group.attempt(async () => {
        await checkpoint();
        assert.ok((await rejection(outer.outcome())) instanceof DeadlockError);
        await using open = openTaskGroup();
        await open.spawn(() =>
          withTaskGroup(async (inner) => {
            await inner.spawn(async () => assert.ok((await rejection(outer)) instanceof DeadlockError));
          }),
        );
        return await outer;
      });
      assert.ok((await rejection(outer)) instanceof DeadlockError);
    }),
  ));

test("K8c a ring of siblings is not that: each may still be cancelled", () =>
  virtually(async () => {
    const group = withTaskGroup(async (group) => {
      const a: Task = group.spawn(async () => {
        await checkpoint();
        await b;
      });
      const b: Task = group.spawn(async () => await a);
      await waitAllTasksBlocked();
      assert.equal(a.status, "running");
      a.cancel();
      assert.equal((await b.outcome()).status, "failed");
    });
    assert.ok((await rejection(group)) instanceof WorkCancelledError);
  }));

test("K8d callbacks run in the context in which they were given, in order, for every kind of end", () =>
  virtually(async () => {
    const local = new TaskLocal({ default: "none" });
    const seen: string[] = [];
    const error = new Error("failed");
    await rejection(
      withTaskGroup(async (group) => {
        const cut = group.spawn(sleepForever);
        const failed = group.spawn(() => sleep(5).then(() => fails(error)));
        local.run("one", () => cut.onEnd(({ status }) => seen.push(`${status} ${local.get()}`)));
        local.run("two", () => cut.onEnd(({ status }) => seen.push(`${status} ${local.get()}`)));
        failed.onEnd((outcome) => assert.ok(outcome.status === "failed" && outcome.error === error));
        failed.onEnd(({ status }) => seen.push(status));
        cut.cancel();
        await failed;
      }),
    );
    assert.deepEqual(seen, ["cancelled one", "cancelled two", "failed"]);
  }));

test("K9a the failure of a task that only cut awaiters waited for reaches its group", () =>
  virtually(async () => {
    const error = new Error("nobody left");
    const group = withTaskGroup(async (group) => {
      const task = group.spawn(() => sleep(50).then(() => fails(error)));
      await moveOnAfter(10, async () => await task);
      await sleepForever();
    });
    assert.equal(await rejection(group), error);
  }));

let unawaited: Promise<Ended> | undefined;

/** What the program of that name tells of a scenario; all that it wrote if nothing. */
async function told(scenario: string): Promise<string> {
  const { stdout, stderr } = await (unawaited ??= runFile(program("unawaited.ts")));
  const line = stdout.split("\n").find((line) => line.startsWith(`${scenario}: `));
  return line?.slice(scenario.length + 2) ?? stdout + stderr;
}

test("K9b without a run, too, nothing is reported for a cancellation or for an error that a group has", async () => {
  assert.equal(await told("cancellations without a run"), "nothing reported");
  assert.equal(await told("cancelled work without a run"), "nothing reported");
  assert.equal(await told("failures without a run"), "nothing reported");
});

test("K9b what a then() callback throws is nobody's yet, and is not lost: while running, ended, unwinding", async () => {
  for (const when of ["running", "ended", "unwinding"]) {
    assert.equal(await told(`callback of a task that is ${when}`), "rejected: callback");
  }
});

test("K15a a then() without a second argument does not swallow the failure of an attempt", async () => {
  for (const when of ["running", "ended"]) {
    assert.equal(await told(`attempt that is ${when}`), "rejected: attempt");
  }
});

test("K8c the DeadlockError of an await that nobody handles is not lost either", async () => {
  assert.match(await told("awaiting oneself"), /^rejected: Cannot await task/);
});

test("K10 nothing of an ended child is held, however it ended and whoever had waited", async () => {
  const { code, stdout, stderr } = await runFile(program("ended-children.ts"));
  assert.equal(stdout, "all collected\n", stderr);
  assert.equal(code, 0, stderr);
});

test("K15a attempts that end in every way: a value, a cancellation, at once", () =>
  virtually(async () => {
    const error = new Error("at once");
    const value = await withTaskGroup(async (group) => {
      assert.equal(await group.attempt(() => 5), 5);
      const cut = group.attempt(sleepForever);
      cut.cancel();
      assert.ok((await rejection(cut)) instanceof WorkCancelledError);
      group.attempt(sleepForever).cancel();
      const atOnce = group.attempt(() => {
        throw error;
      });
      assert.equal(await rejection(atOnce), error);
      return "value";
    });
    assert.equal(value, "value");
  }));

test("K15a a sibling or a service may be the one who awaits, as late as the group is open", () =>
  virtually(async () => {
    const error = new Error("attempt");
    const value = await withTaskGroup((group) => {
      const [first, second] = [group.attempt(() => fails(error)), group.attempt(() => fails(error))];
      group.spawn(async () => {
        await sleep(10);
        assert.equal(await rejection(first), error);
      });
      group.spawn(
        async () => {
          try {
            await sleepForever();
          } finally {
            assert.equal(await rejection(second), error);
          }
        },
        { service: true },
      );
      return "value";
    });
    assert.equal(value, "value");
  }));

test("K15b of several that nobody awaited the first is thrown, the others listed; after the block's failure all", () =>
  virtually(async () => {
    const [block, a, b, c] = ["block", "a", "b", "c"].map((name) => new Error(name));
    const attempts = (group: TaskGroup): void => {
      group.attempt(() => fails(a));
      group.spawn(async () => void (await rejection(group.attempt(() => fails(b)))));
      group.attempt(() => fails(c));
    };
    assert.equal(await rejection(withTaskGroup(attempts)), a);
    assert.deepEqual(suppressedErrors(a), [c]);
    const failing = withTaskGroup(async (group) => {
      attempts(group);
      await waitAllTasksBlocked();
      throw block!;
    });
    assert.equal(await rejection(failing), block);
    assert.deepEqual(suppressedErrors(block), [a, c]);
  }));

test("K16 of a task that several cancelled, failed and awaited, all get the same outcome", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const task = group.attempt(() => sleep(5).then(() => fails("a primitive")));
      const [first, second] = await Promise.all([task.outcome(), task.outcome()]);
      assert.deepEqual(first, { status: "failed", error: "a primitive" });
      assert.deepEqual(second, first);
      task.cancel();
      assert.deepEqual(await task.outcome(), first);
    }),
  ));

test("K17 what a function returns is awaited like any thenable: callable ones, and promises with a then of their own", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      let fire: ((value: string) => void) | undefined;
      const callable = Object.assign(() => {}, { then: (resolve: (value: string) => void) => void (fire = resolve) });
      class Foreign extends Promise<string> {
        override then(resolve: unknown): never {
          fire = resolve as typeof fire;
          return new Promise(() => {}) as never;
        }
      }
      for (const returned of [callable, new Foreign(() => {})] as unknown as PromiseLike<string>[]) {
        fire = undefined;
        const task = group.spawn(() => returned);
        await waitAllTasksBlocked();
        assert.equal(task.status, "running");
        outside(() => fire!("value"));
        assert.equal(await task, "value");
      }
    }),
  ));

test("names are checked", () =>
  virtually(() =>
    withTaskGroup(
      (group) => {
        for (const name of [5, Symbol("name"), {}]) {
          assert.throws(() => group.spawn(() => {}, { name: name as never }), {
            name: "TypeError",
            message: /as name in 'main\/jobs': wanted a string/,
          });
        }
      },
      { name: "jobs" },
    ),
  ));

// --- names

test("tasks are named after their function and a number, or as they are told; paths join the names", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const first = group.spawn(function fetchPage() {
        return currentTask()!.path;
      });
      assert.match(first.name, /^fetchPage-\d+$/);
      assert.equal(await first, `main/${first.name}`);
      assert.match(group.spawn(() => {}).name, /^task-\d+$/);
      assert.equal(group.spawn(() => {}, { name: "mine" }).path, "main/mine");
      await using open = openTaskGroup({ name: "pool" });
      assert.equal(open.spawn(() => {}, { name: "worker" }).path, "main/pool/worker");
    }),
  ));
