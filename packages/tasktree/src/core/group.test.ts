/** How long a group waits, and how it ends: rules K1, K3 and K12. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  InvalidStateError,
  isCancelled,
  now,
  shield,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  WorkCancelledError,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";
import { cleaningUp } from "../../test/cleaning-up.ts";
import { failing } from "../../test/cleaning-up.ts";
import { failingInCleanup } from "../../test/cleaning-up.ts";

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

test("K3a a block that returned while children wait for each other leaves them alone", () =>
  virtually(async () => {
    const value = await withTaskGroup((group) => {
      const a = group.spawn(() => sleep(10).then(() => 1));
      const b = group.spawn(async () => (await a) + 1);
      return group.spawn(async () => (await a) + (await b));
    });
    assert.equal(value, 3);
  }));

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
