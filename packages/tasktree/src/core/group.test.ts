/** Groups: rules K1 to K5, K7 and K12. */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  currentScope,
  currentTask,
  droppedErrors,
  InvalidStateError,
  isCancelled,
  now,
  openTaskGroup,
  shield,
  sleep,
  sleepForever,
  suppressedErrors,
  withCancelScope,
  withTaskGroup,
  WorkCancelledError,
  type TaskGroup,
} from "../index.ts";
import type { Instrument } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

/** Waits until cancelled, then notes `what`, taking `ms` for it. */
async function cleaningUp(seen: string[], what: string, ms = 0): Promise<void> {
  try {
    await sleepForever();
  } finally {
    if (ms > 0) await sleep(ms);
    seen.push(what);
  }
}

async function failing(error: unknown, ms = 0): Promise<never> {
  if (ms > 0) await sleep(ms);
  throw error;
}

async function failingInCleanup(error: unknown): Promise<never> {
  try {
    return await sleepForever();
  } finally {
    throw error;
  }
}

// --- K1

test("K1a the group settles after its last child when the block returns", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup((group) => {
      group.spawn(() => sleep(50).then(() => seen.push("slow")));
      group.spawn(() => sleep(10).then(() => seen.push("quick")));
      seen.push("block");
    });
    assert.deepEqual(seen, ["block", "quick", "slow"]);
  }));

test("K1a the group settles after its last child when the block throws, and when a child does", () =>
  virtually(async () => {
    for (const fails of ["block", "child"]) {
      const seen: string[] = [];
      const error = new Error(fails);
      const group = withTaskGroup(async (group) => {
        group.spawn(() => cleaningUp(seen, "cleaned", 100));
        await waitAllTasksBlocked();
        if (fails === "block") throw error;
        group.spawn(() => failing(error));
        await cleaningUp(seen, "block cleaned");
      });
      assert.equal(await rejection(group), error);
      assert.ok(seen.includes("cleaned"));
    }
  }));

test("K1b a cancellation does not cut the wait for the children", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withCancelScope(async (scope) => {
      const group = withTaskGroup((group) => {
        group.spawn(() =>
          shield(
            async () => {
              await sleep(500);
              seen.push("shielded child");
            },
            { timeout: 1000 },
          ),
        );
        scope.cancel();
      });
      await assert.rejects(group, CancelledError);
      assert.deepEqual(seen, ["shielded child"]);
    });
    assert.equal(now(), 500);
  }));

// --- K2

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

// --- K3

test("K3a a block that returns does not cancel its children, and its value is the group's", () =>
  virtually(async () => {
    let finished = false;
    const value = await withTaskGroup((group) => {
      group.spawn(() => sleep(1000).then(() => (finished = true)));
      return "value";
    });
    assert.equal(value, "value");
    assert.equal(finished, true);
  }));

test("K3b children spawn siblings while the group waits, from the last one's last moment too", () =>
  virtually(async () => {
    let links = 0;
    await withTaskGroup((group) => {
      const link = async (): Promise<void> => {
        await sleep(1);
        if (++links < 20) group.spawn(link);
      };
      group.spawn(link);
    });
    assert.equal(links, 20);
  }));

test("K3b a service that spawns a child while it ends keeps the group open for that child", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup((group) => {
      group.spawn(
        async () => {
          try {
            await sleepForever();
          } finally {
            group.spawn(() => sleep(100).then(() => seen.push("late child")));
          }
        },
        { service: true },
      );
    });
    assert.deepEqual(seen, ["late child"]);
  }));

test("K3c a service does not keep its group open, and runs as long as the others", () =>
  virtually(async () => {
    let ticks = 0;
    await withTaskGroup((group) => {
      group.spawn(
        async () => {
          for (;;) {
            await sleep(10);
            ticks++;
          }
        },
        { service: true },
      );
      group.spawn(() => sleep(55));
    });
    assert.equal(ticks, 5);
    assert.equal(now(), 55);
  }));

test("K3d services end one by one, last started first, each fully before the next", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup((group) => {
      for (const name of ["first", "second", "third"]) {
        group.spawn(
          () => cleaningUp(seen, `${name} at ${now()}`, 100).finally(() => seen.push(`${name} ended at ${now()}`)),
          {
            service: true,
          },
        );
      }
    });
    assert.deepEqual(
      seen.filter((line) => line.includes("ended")),
      ["third ended at 100", "second ended at 200", "first ended at 300"],
    );
  }));

