/** Deadlines and pauses: rules D1 to D5. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../test/rejection.ts";
import { virtually } from "../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  failAfter,
  failAt,
  isCancelled,
  moveOnAfter,
  moveOnAt,
  now,
  shield,
  sleep,
  sleepForever,
  sleepUntil,
  suppressedErrors,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
  WorkCancelledError,
  type Scope,
} from "./index.ts";
import { VirtualClock, waitAllTasksBlocked } from "./testing/index.ts";

// --- D1

test("D1 the earliest enclosing deadline wins, wherever it is set", () =>
  virtually(async () => {
    for (const [outer, inner] of [
      [10, 50],
      [50, 10],
    ] as const) {
      const start = now();
      const log: string[] = [];
      await moveOnAfter(outer, async () => {
        await moveOnAfter(inner, () => sleepForever());
        log.push("inner left");
        await sleepForever();
      });
      assert.deepEqual(log, inner < outer ? ["inner left"] : []);
      assert.equal(now() - start, outer);
    }
  }));

test("D1 a deadline that a shield hides does not count inside, one further in does", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await moveOnAfter(10, () =>
      shield(
        async () => {
          log.push(await moveOnAfter(30, () => sleep(20).then(now)));
          log.push(await moveOnAfter(30, () => sleepForever()), now());
        },
        { timeout: Infinity },
      ),
    );
    assert.deepEqual(log, [20, undefined, 50]);
  }));

test("D1 deadlines due at the same instant are all marked before any waiter wakes", () =>
  virtually(async () => {
    const scopes: Scope[] = [];
    const seen: boolean[][] = [];
    await withTaskGroup((group) => {
      for (let i = 0; i < 3; i++) {
        group.spawn(() =>
          moveOnAfter(10, (outer) =>
            moveOnAfter(10, async (inner) => {
              scopes.push(outer, inner);
              await sleepForever().finally(() => seen.push(scopes.map((scope) => scope.deadlineReached)));
            }),
          ),
        );
      }
    });
    assert.equal(seen.length, 3);
    for (const marks of seen) assert.deepEqual(marks, Array(6).fill(true));
  }));

test("D1 of nested deadlines due at the same instant the outer one is told of, and cleanup is cut once", () =>
  virtually(async () => {
    let cleaned = false;
    const error = await rejection(
      failAfter(10, async (outer) => {
        const left = await rejection(
          failAfter(10, async () => {
            try {
              await sleepForever();
            } finally {
              await sleep(5);
              cleaned = true;
            }
          }),
        );
        assert.equal(left, outer.signal.reason);
        throw left;
      }),
    );
    assert.ok(error instanceof TimeoutError);
    assert.equal(cleaned, true);
  }));

test("D1 of what is due in one millisecond, deadlines come before sleeps", () =>
  virtually(async () => {
    assert.equal(await moveOnAfter(10, () => sleep(10).then(() => "slept")), undefined);
    assert.equal(await moveOnAfter(10.9, () => sleep(10.1).then(() => "slept")), undefined);
    assert.equal(await moveOnAfter(11, () => sleep(10).then(() => "slept")), "slept");
    let slept = false;
    await withTaskGroup(async (group) => {
      const deadline = now() + 10;
      group.spawn(() => sleepUntil(deadline).then(() => (slept = true)));
      group.spawn(() => moveOnAt(deadline, () => sleepForever().finally(() => assert.equal(slept, false))));
    });
    assert.equal(slept, true);
  }));

test("D1 of what is due in one millisecond, sleeps wake in order of setting, fractions rounded up", () =>
  virtually(async () => {
    const order: number[] = [];
    await withTaskGroup((group) => {
      for (const ms of [9.9, 9.1, 10, 8.5, 9.5]) {
        group.spawn(async () => {
          await sleep(ms);
          order.push(ms);
          assert.equal(now(), Math.ceil(ms));
        });
      }
    });
    assert.deepEqual(order, [8.5, 9.9, 9.1, 10, 9.5]);
  }));

test("D1 of what is due in one millisecond, deadlines are told in order of setting", () =>
  virtually(async () => {
    const order: number[] = [];
    await withTaskGroup((group) => {
      for (const ms of [9.9, 9.1, 10, 9.5]) {
        group.spawn(() => moveOnAfter(ms, () => sleepForever().finally(() => order.push(ms))));
      }
    });
    assert.deepEqual(order, [9.9, 9.1, 10, 9.5]);
  }));

test("D1 a deadline that is moved forward counts from its new place", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.deadline = 100;
      scope.deadline = 20;
      await rejection(sleepForever());
      assert.equal(now(), 20);
      assert.equal(scope.deadlineReached, true);
    });
  }));

test("D1 a deadline that is moved back gives more time, as does Infinity", () =>
  virtually(async () => {
    const value = await moveOnAfter(10, async (scope) => {
      await sleep(5);
      scope.deadline += 20;
      await sleep(20);
      scope.deadline = Infinity;
      await sleep(1000);
      return now();
    });
    assert.equal(value, 1025);
  }));

test("D1 a deadline moved into the past cancels at once", () =>
  virtually(async () => {
    await sleep(50);
    for (const deadline of [50, 49, 0, -Infinity]) {
      await withCancelScope(async (scope) => {
        scope.deadline = deadline;
        assert.equal(scope.deadlineReached, true);
        assert.equal(scope.cancelRequested, true);
        assert.equal(scope.deadline, deadline);
        const error = await rejection(checkpoint());
        assert.ok(error instanceof CancelledError);
        assert.equal(error.why, "deadline");
      });
    }
    assert.equal(now(), 50);
  }));

test("D1 once reached, moving the deadline back does not undo it", () =>
  virtually(async () => {
    const value = await moveOnAfter(10, async (scope) => {
      await rejection(sleepForever());
      scope.deadline = Infinity;
      assert.equal(scope.deadlineReached, true);
      assert.equal(scope.cancelRequested, true);
      await sleepForever();
    });
    assert.equal(value, undefined);
  }));

test("D1 a deadline is read as it was set, Infinity for none", () =>
  virtually(async () => {
    await withCancelScope((scope) => {
      assert.equal(scope.deadline, Infinity);
      scope.deadline = 12.5;
      assert.equal(scope.deadline, 12.5);
      scope.deadline = Infinity;
      assert.equal(scope.deadline, Infinity);
    });
    await withCancelScope((scope) => assert.equal(scope.deadline, 70), { deadline: 70 });
  }));

test("D1 a deadline that comes while its scope unwinds from above is delivered anew, and marked", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await withCancelScope(async (outer) => {
      const left = await rejection(
        failAfter(50, async (scope) => {
          outer.cancel();
          try {
            await checkpoint();
          } finally {
            await sleepForever().finally(() => log.push(now(), scope.deadlineReached));
          }
        }),
      );
      assert.ok(isCancelled(left), "the outer scope's, not a TimeoutError");
      throw left;
    });
    assert.deepEqual(log, [50, true]);
  }));

test("D1 a deadline that comes while its scope unwinds from a cancellation by hand changes nothing", () =>
  virtually(async () => {
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        await rejection(checkpoint());
        await sleep(100);
        assert.equal(scope.deadlineReached, false);
      },
      { deadline: 50 },
    );
  }));

// --- D2

test("D2a failAfter turns what its own scope absorbed because of its deadline into TimeoutError", () =>
  virtually(async () => {
    let scope!: Scope;
    const error = await rejection(failAfter(10, (own) => ((scope = own), sleepForever())));
    assert.ok(error instanceof TimeoutError);
    assert.equal(error.deadline, 10);
    assert.ok(isCancelled(error.cause));
    assert.equal(error.cause.why, "deadline");
    assert.match(error.message, /10 ms/);
    assert.equal(scope.caught, true);
    const at = await rejection(failAt(50, () => sleepForever()));
    assert.ok(at instanceof TimeoutError);
    assert.equal(at.deadline, 50);
    assert.equal(now(), 50);
  }));

test("D2a a timeout names the scope and its task", () =>
  virtually(
    async () => {
      const error = await rejection(
        withTaskGroup((group) =>
          group.spawn(
            () =>
              failAfter(10, async function download() {
                await sleepForever();
              }),
            { name: "worker" },
          ),
        ),
      );
      assert.ok(error instanceof TimeoutError);
      assert.match(error.message, /'main\/worker\/download'/);
    },
    { name: "main" },
  ));

test("D2a cancelled by hand failAfter throws WorkCancelledError, also when the deadline comes later", () =>
  virtually(async () => {
    for (const late of [false, true]) {
      const error = await rejection(
        failAfter(10, async (scope) => {
          scope.cancel("enough");
          try {
            await checkpoint();
          } finally {
            if (late) await sleep(20);
          }
        }),
      );
      assert.ok(error instanceof WorkCancelledError);
      assert.ok(isCancelled(error.cause));
      assert.equal(error.cause.reason, "enough");
      assert.equal(error.why, "explicit");
    }
  }));

test("D2a cancelled from outside failAfter passes that on", () =>
  virtually(async () => {
    for (const when of ["before the deadline", "after it"] as const) {
      await withTaskGroup(async (group) => {
        let left: unknown;
        const task = group.spawn(async () => {
          left = await rejection(
            failAfter(10, async () => {
              await rejection(sleepForever());
              await sleep(20);
              await checkpoint();
              throw new DOMException("aborted", "AbortError");
            }),
          );
          throw left;
        });
        await sleep(when === "after it" ? 15 : 5);
        task.cancel("from outside");
        assert.equal((await task.outcome()).status, "cancelled");
        assert.ok(isCancelled(left));
        assert.equal(left.reason, "from outside");
      });
    }
  }));

test("D2a an inner timeout is not mistaken for the outer one", () =>
  virtually(async () => {
    const log: string[] = [];
    const value = await failAfter(100, async (outer) => {
      const error = await rejection(failAfter(10, () => sleepForever()));
      assert.ok(error instanceof TimeoutError);
      assert.equal(error.deadline, 10);
      log.push("inner");
      assert.equal(outer.deadlineReached, false);
      return "outer went on";
    });
    assert.equal(value, "outer went on");
    assert.deepEqual(log, ["inner"]);
  }));

test("D2a it settles when its function settles, never by force at its time", () =>
  virtually(async () => {
    const error = await rejection(
      failAfter(10, async () => {
        try {
          await sleepForever();
        } finally {
          await sleep(100);
        }
      }),
    );
    assert.ok(error instanceof TimeoutError);
    assert.equal(now(), 110);

    const { promise, resolve } = Promise.withResolvers<string>();
    await withTaskGroup(async (group) => {
      const waiter = group.spawn(() => failAfter(10, () => promise));
      await sleep(500);
      assert.equal(waiter.status, "running");
      resolve("foreign");
      assert.equal(await waiter, "foreign");
    });
  }));

test("D2a what was opened inside has ended when it settles", () =>
  virtually(async () => {
    let ended = 0;
    const error = await rejection(
      failAfter(10, () =>
        withTaskGroup((group) => {
          for (let i = 0; i < 3; i++) {
            group.spawn(async () => {
              try {
                await sleepForever();
              } finally {
                await sleep(i);
                ended++;
              }
            });
          }
        }),
      ),
    );
    assert.ok(error instanceof TimeoutError);
    assert.equal(ended, 3);
  }));

test("D2a K4 a primitive thrown after the deadline comes out together with the TimeoutError", () =>
  virtually(async () => {
    const late = async (): Promise<never> => {
      await sleepForever().catch(() => undefined);
      throw "down";
    };
    const error = (await rejection(failAfter(10, late))) as AggregateError;
    assert.ok(error instanceof AggregateError);
    assert.equal(error.errors[0], "down");
    assert.ok(error.errors[1] instanceof TimeoutError);
  }));

test("D2b code that swallows and returns gives its value, and deadlineReached tells", () =>
  virtually(async () => {
    for (const call of [failAfter, moveOnAfter]) {
      let scope!: Scope;
      const value = await call(10, async (own) => {
        scope = own;
        await rejection(sleepForever());
        return "in the end";
      });
      assert.equal(value, "in the end");
      assert.equal(scope.deadlineReached, true);
      assert.equal(scope.caught, false);
    }
  }));

test("D2b a value that comes without a checkpoint after the deadline is given", () =>
  virtually(async () => {
    assert.equal(await failAfter(0, () => "value"), "value");
    assert.equal(await failAfter(-5, async () => "value"), "value");
  }));

test("D2b a failure of the block beats the TimeoutError, which is listed on it", () =>
  virtually(async () => {
    const failure = new Error("cleanup failed");
    const error = await rejection(
      failAfter(10, async () => {
        try {
          await sleepForever();
        } finally {
          throw failure;
        }
      }),
    );
    assert.equal(error, failure);
    const [listed, ...others] = suppressedErrors(failure);
    assert.ok(listed instanceof TimeoutError);
    assert.equal(listed.deadline, 10);
    assert.deepEqual(others, []);
  }));

test("D2b a failure before the deadline has nothing listed on it", () =>
  virtually(async () => {
    const failure = new Error("early");
    assert.equal(await rejection(failAfter(10, () => Promise.reject(failure))), failure);
    assert.deepEqual(suppressedErrors(failure), []);
  }));

test("D2b with moveOnAfter a failure passes, without a TimeoutError", () =>
  virtually(async () => {
    const failure = new Error("cleanup failed");
    const error = await rejection(
      moveOnAfter(10, async () => {
        await rejection(sleepForever());
        throw failure;
      }),
    );
    assert.equal(error, failure);
    assert.deepEqual(suppressedErrors(failure), []);
  }));

test("D2b debug mode tells of code that swallows and returns", async () => {
  const told: string[] = [];
  await virtually(() => failAfter(10, async () => void (await rejection(sleepForever()))), {
    instruments: [{ warning: (message) => told.push(message) }],
  });
  assert.equal(told.length, 1);
  assert.match(told[0]!, /was told of its cancellation and returned/);
});

// --- D3

test("D3 with 0 or less the function is called, and its first checkpoint throws", () =>
  virtually(async () => {
    for (const ms of [0, -0, -1, -Infinity]) {
      const log: string[] = [];
      const error = await rejection(
        failAfter(ms, async (scope) => {
          log.push("called");
          assert.equal(scope.deadlineReached, true);
          await null;
          log.push("still here");
          await checkpoint();
          log.push("never");
        }),
      );
      assert.ok(error instanceof TimeoutError);
      assert.equal(await moveOnAfter(ms, checkpoint), undefined);
      assert.equal(await moveOnAt(now() + ms, () => checkpoint().then(() => "never")), undefined);
      assert.ok((await rejection(failAt(now() + ms, checkpoint))) instanceof TimeoutError);
      assert.deepEqual(log, ["called", "still here"]);
    }
    assert.equal(now(), 0);
  }));

test("D3 a sleep of 0 or less, or until a time that has passed, is a checkpoint", () =>
  virtually(async () => {
    for (const pause of [() => sleep(0), () => sleep(-5), () => sleep(-Infinity), () => sleepUntil(now())]) {
      await pause();
      await withCancelScope(async (scope) => {
        scope.cancel();
        assert.ok(isCancelled(await rejection(pause())));
      });
    }
    assert.equal(now(), 0);
  }));

// --- D4

test("D4a Infinity is never", () =>
  virtually(async () => {
    const value = await moveOnAfter(Infinity, () =>
      failAfter(Infinity, () => failAt(Infinity, () => sleep(1e12).then(now))),
    );
    assert.equal(value, 1e12);
    for (const forever of [() => sleep(Infinity), () => sleepUntil(Infinity), sleepForever]) {
      assert.equal(await moveOnAfter(10, forever), undefined);
    }
  }));

test("D4a beyond 2^31 ms works", () =>
  virtually(async () => {
    const log: number[] = [];
    await withTaskGroup((group) => {
      for (const ms of [2 ** 31 + 1, 2 ** 31 - 1, 2 ** 31, 2 ** 40]) {
        group.spawn(async () => {
          await sleep(ms);
          log.push(now());
        });
      }
    });
    assert.deepEqual(log, [2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 40]);
    const error = await rejection(failAfter(2 ** 33, () => sleepForever()));
    assert.ok(error instanceof TimeoutError);
    assert.equal(now(), 2 ** 40 + 2 ** 33);
  }));

test("D4a NaN is a RangeError, other things a TypeError, and the function is not called", () =>
  virtually(
    async () => {
      const block = (): void => assert.fail("called");
      const calls: Record<string, (value: never) => Promise<unknown>> = {
        sleep: (ms) => sleep(ms),
        sleepUntil: (deadline) => sleepUntil(deadline),
        moveOnAfter: (ms) => moveOnAfter(ms, block),
        moveOnAt: (deadline) => moveOnAt(deadline, block),
        failAfter: (ms) => failAfter(ms, block),
        failAt: (deadline) => failAt(deadline, block),
      };
      for (const [name, call] of Object.entries(calls)) {
        for (const [value, type, shown] of [
          [NaN, RangeError, "NaN"],
          ["10", TypeError, '"10"'],
          [undefined, TypeError, "undefined"],
          [null, TypeError, "null"],
          [10n, TypeError, "10n"],
          [new Date(0), TypeError, "an object (Date)"],
        ] as const) {
          const error = await rejection(call(value as never));
          assert.ok(error instanceof type, `${name}(${shown}): ${String(error)}`);
          assert.ok(error.message.includes(shown), error.message);
          assert.match(error.message, /'main'/);
        }
      }
      assert.equal(now(), 0);
    },
    { name: "main" },
  ));

test("D4b a sleep ends at its time, not before, on a clock that starts anywhere", async () => {
  for (const start of [0, 0.3, 1e6 + 0.7, 2 ** 33]) {
    const clock = new VirtualClock({ start });
    await virtually(
      async () => {
        for (const ms of [1, 0.5, 10.25]) {
          const before = now();
          await sleep(ms);
          assert.ok(now() >= before + ms, `${ms} ms from ${before} ended at ${now()}`);
          assert.ok(now() < before + ms + 1);
        }
        const until = now() + 3.5;
        await sleepUntil(until);
        assert.ok(now() >= until);
      },
      { clock },
    );
  }
});

// --- D5

test("D5 TimeoutError and CancelledError are siblings, named as the DOM's", () =>
  virtually(async () => {
    const timeout = await rejection(failAfter(1, () => sleepForever()));
    let cancelled: unknown;
    await withCancelScope(async (scope) => {
      scope.cancel();
      cancelled = await rejection(checkpoint());
    });
    assert.ok(timeout instanceof TimeoutError && timeout instanceof Error);
    assert.ok(cancelled instanceof CancelledError && cancelled instanceof Error);
    assert.equal((timeout as unknown) instanceof CancelledError, false);
    assert.equal((cancelled as unknown) instanceof TimeoutError, false);
    assert.equal(timeout.name, new DOMException("", "TimeoutError").name);
    assert.equal(cancelled.name, new DOMException("", "AbortError").name);
    assert.equal(timeout.code, "TASKTREE_TIMEOUT");
    assert.equal(isCancelled(timeout), false);
  }));

test("D5 a TimeoutError is an ordinary failure, also in a scope that is cancelled", () =>
  virtually(async () => {
    const error = await rejection(
      withCancelScope(async (scope) => {
        const timeout = await rejection(failAfter(1, () => sleepForever()));
        scope.cancel();
        throw timeout;
      }),
    );
    assert.ok(error instanceof TimeoutError);

    let sibling = "running";
    const left = await rejection(
      withTaskGroup(async (group) => {
        group.spawn(() => sleepForever().finally(() => (sibling = "cut")));
        await waitAllTasksBlocked();
        group.spawn(() => failAfter(1, () => sleepForever()));
      }),
    );
    assert.ok(left instanceof TimeoutError);
    assert.equal(sibling, "cut");
  }));

// --- misuse

test("what is no function is refused, and nothing is opened", () =>
  virtually(async () => {
    for (const call of [failAfter, moveOnAfter, failAt, moveOnAt]) {
      const error = await rejection(call(10, Promise.resolve() as never));
      assert.ok(error instanceof TypeError);
      assert.match(error.message, /a promise is not a function, which has already started: pass a function/);
    }
  }));
