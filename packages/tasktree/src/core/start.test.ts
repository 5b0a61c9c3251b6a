/** Children that report readiness: rule K13. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { reasonOf, rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  currentTask,
  InvalidStateError,
  isCancelled,
  moveOnAfter,
  now,
  shield,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  WorkCancelledError,
  type TaskGroup,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

test("K13a start waits for started, gives its value, and the child goes on", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup(async (group) => {
      const port = await group.start<number>(async (started) => {
        await sleep(10);
        started(8080);
        await sleep(20);
        seen.push("child");
      });
      assert.equal(port, 8080);
      assert.equal(now(), 10);
      seen.push("block");
    });
    assert.deepEqual(seen, ["block", "child"]);
  }));

test("K13a options that throw when they are read leave no child behind", () =>
  virtually(async () => {
    const options = {
      get service(): boolean {
        throw new Error("no");
      },
    };
    await withTaskGroup(async (group) => {
      await assert.rejects(
        group.start(async () => assert.fail("must not run"), options),
        { message: "no" },
      );
    });
  }));

test("K13a a child may report at once, before its first await", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      assert.equal(await group.start<string>((started) => started("now")), "now");
    }),
  ));

test("K13a after started the child is an ordinary one: its failure is the group's", () =>
  virtually(async () => {
    const error = new Error("later");
    const group = withTaskGroup(async (group) => {
      await group.start(async (started) => {
        started();
        await sleep(5);
        throw error;
      });
      await sleepForever();
    });
    assert.equal(await rejection(group), error);
  }));

test("K13a a service may be started so: it does not keep the group open", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      await group.start(
        async (started) => {
          started();
          await sleepForever();
        },
        { service: true },
      );
    }),
  ));

test("K13a a group stays open while a start is under way", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup(async (outer) => {
      await withTaskGroup(async (inner) => {
        outer.spawn(() =>
          inner.start(async (started) => {
            await sleep(10);
            started();
            await sleep(10);
            seen.push("child");
          }),
        );
        await waitAllTasksBlocked();
      });
      seen.push("inner closed");
    });
    assert.deepEqual(seen, ["child", "inner closed"]);
  }));

test("K13b a child that fails before it is started rejects start, and the group lives", () =>
  virtually(async () => {
    const error = new Error("no port");
    const value = await withTaskGroup(async (group) => {
      const failed = group.start(async () => {
        await checkpoint();
        throw error;
      });
      assert.equal(await rejection(failed), error);
      const atOnce = group.start(() => {
        throw error;
      });
      assert.equal(await rejection(atOnce), error);
      await checkpoint();
      return "alive";
    });
    assert.equal(value, "alive");
  }));

test("K13b a child that ends before it is started rejects start with InvalidStateError, which names it", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const error = await rejection(group.start(() => {}, { name: "server" }));
      assert.ok(error instanceof InvalidStateError);
      assert.match(error.message, /main\/server/);
    }),
  ));

test("K13c cancelling the starter cancels the child, and start rejects when that has ended", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup(async (group) => {
      await moveOnAfter(10, async () => {
        const error = await rejection(
          group.start(async () => {
            try {
              await sleepForever();
            } finally {
              await sleep(50);
              seen.push("child");
            }
          }),
        );
        seen.push("starter");
        assert.ok(error instanceof CancelledError);
        assert.equal(now(), 60);
        throw error;
      });
      await checkpoint();
    });
    assert.deepEqual(seen, ["child", "starter"]);
  }));

test("K13c a shield in the child holds off the starter's cancellation", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup(async (group) => {
      await moveOnAfter(10, () =>
        group.start(async () => {
          await shield(() => sleep(100), { timeout: 1000 });
          seen.push("shielded part");
          await checkpoint();
          seen.push("never");
        }),
      );
    });
    assert.deepEqual(seen, ["shielded part"]);
  }));

test("K13c a failure in the cleanup of the cancelled child is not lost", () =>
  virtually(async () => {
    const error = new Error("cleanup");
    const group = withTaskGroup(async (group) => {
      await moveOnAfter(10, () =>
        group.start(async () => {
          try {
            await sleepForever();
          } finally {
            throw error;
          }
        }),
      );
    });
    assert.equal(await rejection(group), error);
  }));

test("K13c a child that reports after its starter was cancelled does not make start succeed", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const value = await moveOnAfter(10, () =>
        group.start<string>(async (started) => {
          try {
            await sleepForever();
          } finally {
            started("too late");
          }
        }),
      );
      assert.equal(value, undefined);
    });
  }));

test("K13c a child cancelled with its group rejects a starter outside with WorkCancelledError", () =>
  virtually(() =>
    withTaskGroup(async (outer) => {
      const done = withTaskGroup(async (inner) => {
        outer.spawn(async () => {
          assert.ok((await rejection(inner.start(sleepForever))) instanceof WorkCancelledError);
        });
        await waitAllTasksBlocked();
        inner.cancel();
        return "cancelled";
      });
      assert.equal(await done, "cancelled");
    }),
  ));

test("K13d a second started() throws InvalidStateError, in the child", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      let second: unknown;
      await group.start((started) => {
        started();
        try {
          started();
        } catch (error) {
          second = error;
        }
      });
      assert.ok(second instanceof InvalidStateError);
    }),
  ));

// --- odd corners

test("K13a a starter that is cancelled just after the report has the value, and the child goes on", () =>
  virtually(async () => {
    const seen: unknown[] = [];
    await withTaskGroup(async (group) => {
      await withCancelScope(async (scope) => {
        seen.push(
          await group.start<string>(async (started) => {
            await checkpoint();
            started("value");
            scope.cancel();
            await sleep(10);
            seen.push("child");
          }),
        );
      });
    });
    assert.deepEqual(seen, ["value", "child"]);
  }));

test("K13a a child that has reported is cancelled with its group, and by nobody else", () =>
  virtually(async () => {
    const seen: string[] = [];
    await rejection(
      withTaskGroup(async (group) => {
        await group.start(async (started) => {
          started();
          await sleepForever().finally(() => seen.push("child"));
        });
        seen.push("started");
        group.cancel();
        await checkpoint();
      }),
    );
    assert.deepEqual(seen, ["started", "child"]);
  }));

test("K13a a started service ends with its group though the group was waiting for its start alone", () =>
  virtually(() =>
    withTaskGroup(async (outer) => {
      const seen: string[] = [];
      await withTaskGroup(async (inner) => {
        outer.spawn(() =>
          inner.start(
            async (started) => {
              await sleep(10);
              started();
              await sleepForever().finally(() => seen.push("service"));
            },
            { service: true },
          ),
        );
        await waitAllTasksBlocked();
      });
      assert.deepEqual(seen, ["service"]);
    }),
  ));

test("K13a a started service is one in every way: last started first, after the others, at the latest at the cut-off", () =>
  virtually(
    async () => {
      for (const stubborn of [false, true]) {
        const seen: string[] = [];
        const begin = now();
        await withCancelScope(async (scope) => {
          await withTaskGroup(async (group) => {
            for (const name of ["first", "second"]) {
              await group.start(
                async (started) => {
                  started();
                  await sleepForever().finally(() => seen.push(`${name} at ${now() - begin}`));
                },
                { service: true },
              );
            }
            group.spawn(async () => {
              await rejection(sleepForever());
              await (stubborn ? shield(() => sleep(900), { timeout: 1000 }) : sleep(100));
            });
            await waitAllTasksBlocked();
            scope.cancel();
            await checkpoint();
          });
        });
        const at = stubborn ? 300 : 100;
        assert.deepEqual(seen.toSorted(), [`first at ${at}`, `second at ${at}`]);
        if (!stubborn) assert.deepEqual(seen, ["second at 100", "first at 100"]);
      }
    },
    { grace: 300 },
  ));

test("K13b what the child fails with before it reports is nobody else's, with failures collected too", () =>
  virtually(async () => {
    const error = new Error("no port");
    const value = await withTaskGroup(
      async (group) => {
        assert.equal(await rejection(group.start(() => Promise.reject(error))), error);
        assert.equal(await rejection(group.start(() => Promise.reject(error), { service: true })), error);
        return "value";
      },
      { failures: "collect" },
    );
    assert.equal(value, "value");
  }));

test("K13b a child that was cancelled by name before it reports rejects start with WorkCancelledError", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const error = await rejection(
        group.start(async () => {
          currentTask()!.cancel("changed my mind");
          await checkpoint();
        }),
      );
      assert.ok(error instanceof WorkCancelledError);
      assert.ok(isCancelled(error.cause) && error.cause.reason === "changed my mind");
    }),
  ));

test("K13b a report after the child has ended changes nothing", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      let late: (() => void) | undefined;
      const failed = group.start((started) => void (late = started));
      assert.ok((await rejection(failed)) instanceof InvalidStateError);
      late!();
      await checkpoint();
    }),
  ));

test("K13c a child within what was cancelled sees that cancellation, once, and can clean up", () =>
  virtually(async () => {
    const seen: unknown[] = [];
    await withCancelScope(async (scope) => {
      await withTaskGroup(async (group) => {
        group.spawn(() =>
          group.start(async () => {
            const error = await rejection(sleepForever());
            await sleep(10);
            seen.push(isCancelled(error) && error.reason);
            throw error;
          }),
        );
        await waitAllTasksBlocked();
        scope.cancel("from outside");
        await checkpoint();
      });
    });
    assert.deepEqual(seen, ["from outside"]);
  }));

test("K13c a starter that is cut at the cut-off too still waits for the child to end", () =>
  virtually(
    async () => {
      const seen: string[] = [];
      await withTaskGroup(async (group) => {
        await moveOnAfter(10, () =>
          group
            .start(async () => {
              await shield(() => sleep(500), { timeout: 1000 });
              seen.push("child");
            })
            .finally(() => seen.push("starter")),
        );
      });
      assert.deepEqual(seen, ["child", "starter"]);
    },
    { grace: 100 },
  ));

test("K13d a second started() that nobody catches is the child's failure, and so the group's", () =>
  virtually(async () => {
    const group = withTaskGroup(async (group) => {
      await group.start((started) => {
        started();
        started();
      });
    });
    const error = await rejection(group);
    assert.ok(error instanceof InvalidStateError);
    assert.match(error.message, /^Cannot report task 'main\/task-\d+' as started: it has been$/);
  }));

test("start in a cancelled scope calls nothing", () =>
  virtually(async () => {
    let called = false;
    await withTaskGroup(async (group) => {
      await withCancelScope(async (scope) => {
        scope.cancel();
        await group.start(() => (called = true));
      });
    });
    assert.equal(called, false);
  }));

test("start refuses what is not a function", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      await assert.rejects(group.start(Promise.resolve() as never), { name: "TypeError", message: /already started/ });
    }),
  ));

test("K13c a child behind a shield, which the cancellation of its starter does not reach, is cancelled by name", () =>
  virtually(async () => {
    const seen: unknown[] = [];
    await withTaskGroup(async (around) => {
      let shielded!: TaskGroup;
      const holder = (group: TaskGroup): Promise<void> => ((shielded = group), sleep(50));
      around.spawn(() => shield(() => withTaskGroup(holder), { timeout: Infinity }));
      around.spawn(() =>
        shielded.start(async () => {
          const error = await rejection(sleepForever());
          seen.push(reasonOf(error), now());
          throw error;
        }),
      );
      await waitAllTasksBlocked();
      around.cancel("enough");
    });
    assert.deepEqual(seen, ["its starter was cancelled", 0]);
    assert.equal(now(), 50);
  }));

test("K13c a starter that is cancelled from outside and then further in, in one step, is told once, of the first", () =>
  virtually(async () => {
    const seen: unknown[] = [];
    await withTaskGroup(async (group) => {
      await withCancelScope(async (outer) => {
        await withCancelScope(async (inner) => {
          queueMicrotask(() => {
            outer.cancel("outer");
            inner.cancel("inner");
          });
          const error = await rejection(group.start(sleepForever));
          seen.push(reasonOf(error));
          await checkpoint();
          seen.push("cleaned");
          throw error;
        });
      });
    });
    assert.deepEqual(seen, ["outer", "cleaned"]);
  }));