test("K3d services end in that order also when the group fails or is cancelled", () =>
  virtually(async () => {
    for (const how of ["throw", "cancel"]) {
      const seen: string[] = [];
      const group = withTaskGroup(async (group) => {
        group.spawn(() => cleaningUp(seen, "first", 10), { service: true });
        group.spawn(() => cleaningUp(seen, "second", 10), { service: true });
        await waitAllTasksBlocked();
        if (how === "throw") throw new Error(how);
        group.cancel();
        await checkpoint();
      });
      await assert.rejects(group);
      assert.deepEqual(seen, ["second", "first"]);
    }
  }));

test("K3e services outlive the cleanup of the children that a cancellation has reached", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withCancelScope(async (scope) => {
      await withTaskGroup(async (group) => {
        group.spawn(() => cleaningUp(seen, "service"), { service: true });
        group.spawn(() => cleaningUp(seen, "child", 200));
        await waitAllTasksBlocked();
        scope.cancel();
      });
    });
    assert.deepEqual(seen, ["child", "service"]);
  }));

test("K3f a cancellation reaches the services at the cut-off, though a child has not ended", () =>
  virtually(
    async () => {
      const seen: string[] = [];
      const group = withTaskGroup(async (group) => {
        group.spawn(() => cleaningUp(seen, `service`).finally(() => seen.push(`at ${now()}`)), { service: true });
        group.spawn(() => shield(() => sleep(900), { timeout: Infinity }).finally(() => seen.push("child")));
        await waitAllTasksBlocked();
        group.cancel();
        await checkpoint();
      });
      await assert.rejects(group, WorkCancelledError);
      assert.deepEqual(seen, ["service", "at 300", "child"]);
    },
    { grace: 300 },
  ));

test("K3g a service that returns early is fine", () =>
  virtually(async () => {
    const value = await withTaskGroup(async (group) => {
      group.spawn(() => sleep(5), { service: true });
      await sleep(50);
      return "value";
    });
    assert.equal(value, "value");
  }));

test("K3g a service that fails fails the group, while it runs and while it ends", () =>
  virtually(async () => {
    const error = new Error("service");
    const running = withTaskGroup(async (group) => {
      group.spawn(() => failing(error, 5), { service: true });
      await sleepForever();
    });
    assert.equal(await rejection(running), error);
    const ending = withTaskGroup((group) => {
      group.spawn(() => failingInCleanup(error), { service: true });
    });
    assert.equal(await rejection(ending), error);
  }));

// --- K4

test("K4a whoever awaits a failed task sees its error, not the cancellation of the group", () =>
  virtually(async () => {
    const error = new Error("child");
    const seen: unknown[] = [];
    const group = withTaskGroup((group) => {
      const task = group.spawn(() => failing(error, 10));
      group.spawn(async () => {
        seen.push(await rejection(task));
      });
    });
    assert.equal(await rejection(group), error);
    assert.deepEqual(seen, [error]);
  }));

test("K4b the first failure cancels the rest, and the group rejects with that very error", () =>
  virtually(async () => {
    const error = Object.assign(new TypeError("first"), { detail: 1 });
    const seen: string[] = [];
    const group = withTaskGroup((group) => {
      group.spawn(() => cleaningUp(seen, "sibling"));
      group.spawn(() => failing(error, 5));
    });
    assert.equal(await rejection(group), error);
    assert.deepEqual(seen, ["sibling"]);
    assert.deepEqual(suppressedErrors(error), []);
  }));

test("K4b siblings are told why: the failure is the reason of their cancellation", () =>
  virtually(async () => {
    const error = new Error("first");
    let caught: unknown;
    const group = withTaskGroup((group) => {
      group.spawn(async () => {
        caught = await rejection(sleepForever());
        throw caught;
      });
      group.spawn(() => failing(error));
    });
    assert.equal(await rejection(group), error);
    assert.ok(isCancelled(caught));
    assert.equal(caught.why, "sibling failed");
    assert.equal(caught.reason, error);
  }));

test("K4c later failures are listed in order, shown when logged, and told to the instruments", async () => {
  const [first, second, third] = [new Error("first"), new Error("second"), new Error("third")];
  const told: unknown[] = [];
  const instrument: Instrument = { failureSuppressed: (error, primary) => told.push([error, primary]) };
  const main = virtually(
    () =>
      withTaskGroup((group) => {
        group.spawn(() => failing(first, 5));
        group.spawn(() => failingInCleanup(second));
        group.spawn(() => failingInCleanup(third));
      }),
    { instruments: [instrument] },
  );
  assert.equal(await rejection(main), first);
  assert.deepEqual(suppressedErrors(first), [second, third]);
  assert.deepEqual((first as object as { [key: symbol]: unknown })[Symbol.for("tasktree.suppressed")], [second, third]);
  assert.match(inspect(first), /second[^]*third/);
  assert.deepEqual(told, [
    [second, first],
    [third, first],
  ]);
});

test("K4c the failure of a block that is cut by a child's failure is listed too", () =>
  virtually(async () => {
    const [child, block] = [new Error("child"), new Error("block")];
    const group = withTaskGroup(async (group) => {
      group.spawn(() => failing(child, 5));
      await failingInCleanup(block);
    });
    assert.equal(await rejection(group), child);
    assert.deepEqual(suppressedErrors(child), [block]);
  }));

test("K4d the error itself, one that has it among its causes, and one listed already are not listed", () =>
  virtually(async () => {
    const first = new Error("first");
    const wrapped = new Error("wrapped", { cause: new Error("between", { cause: first }) });
    const other = new Error("other");
    const group = withTaskGroup((group) => {
      group.spawn(() => failing(first, 5));
      for (const error of [first, wrapped, other, other]) group.spawn(() => failingInCleanup(error));
    });
    assert.equal(await rejection(group), first);
    assert.deepEqual(suppressedErrors(first), [other]);
  }));

test("K4e of 150 more failures 100 are listed, and 50 counted", () =>
  virtually(async () => {
    const first = new Error("first");
    const group = withTaskGroup((group) => {
      group.spawn(() => failing(first, 5));
      for (let i = 0; i < 150; i++) group.spawn(() => failingInCleanup(new Error(String(i))));
    });
    assert.equal(await rejection(group), first);
    assert.equal(suppressedErrors(first).length, 100);
    assert.equal(droppedErrors(first), 50);
  }));

test("K4f the failures of nested groups come together on the first", () =>
  virtually(async () => {
    const [a, b, c] = [new Error("a"), new Error("b"), new Error("c")];
    const outer = withTaskGroup(async (outer) => {
      outer.spawn(() => failingInCleanup(c));
      await withTaskGroup((inner) => {
        inner.spawn(() => failing(a, 5));
        inner.spawn(() => failingInCleanup(b));
      });
    });
    assert.equal(await rejection(outer), a);
    assert.deepEqual(suppressedErrors(a), [b, c]);
  }));

test("K4f an inner group's list is found below the outer group's first error", () =>
  virtually(async () => {
    const [outermost, a, b] = [new Error("outermost"), new Error("a"), new Error("b")];
    const outer = withTaskGroup((outer) => {
      outer.spawn(() => failing(outermost, 5));
      outer.spawn(() =>
        withTaskGroup((inner) => {
          inner.spawn(() => failingInCleanup(a));
          inner.spawn(() => failingInCleanup(b));
        }),
      );
    });
    assert.equal(await rejection(outer), outermost);
    assert.deepEqual(suppressedErrors(outermost), [a, b]);
  }));

test("K4f a frozen error stays as it is, and its list is found", () =>
  virtually(async () => {
    const first = Object.freeze(new Error("frozen"));
    const second = new Error("second");
    const group = withTaskGroup((group) => {
      group.spawn(() => failing(first, 5));
      group.spawn(() => failingInCleanup(second));
    });
    assert.equal(await rejection(group), first);
    assert.deepEqual(suppressedErrors(first), [second]);
  }));

test("K4g a thrown primitive with others becomes an AggregateError of all", () =>
  virtually(async () => {
    const second = new Error("second");
    const group = withTaskGroup((group) => {
      group.spawn(() => failing("a string", 5));
      group.spawn(() => failingInCleanup(second));
    });
    const error = await rejection(group);
    assert.ok(error instanceof AggregateError);
    assert.deepEqual(error.errors, ["a string", second]);
  }));

test("K4g a thrown primitive alone, even undefined, is what the group rejects with", () =>
  virtually(async () => {
    for (const thrown of ["a string", 0, null, undefined]) {
      const group = withTaskGroup((group) => {
        group.spawn(() => failing(thrown));
      });
      const outcome = await group.then(
        () => "resolved",
        (error: unknown) => [error],
      );
      assert.deepEqual(outcome, [thrown]);
    }
  }));

// --- K5

test("K5a a failing child leaves its siblings alone, and all failures come in order, even a single one", () =>
  virtually(async () => {
    const [a, b] = [new Error("a"), new Error("b")];
    let finished = false;
    const group = withTaskGroup(
      (group) => {
        group.spawn(() => failing(b, 20));
        group.spawn(() => failing(a, 10));
        group.spawn(() => sleep(50).then(() => (finished = true)));
      },
      { failures: "collect" },
    );
    const error = await rejection(group);
    assert.ok(error instanceof AggregateError);
    assert.deepEqual(error.errors, [a, b]);
    assert.equal(finished, true);
    const single = await rejection(withTaskGroup((one) => void one.spawn(() => failing(a)), { failures: "collect" }));
    assert.ok(single instanceof AggregateError);
    assert.deepEqual(single.errors, [a]);
  }));

test("K5b a throwing block cancels the children", () =>
  virtually(async () => {
    const error = new Error("block");
    const seen: string[] = [];
    const group = withTaskGroup(
      async (group) => {
        group.spawn(() => cleaningUp(seen, "child"));
        await waitAllTasksBlocked();
        throw error;
      },
      { failures: "collect" },
    );
    const thrown = await rejection(group);
    assert.ok(thrown instanceof AggregateError);
    assert.deepEqual(thrown.errors, [error]);
    assert.deepEqual(seen, ["child"]);
  }));

// --- K7

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

// --- K12

test("K12a a failure beats a cancellation from outside", () =>
  virtually(async () => {
    const error = new Error("in cleanup");
    const scope = withCancelScope(async (scope) => {
      await withTaskGroup((group) => {
        group.spawn(() => failingInCleanup(error));
        scope.cancel();
      });
    });
    assert.equal(await rejection(scope), error);
  }));

test("K12a cancelled from outside, the group gives that scope's error although its block had returned", () =>
  virtually(async () => {
    let thrown: unknown;
    const value = await withCancelScope(async (scope) => {
      setTimeout(() => scope.cancel("from outside"), 0);
      try {
        await withTaskGroup((group) => {
          group.spawn(sleepForever);
          return "partial";
        });
      } catch (error) {
        thrown = error;
        throw error;
      }
    });
    assert.equal(value, undefined);
    assert.ok(isCancelled(thrown));
    assert.equal(thrown.reason, "from outside");
  }));

test("K12b only cancelled itself, the group gives the value of a block that returned", () =>
  virtually(async () => {
    const value = await withTaskGroup((group) => {
      group.spawn(sleepForever);
      group.cancel();
      return "value";
    });
    assert.equal(value, "value");
  }));

test("K12b only cancelled itself, with its block cut, the group throws WorkCancelledError with the cause", () =>
  virtually(async () => {
    const error = await rejection(
      withTaskGroup(async (group) => {
        group.cancel("enough");
        await checkpoint();
      }),
    );
    assert.ok(error instanceof WorkCancelledError);
    assert.ok(isCancelled(error.cause));
    assert.equal(error.cause.reason, "enough");
  }));

test("K12c a group opened while unwinding gives its value", () =>
  virtually(async () => {
    let value: string | undefined;
    await withCancelScope(async (scope) => {
      scope.cancel();
      try {
        await checkpoint();
      } finally {
        value = await withTaskGroup(async (group) => {
          const a = group.spawn(() => sleep(10).then(() => "a"));
          const b = group.spawn(() => sleep(5).then(() => "b"));
          return (await a) + (await b);
        });
      }
    });
    assert.equal(value, "ab");
  }));

// --- K1, nested and at the last moment

test("K1a nested groups settle from the inside out", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup((outer) => {
      outer.spawn(async () => {
        await withTaskGroup((inner) => {
          inner.spawn(() => sleep(50).then(() => seen.push("grandchild")));
        });
        seen.push("inner");
      });
    }).then(() => seen.push("outer"));
    assert.deepEqual(seen, ["grandchild", "inner", "outer"]);
  }));

test("K1a a child spawned while its group is being told that all have ended is waited for, or refused", () =>
  virtually(() =>
    withTaskGroup(async (outer) => {
      for (const kind of ["spawn", "trySpawn", "attempt", "service", "start"]) {
        for (let delay = 0; delay < 12; delay++) {
          let running = 0;
          const child = async (): Promise<void> => {
            running++;
            await sleep(10).finally(() => running--);
          };
          await withTaskGroup((group) => {
            const last = group.spawn(() => sleep(5));
            outer.spawn(async () => {
              await last;
              for (let i = 0; i < delay; i++) await null;
              try {
                if (kind === "spawn") group.spawn(child);
                else if (kind === "trySpawn") group.trySpawn(child);
                else if (kind === "attempt") void group.attempt(child).outcome();
                else if (kind === "service") group.spawn(child, { service: true });
                else await rejection(group.start(child));
              } catch (error) {
                assert.ok(error instanceof InvalidStateError);
              }
            });
          });
          assert.equal(running, 0, `${kind} after ${delay} steps outlives its group`);
          await sleep(100);
        }
      }
    }),
  ));

test("K1a a group whose block was cut waits for a child that swallows its cancellation", () =>
  virtually(async () => {
    const seen: string[] = [];
    const error = await rejection(
      withTaskGroup(async (group) => {
        group.spawn(async () => {
          await rejection(sleepForever());
          await sleep(100);
          seen.push("child");
        });
        await waitAllTasksBlocked();
        group.cancel();
        await checkpoint();
      }),
    );
    assert.ok(error instanceof WorkCancelledError);
    assert.deepEqual(seen, ["child"]);
  }));

test("K1b a child in the middle of foreign work keeps its cancelled group open, with grace 0 too", async () => {
  for (const grace of [0, 5000]) {
    await virtually(
      async () => {
        const foreign = Promise.withResolvers<void>();
        const seen: string[] = [];
        await withTaskGroup(async (outer) => {
          const closing = outer.spawn(async () => {
            await withTaskGroup((group) => {
              group.spawn(() => foreign.promise.then(() => seen.push("child")));
              group.cancel();
            });
            seen.push("group");
          });
          await sleep(60_000);
          assert.equal(closing.status, "running");
          foreign.resolve();
          await closing;
        });
        assert.deepEqual(seen, ["child", "group"]);
      },
      { grace },
    );
  }
});

// --- K2, registered first

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

// --- K3, services in odd places

test("K3a a block that returned while children wait for each other leaves them alone", () =>
  virtually(async () => {
    const value = await withTaskGroup((group) => {
      const a = group.spawn(() => sleep(10).then(() => 1));
      const b = group.spawn(async () => (await a) + 1);
      return group.spawn(async () => (await a) + (await b));
    });
    assert.equal(value, 3);
  }));

test("K3c a service that a service spawned while it ended is ended too", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup((group) => {
      group.spawn(() => cleaningUp(seen, "first"), { service: true });
      group.spawn(
        async () => {
          try {
            await sleepForever();
          } finally {
            group.spawn(() => cleaningUp(seen, "late"), { service: true });
            await sleep(10);
            seen.push("second");
          }
        },
        { service: true },
      );
    });
    assert.deepEqual(seen, ["second", "late", "first"]);
  }));

test("K3c what code left behind by the block opens later does not keep the group open for ever", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup((group) => {
      group.spawn(() => cleaningUp(seen, "service"), { service: true });
      group.spawn(() => sleep(10).then(() => seen.push("child")));
      void sleep(5).then(() => {
        openTaskGroup().spawn(() => cleaningUp(seen, "open group"));
        void withCancelScope(() => cleaningUp(seen, "scope"));
      });
    });
    assert.deepEqual(seen, ["child", "open group", "scope", "service"]);
  }));

test("K3d a service that fails while it ends does not stop the others from ending in order", () =>
  virtually(async () => {
    const error = new Error("second");
    const seen: string[] = [];
    const group = withTaskGroup((group) => {
      group.spawn(() => cleaningUp(seen, "first", 10), { service: true });
      group.spawn(() => failingInCleanup(error), { service: true });
      group.spawn(() => cleaningUp(seen, "third", 10), { service: true });
    });
    assert.equal(await rejection(group), error);
    assert.deepEqual(seen, ["third", "first"]);
  }));

test("K3d nobody but itself ends a service out of turn", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup(async (group) => {
      const first = group.spawn(() => cleaningUp(seen, "first"), { service: true });
      group.spawn(() => cleaningUp(seen, "second"), { service: true });
      await waitAllTasksBlocked();
      first.cancel();
      await first.outcome();
      seen.push("block");
    });
    assert.deepEqual(seen, ["first", "block", "second"]);
  }));

test("K3e services work on while children are cut by a failure, and see no cancellation before", () =>
  virtually(async () => {
    const error = new Error("child");
    const seen: string[] = [];
    const group = withTaskGroup((group) => {
      group.spawn(
        async () => {
          try {
            for (;;) {
              await sleep(30);
              seen.push(`tick at ${now()}`);
            }
          } finally {
            seen.push(`service ends at ${now()}`);
          }
        },
        { service: true },
      );
      group.spawn(() => cleaningUp(seen, "cleaned", 50));
      group.spawn(() => failing(error, 20));
    });
    assert.equal(await rejection(group), error);
    assert.deepEqual(seen, ["tick at 30", "tick at 60", "cleaned", "service ends at 70"]);
  }));

test("K3e a service spawned while the group is unwinding runs until the others have ended", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withCancelScope(async (scope) => {
      scope.cancel();
      await rejection(checkpoint());
      await withTaskGroup((group) => {
        group.spawn(() => cleaningUp(seen, "service"), { service: true });
        group.spawn(() => sleep(20).then(() => seen.push("child")));
      });
    });
    assert.deepEqual(seen, ["child", "service"]);
  }));

test("K3f with grace 0 a cancellation reaches services and children together", () =>
  virtually(
    async () => {
      const seen: string[] = [];
      await rejection(
        withTaskGroup(async (group) => {
          group.spawn(() => cleaningUp(seen, "service"), { service: true });
          group.spawn(() => shield(() => sleep(100), { timeout: 200 }).finally(() => seen.push("child")));
          await waitAllTasksBlocked();
          group.cancel();
          await checkpoint();
        }),
      );
      assert.deepEqual(seen, ["service", "child"]);
    },
    { grace: 0 },
  ));

test("K3g a service that fails at once fails the group, and one that was cancelled does not", () =>
  virtually(async () => {
    const error = new Error("service");
    const failed = withTaskGroup((group) => {
      group.spawn(
        () => {
          throw error;
        },
        { service: true },
      );
    });
    assert.equal(await rejection(failed), error);
    const value = await withTaskGroup(async (group) => {
      group.spawn(sleepForever, { service: true }).cancel();
      await sleep(10);
      return "value";
    });
    assert.equal(value, "value");
  }));

// --- K4, odd failures

test("K4a so does whoever asked for the outcome or the end", () =>
  virtually(async () => {
    const error = new Error("child");
    const seen: unknown[] = [];
    const group = withTaskGroup((group) => {
      const task = group.spawn(() => failing(error, 10));
      task.onEnd((outcome) => seen.push([outcome.status, group.cancelRequested]));
      group.spawn(async () => seen.push(await task.outcome()));
    });
    assert.equal(await rejection(group), error);
    assert.deepEqual(seen, [["failed", false], { status: "failed", error }]);
  }));

test("K4b a child that fails in the step in which it is cancelled fails the group all the same", () =>
  virtually(async () => {
    for (const order of ["fail first", "cancel first"]) {
      const error = new Error(order);
      const group = withTaskGroup((group) => {
        const gate = Promise.withResolvers<never>();
        group.spawn(() => gate.promise);
        if (order === "fail first") gate.reject(error);
        group.cancel();
        if (order === "cancel first") gate.reject(error);
      });
      assert.equal(await rejection(group), error);
    }
  }));

test("K4b of two failures in one step the first is thrown and the second listed", () =>
  virtually(async () => {
    const [first, second] = [new Error("first"), new Error("second")];
    const group = withTaskGroup((group) => {
      const gate = Promise.withResolvers<void>();
      group.spawn(() => gate.promise.then(() => failing(first)));
      group.spawn(() => gate.promise.then(() => failing(second)));
      gate.resolve();
    });
    assert.equal(await rejection(group), first);
    assert.deepEqual(suppressedErrors(first), [second]);
  }));

test("K4c what a task failed with besides is listed, and told to the instruments too", async () => {
  const [first, second] = [new Error("first"), new Error("second")];
  const told: unknown[] = [];
  const main = virtually(
    () =>
      withTaskGroup(async (group) => {
        group.spawn(async () => {
          const cut = await rejection(sleepForever());
          throw new AggregateError([cut, first, second]);
        });
        await waitAllTasksBlocked();
        group.cancel();
      }),
    { instruments: [{ failureSuppressed: (error, primary) => told.push([error, primary]) }] },
  );
  assert.equal(await rejection(main), first);
  assert.deepEqual(suppressedErrors(first), [second]);
  assert.deepEqual(told, [[second, first]]);
});

test("K4d an error that wraps the first in a block's catch is not listed", () =>
  virtually(async () => {
    const first = new Error("first");
    const group = withTaskGroup(async (group) => {
      const task = group.spawn(() => failing(first, 5));
      try {
        await task;
      } catch (error) {
        throw new Error("wrapped", { cause: error });
      }
    });
    assert.equal(await rejection(group), first);
    assert.deepEqual(suppressedErrors(first), []);
  }));

test("K4e the limit counts the failures of nested groups together", () =>
  virtually(async () => {
    const first = new Error("first");
    const outer = withTaskGroup((outer) => {
      for (let i = 0; i < 60; i++) outer.spawn(() => failingInCleanup(new Error(`outer ${i}`)));
      outer.spawn(() =>
        withTaskGroup((inner) => {
          for (let i = 0; i < 60; i++) inner.spawn(() => failingInCleanup(new Error(`inner ${i}`)));
          inner.spawn(() => failing(first, 5));
        }),
      );
    });
    assert.equal(await rejection(outer), first);
    assert.equal(suppressedErrors(first).length, 100);
    assert.equal(droppedErrors(first), 20);
  }));

test("K4f an error that nothing can be done to is thrown as it is", () =>
  virtually(async () => {
    const { proxy, revoke } = Proxy.revocable(new Error("revoked"), {});
    revoke();
    const second = new Error("second");
    const group = withTaskGroup((group) => {
      group.spawn(() => failing(proxy, 5));
      group.spawn(() => failingInCleanup(second));
      group.spawn(() => failingInCleanup(proxy));
    });
    const outcome = await group.then(
      () => false,
      (error: unknown) => error === proxy,
    );
    assert.equal(outcome, true);
    assert.deepEqual(suppressedErrors(proxy), [second]);
  }));

test("K4g a primitive that comes later is listed on the first error", () =>
  virtually(async () => {
    const first = new Error("first");
    const group = withTaskGroup((group) => {
      group.spawn(() => failing(first, 5));
      group.spawn(() => failingInCleanup("text"));
      group.spawn(() => failingInCleanup(undefined));
    });
    assert.equal(await rejection(group), first);
    assert.deepEqual(suppressedErrors(first), ["text", undefined]);
  }));

// --- K5, with everything else

test("K5a services and unawaited attempts count, and nested groups keep their own", () =>
  virtually(async () => {
    const errors = ["service", "inner", "attempt"].map((name) => new Error(name));
    const group = withTaskGroup(
      async (group) => {
        group.spawn(() => failing(errors[0], 10), { service: true });
        group.attempt(() => failing(errors[2], 5));
        group.spawn(() =>
          withTaskGroup((inner) => void inner.spawn(() => failing(errors[1], 20)), { failures: "collect" }),
        );
        await sleep(30);
      },
      { failures: "collect" },
    );
    const error = await rejection(group);
    assert.ok(error instanceof AggregateError);
    const [first, inner, last] = error.errors as unknown[];
    assert.equal(first, errors[0]);
    assert.ok(inner instanceof AggregateError);
    assert.deepEqual(inner.errors, [errors[1]]);
    assert.equal(last, errors[2]);
  }));

test("K5a a primitive that two have thrown counts twice, an error that two have thrown once", () =>
  virtually(async () => {
    const error = new Error("shared");
    const group = withTaskGroup(
      (group) => {
        for (const thrown of ["again", error, "again", error, undefined, undefined]) {
          group.spawn(() => {
            throw thrown;
          });
        }
      },
      { failures: "collect" },
    );
    const aggregate = await rejection(group);
    assert.ok(aggregate instanceof AggregateError);
    assert.deepEqual(aggregate.errors, ["again", error, "again", undefined, undefined]);
  }));

test("K5a failures beat a cancellation also when they are collected", () =>
  virtually(async () => {
    const error = new Error("before");
    const scope = withCancelScope((scope) =>
      withTaskGroup(
        async (group) => {
          group.spawn(() => failing(error));
          await waitAllTasksBlocked();
          scope.cancel();
          await checkpoint();
        },
        { failures: "collect" },
      ),
    );
    const thrown = await rejection(scope);
    assert.ok(thrown instanceof AggregateError);
    assert.deepEqual(thrown.errors, [error]);
  }));

test("K5b the block's failure stands in the order of occurrence", () =>
  virtually(async () => {
    const [before, block, after] = [new Error("before"), new Error("block"), new Error("after")];
    const group = withTaskGroup(
      async (group) => {
        group.spawn(() => failing(before, 5));
        group.spawn(() => failingInCleanup(after));
        await sleep(10);
        throw block;
      },
      { failures: "collect" },
    );
    const thrown = await rejection(group);
    assert.ok(thrown instanceof AggregateError);
    assert.deepEqual(thrown.errors, [before, block, after]);
  }));

// --- K7, all doors

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

// --- K12, everything against everything

test("K12a a cancellation from outside beats the group's own, whichever came first", () =>
  virtually(async () => {
    for (const order of ["own first", "outside first"]) {
      let thrown: unknown;
      await withCancelScope(async (scope) => {
        try {
          await withTaskGroup(async (group) => {
            group.spawn(() => cleaningUp([], "", 50));
            await waitAllTasksBlocked();
            if (order === "own first") group.cancel("own");
            scope.cancel("outside");
            group.cancel("own");
            return "value";
          });
        } catch (error) {
          thrown = error;
          throw error;
        }
      });
      assert.ok(isCancelled(thrown) && thrown.reason === "outside", order);
    }
  }));

test("K12a a cancellation from outside that a shield hides does not count", () =>
  virtually(async () => {
    let value: string | undefined;
    await withCancelScope(async (scope) => {
      value = await shield(
        () =>
          withTaskGroup((group) => {
            group.spawn(() => sleep(10));
            scope.cancel();
            return "value";
          }),
        { timeout: 100 },
      );
    });
    assert.equal(value, "value");
  }));

test("K12a a cancellation from outside counts while services end", () =>
  virtually(async () => {
    let thrown: unknown;
    await withCancelScope(async (scope) => {
      try {
        await withTaskGroup((group) => {
          group.spawn(
            async () => {
              try {
                await sleepForever();
              } finally {
                scope.cancel("late");
              }
            },
            { service: true },
          );
          return "value";
        });
      } catch (error) {
        thrown = error;
        throw error;
      }
    });
    assert.ok(isCancelled(thrown) && thrown.reason === "late");
  }));

test("K12a an unawaited attempt's failure beats a cancellation too", () =>
  virtually(async () => {
    const error = new Error("attempt");
    const scope = withCancelScope((scope) =>
      withTaskGroup(async (group) => {
        group.attempt(() => failing(error));
        await waitAllTasksBlocked();
        scope.cancel();
        await checkpoint();
      }),
    );
    assert.equal(await rejection(scope), error);
  }));

test("K12b deadline and signal are the group's own cancellation", () =>
  virtually(async () => {
    const late = await rejection(withTaskGroup(sleepForever, { deadline: now() + 50 }));
    assert.ok(late instanceof WorkCancelledError);
    assert.equal(late.why, "deadline");
    assert.equal(now(), 50);
    const aborted = await rejection(withTaskGroup(checkpoint, { signal: AbortSignal.abort("enough") }));
    assert.ok(aborted instanceof WorkCancelledError);
    assert.equal(aborted.why, "signal");
    assert.equal(await withTaskGroup(() => "value", { signal: AbortSignal.abort() }), "value");
  }));

test("K12b a child that cancels the group after its block returned leaves the block's value", () =>
  virtually(async () => {
    const value = await withTaskGroup((group) => {
      group.spawn(sleepForever);
      group.spawn(() => sleep(10).then(() => group.cancel()));
      return "value";
    });
    assert.equal(value, "value");
  }));

test("K12b a block that catches the group's cancellation and returns gives its value", () =>
  virtually(async () => {
    const value = await withTaskGroup(async (group) => {
      group.cancel();
      await rejection(checkpoint());
      return "value";
    });
    assert.equal(value, "value");
  }));

test("K12b what passes through a cancelled group unseen by it, as an ordinary error, is a failure", () =>
  virtually(async () => {
    const stale = new CancelledError({ why: "explicit", scope: "elsewhere" });
    assert.equal(await rejection(withTaskGroup((group) => void group.spawn(() => failing(stale)))), stale);
  }));

test("K12c after the cut-off the cancellation that the group was opened under counts", () =>
  virtually(
    async () => {
      let thrown: unknown;
      await withCancelScope(async (scope) => {
        scope.cancel("outer");
        await rejection(checkpoint());
        try {
          await withTaskGroup((group) => {
            group.spawn(() => rejection(sleepForever()));
            return "value";
          });
        } catch (error) {
          thrown = error;
          throw error;
        }
      });
      assert.ok(isCancelled(thrown) && thrown.reason === "outer");
    },
    { grace: 100 },
  ));

test("K12c a group opened while unwinding that cancels itself gives its value too", () =>
  virtually(async () => {
    let value: string | undefined;
    await withCancelScope(async (scope) => {
      scope.cancel();
      await rejection(checkpoint());
      value = await withTaskGroup((group) => {
        group.spawn(sleepForever);
        group.cancel();
        return "value";
      });
      await checkpoint();
    });
    assert.equal(value, "value");
  }));

test("K12c a further cancellation in between counts, though one was in force before", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      outer.cancel("outer");
      await rejection(checkpoint());
      const value = await withCancelScope(async (inner) => {
        await withTaskGroup((group) => {
          group.spawn(sleepForever);
          setTimeout(() => inner.cancel("inner"), 0);
        });
        assert.fail("the group was cancelled from outside");
      }).catch((error: unknown) => error);
      assert.ok(isCancelled(value) && value.reason === "outer");
    });
  }));

// --- misuse

test("spawn refuses what is not a function, and says that a promise has already started", () =>
  virtually(() =>
    withTaskGroup(
      (group) => {
        for (const wrong of [undefined, null, 5, "fn", {}]) {
          assert.throws(() => group.spawn(wrong as never), {
            name: "TypeError",
            message: /main\/jobs.*not a function/,
          });
        }
        assert.throws(() => group.spawn(Promise.resolve() as never), {
          name: "TypeError",
          message: /a promise is not a function, which has already started/,
        });
      },
      { name: "jobs" },
    ),
  ));

test("a group's options are checked", () =>
  virtually(async () => {
    await assert.rejects(
      withTaskGroup(() => {}, { grace: NaN }),
      RangeError,
    );
    await assert.rejects(
      withTaskGroup(() => {}, { grace: -1 }),
      RangeError,
    );
    await assert.rejects(
      withTaskGroup(() => {}, { deadline: NaN }),
      RangeError,
    );
    await assert.rejects(
      withTaskGroup(() => {}, { failures: "ignore" as never }),
      TypeError,
    );
    await assert.rejects(withTaskGroup(undefined as never), TypeError);
  }));
