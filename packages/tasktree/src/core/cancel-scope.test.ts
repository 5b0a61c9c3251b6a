/** Checkpoints and the edges of scopes: rules C3 and C5. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  abandonOnCancel,
  CancelledError,
  checkpoint,
  failAfter,
  failAt,
  isCancelled,
  moveOnAfter,
  moveOnAt,
  now,
  openTaskGroup,
  Semaphore,
  shield,
  sleep,
  sleepForever,
  sleepUntil,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
  type Permit,
  type Scope,
} from "../index.ts";
import { passed, refused, WaitList } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

/** A gate as an outsider would write it. */
class Gate {
  open = false;
  entered = 0;
  readonly waiters: WaitList<string> = new WaitList({ describe: () => "gate" });

  pass(): Promise<string> {
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    this.entered++;
    return this.open ? passed("open") : this.waiters.wait();
  }
}

// --- C3

test("C3 every async function is a checkpoint, also where it would not have to wait", () =>
  virtually(async () => {
    const semaphore = new Semaphore(100);
    const gate = new Gate();
    gate.open = true;
    await withTaskGroup(async (group) => {
      const done = group.spawn(() => "done");
      const open = openTaskGroup();
      const checkpoints: Record<string, () => PromiseLike<unknown>> = {
        checkpoint,
        "sleep(0)": () => sleep(0),
        "sleep(-1)": () => sleep(-1),
        "sleepUntil(past)": () => sleepUntil(now() - 10),
        acquire: () => semaphore.acquire(),
        with: () => semaphore.with(() => "value"),
        "an ended task": () => done,
        outcome: () => done.outcome(),
        "a settled foreign promise": () => abandonOnCancel(Promise.resolve("value")),
        start: () => group.start((started: (value: string) => void) => started("value")),
        join: () => open.join(),
        "an outsider's": () => gate.pass(),
        waitAllTasksBlocked,
      };
      for (const [name, call] of Object.entries(checkpoints)) {
        await withCancelScope(async (scope) => {
          scope.cancel();
          assert.ok(isCancelled(await rejection(call())), name);
        });
      }
      assert.deepEqual(semaphore.statistics(), { free: 100, held: 0, waiting: 0 });
      await open.join();
    });
  }));

test("C3a cut on entry, an operation has had no effect", () =>
  virtually(async () => {
    const called: string[] = [];
    const semaphore = new Semaphore(1);
    const gate = new Gate();
    await withTaskGroup(async (group) => {
      const open = openTaskGroup();
      const child = open.spawn(() => sleep(100));
      for (const call of [
        () => semaphore.acquire(),
        () => semaphore.with(() => called.push("with")),
        () => gate.pass(),
        () => group.start(() => called.push("start")),
        () => open.join(),
      ] as (() => Promise<unknown>)[]) {
        await withCancelScope(async (scope) => {
          scope.cancel();
          await call();
        });
      }
      assert.deepEqual(called, []);
      assert.deepEqual(semaphore.statistics(), { free: 1, held: 0, waiting: 0 });
      assert.equal(gate.entered, 0);
      assert.equal(gate.waiters.size, 0);
      assert.equal(await open.spawn(() => "not joined yet"), "not joined yet");
      assert.equal(child.status, "running");
      await open.join();
    });
  }));

test("C3a cut while waiting, it has had no effect, and its place in line is gone", () =>
  virtually(async () => {
    const semaphore = new Semaphore(0, { max: 1 });
    const gate = new Gate();
    const got: string[] = [];
    await withTaskGroup(async (group) => {
      let scope!: Scope;
      group.spawn(() =>
        withCancelScope(async (own) => {
          scope = own;
          await Promise.all([semaphore.acquire(), gate.pass()]);
        }),
      );
      await waitAllTasksBlocked();
      group.spawn(async () => got.push(await gate.pass()));
      group.spawn(async () => {
        using _permit = await semaphore.acquire();
        got.push("permit");
      });
      await waitAllTasksBlocked();
      assert.equal(semaphore.statistics().waiting, 2);
      scope.cancel();
      // gone at once, before the waiter has resumed
      assert.equal(semaphore.statistics().waiting, 1);
      assert.equal(gate.waiters.size, 1);
      semaphore.release();
      gate.waiters.wake("woken");
    });
    assert.deepEqual(got.toSorted(), ["permit", "woken"]);
    assert.deepEqual(semaphore.statistics(), { free: 1, held: 0, waiting: 0 });
  }));

test("C3a of many waiters only those cancelled leave the line, and the others keep their order", () =>
  virtually(async () => {
    const gate = new Gate();
    const order: number[] = [];
    await withTaskGroup(async (group) => {
      const tasks = Array.from({ length: 7 }, (_, number) =>
        group.spawn(async () => {
          await gate.pass();
          order.push(number);
        }),
      );
      await waitAllTasksBlocked();
      for (const cut of [0, 3, 6]) tasks[cut]!.cancel();
      assert.equal(gate.waiters.size, 4);
      while (gate.waiters.wake(""));
    });
    assert.deepEqual(order, [1, 2, 4, 5]);
  }));

test("C3b what was handed over before the cancellation is kept, and the next checkpoint throws", () =>
  virtually(async () => {
    const semaphore = new Semaphore(0, { max: 1 });
    let permit: Permit | undefined;
    await withTaskGroup(async (group) => {
      let scope!: Scope;
      group.spawn(() =>
        withCancelScope(async (own) => {
          scope = own;
          permit = await semaphore.acquire();
          assert.ok(isCancelled(await rejection(checkpoint())));
        }),
      );
      await waitAllTasksBlocked();
      semaphore.release();
      scope.cancel();
    });
    assert.deepEqual(semaphore.statistics(), { free: 0, held: 1, waiting: 0 });
    permit!.release();
    assert.equal(semaphore.free, 1);
  }));

test("C3b never both and never neither, whichever of wake and cancel comes first", () =>
  virtually(async () => {
    for (const first of ["wake", "cancel"] as const) {
      const gate = new Gate();
      const seen: unknown[] = [];
      await withTaskGroup(async (group) => {
        let scope!: Scope;
        group.spawn(() =>
          withCancelScope(async (own) => {
            scope = own;
            await gate.pass().then(
              (value) => seen.push(value),
              (error: unknown) => seen.push(isCancelled(error)),
            );
          }),
        );
        await waitAllTasksBlocked();
        let woken: boolean;
        if (first === "wake") {
          woken = gate.waiters.wake("woken");
          scope.cancel();
        } else {
          scope.cancel();
          woken = gate.waiters.wake("woken");
        }
        assert.equal(woken, first === "wake");
      });
      assert.deepEqual(seen, [first === "wake" ? "woken" : true]);
    }
  }));

test("C3b a sleep that is due when another wakes in the same millisecond and cancels it has ended", () =>
  virtually(async () => {
    const log: string[] = [];
    await withTaskGroup(async (group) => {
      let scope!: Scope;
      group.spawn(async () => {
        await sleep(10);
        scope.cancel();
      });
      group.spawn(() =>
        withCancelScope(async (own) => {
          scope = own;
          await sleep(10);
          log.push("slept");
          await checkpoint();
          log.push("never");
        }),
      );
    });
    assert.deepEqual(log, ["slept"]);
  }));

test("C3b the value of a task that ended in the step before its awaiter was cancelled is the awaiter's", () =>
  virtually(async () => {
    let got: unknown;
    await withTaskGroup(async (group) => {
      const gate = new Gate();
      let scope!: Scope;
      const task = group.spawn(() => gate.pass());
      task.onEnd(() => scope.cancel());
      group.spawn(() =>
        withCancelScope(async (own) => {
          scope = own;
          got = await task;
          await checkpoint();
          got = "went on";
        }),
      );
      await waitAllTasksBlocked();
      gate.waiters.wake("value");
    });
    assert.equal(got, "value");
  }));

test("C3b a foreign promise that has settled before the cancellation gives its value", () =>
  virtually(async () => {
    let got: unknown;
    await withCancelScope(async (scope) => {
      const value = abandonOnCancel(Promise.resolve("value"), { onLate: () => assert.fail("not late") });
      await null;
      scope.cancel();
      got = await value;
      await checkpoint();
      got = "went on";
    });
    assert.equal(got, "value");
  }));

test("C3 an exempt wait begins and is left alone until the cut-off", () =>
  virtually(async () => {
    const closed: WaitList = new WaitList({ describe: () => "the end of a connection" });
    const times: number[] = [];
    await withCancelScope(
      async (scope) => {
        const closing = rejection(closed.wait(undefined, { exempt: true }));
        await null;
        scope.cancel();
        // the exempt wait was not cut, so the node was not told by it
        assert.ok(isCancelled(await rejection(checkpoint())));
        assert.equal(closed.size, 1);
        assert.ok(isCancelled(await closing));
        times.push(now());
      },
      { grace: 100 },
    );
    assert.deepEqual(times, [100]);
    assert.equal(closed.size, 0);
  }));

type Block = (fn: () => unknown) => Promise<unknown>;

const blocks: Record<string, Block> = {
  withCancelScope: (fn) => withCancelScope(fn),
  withTaskGroup: (fn) => withTaskGroup(fn),
  moveOnAfter: (fn) => moveOnAfter(1000, fn),
  moveOnAt: (fn) => moveOnAt(now() + 1000, fn),
  failAfter: (fn) => failAfter(1000, fn),
  failAt: (fn) => failAt(now() + 1000, fn),
};

for (const [name, block] of Object.entries(blocks)) {
  test(`C3c ${name} calls its block also where it is cancelled, and the first checkpoint throws`, () =>
    virtually(async () => {
      const log: string[] = [];
      await withCancelScope(async (scope) => {
        scope.cancel();
        const error = await rejection(
          block(async () => {
            log.push("called");
            await null;
            try {
              await checkpoint();
              log.push("went on");
            } finally {
              await sleep(1);
              log.push("cleaned");
            }
          }),
        );
        assert.ok(isCancelled(error));
        throw error;
      });
      assert.deepEqual(log, ["called", "cleaned"]);
    }));

  if (name === "withTaskGroup") continue;
  test(`C3c a block of ${name} without a checkpoint gives its value`, () =>
    virtually(async () => {
      let value: unknown;
      await withCancelScope(async (scope) => {
        scope.cancel();
        value = await block(() => "value");
      });
      assert.equal(value, "value");
    }));
}

test("C3c shield calls its block where it is cancelled, and its checkpoints work", () =>
  virtually(async () => {
    let value: unknown;
    await withCancelScope(async (scope) => {
      scope.cancel();
      value = await shield(() => sleep(10).then(() => "value"), { timeout: 100 });
      await checkpoint();
    });
    assert.equal(value, "value");
  }));

test("C3c a cleanup that bounds itself begins whenever it is reached, also after the cut-off", () =>
  virtually(async () => {
    const log: string[] = [];
    await withCancelScope(
      async (scope) => {
        try {
          scope.cancel();
          await checkpoint();
        } finally {
          await rejection(sleepForever());
          await rejection(
            moveOnAfter(100, async () => {
              log.push("begins");
              await checkpoint();
              log.push("goes on");
            }),
          );
        }
      },
      { grace: 10 },
    );
    assert.deepEqual(log, ["begins"]);
  }));

// --- C5

test("C5a a scope absorbs its own cancellation: undefined, and caught", () =>
  virtually(async () => {
    const scopes: Scope[] = [];
    const keep = (scope: Scope): Scope => (scopes.push(scope), scope);
    const values = [
      await withCancelScope((scope) => (keep(scope).cancel(), sleepForever())),
      await withCancelScope((scope) => (keep(scope), sleepForever()), { deadline: now() + 5 }),
      await withCancelScope((scope) => (keep(scope), sleepForever()), { signal: AbortSignal.abort() }),
      await moveOnAfter(5, (scope) => (keep(scope), sleepForever())),
      await moveOnAt(now() + 5, (scope) => (keep(scope), sleepForever())),
    ];
    assert.deepEqual(values, [undefined, undefined, undefined, undefined, undefined]);
    assert.deepEqual(
      scopes.map((scope) => scope.caught),
      [true, true, true, true, true],
    );
    await checkpoint();
  }));

test("C5a caught tells an absorbed cancellation from a value of undefined", () =>
  virtually(async () => {
    let scope!: Scope;
    await withCancelScope(async (own) => {
      scope = own;
      own.cancel();
      await rejection(checkpoint());
    });
    assert.equal(scope.cancelRequested, true);
    assert.equal(scope.caught, false);
  }));

test("C5a caught is false until the scope is left", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.cancel();
      await rejection(checkpoint());
      assert.equal(scope.caught, false);
    });
  }));

test("C5a the scope absorbs its error also when it comes from a task, a wrapped one, or one thrown by hand", () =>
  virtually(async () => {
    for (const how of ["task", "wrapped", "by hand", "signal"] as const) {
      let scope!: Scope;
      const value = await withCancelScope(async (own) => {
        scope = own;
        if (how === "task") {
          return await withTaskGroup((group) => {
            const child = group.spawn(() => sleepForever());
            own.cancel();
            return child;
          });
        }
        own.cancel();
        if (how === "signal") own.signal.throwIfAborted();
        const error = await rejection(checkpoint());
        throw how === "wrapped" ? new Error("while fetching", { cause: error }) : error;
      });
      assert.equal(value, undefined, how);
      assert.equal(scope.caught, true, how);
    }
  }));

test("C5b the error of an enclosing cancelled scope goes on up, to the scope it reports", () =>
  virtually(async () => {
    const left: unknown[] = [];
    const scopes: Scope[] = [];
    const value = await withCancelScope(async (outer) => {
      scopes.push(outer);
      try {
        await withCancelScope(async (inner) => {
          scopes.push(inner);
          outer.cancel();
          await sleepForever();
        });
      } catch (error) {
        left.push(error);
        throw error;
      }
    });
    assert.equal(value, undefined);
    assert.ok(left[0] instanceof CancelledError);
    assert.equal(left[0], scopes[0]!.signal.reason ?? left[0]);
    assert.deepEqual(
      scopes.map((scope) => scope.caught),
      [true, false],
    );
  }));

test("C5b a scope that was cancelled inside a cancelled one does not absorb", () =>
  virtually(async () => {
    for (const first of ["outer", "inner"] as const) {
      let after: unknown;
      await withCancelScope(async (outer) => {
        const error = await rejection(
          withCancelScope(async (inner) => {
            const [one, two] = first === "outer" ? [outer, inner] : [inner, outer];
            one.cancel();
            await rejection(checkpoint());
            two.cancel();
            await checkpoint();
            await checkpoint();
            throw new DOMException("stopped", "AbortError");
          }),
        );
        after = error;
        assert.equal(error, await reasonOf(outer));
      });
      assert.ok(isCancelled(after));
    }
  }));

/** The error of a scope that was cancelled. */
function reasonOf(scope: Scope): unknown {
  return scope.signal.reason;
}

test("C5b an enclosing cancelled scope behind a shield is not visible: the scope absorbs", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      outer.cancel();
      await shield(
        async () => {
          const value = await withCancelScope((inner) => (inner.cancel(), sleepForever()));
          assert.equal(value, undefined);
          await sleep(10);
        },
        { timeout: 1000 },
      );
      assert.ok(isCancelled(await rejection(checkpoint())));
    });
  }));

test("C5b a task that is cancelled alone ends there: its group and its scopes are not cancelled", () =>
  virtually(async () => {
    let inner!: Scope;
    const value = await withTaskGroup(async (group) => {
      const task = group.spawn(() => withCancelScope((scope) => ((inner = scope), sleepForever())));
      await waitAllTasksBlocked();
      task.cancel();
      await task.outcome();
      return "went on";
    });
    assert.equal(value, "went on");
    assert.equal(inner.caught, false);
  }));

test("C5c a returned value stands, whatever was cancelled", () =>
  virtually(async () => {
    const seen: unknown[] = [];
    await withCancelScope(async (outer) => {
      seen.push(
        await withCancelScope(async (inner) => {
          inner.cancel();
          await rejection(checkpoint());
          return "told";
        }),
        await withCancelScope((inner) => {
          inner.cancel();
          return "not told";
        }),
        await moveOnAfter(5, async () => {
          await rejection(sleepForever());
          return "late";
        }),
      );
      seen.push(
        await withCancelScope((inner) => {
          outer.cancel();
          inner.cancel();
          return "outer";
        }),
      );
    });
    assert.deepEqual(seen, ["told", "not told", "late", "outer"]);
  }));

test("C5c a promise that rejects later is not a value", () =>
  virtually(async () => {
    const failure = new Error("later");
    const error = await rejection(
      withCancelScope((scope) => {
        scope.cancel();
        return Promise.reject(failure);
      }),
    );
    assert.equal(error, failure);
  }));

test("C5d a CancelledError that surfaces outside of its scope is an ordinary failure", () =>
  virtually(async () => {
    let kept: unknown;
    await withCancelScope(async (scope) => {
      scope.cancel();
      kept = await rejection(checkpoint());
      throw kept;
    });
    assert.ok(isCancelled(kept));

    let sibling = "running";
    const error = await rejection(
      withTaskGroup(async (group) => {
        group.spawn(() => sleepForever().finally(() => (sibling = "cut")));
        const task = group.spawn(() => Promise.reject(kept as Error));
        const outcome = await task.outcome();
        assert.equal(outcome.status, "failed");
        assert.equal(outcome.status === "failed" && outcome.error, kept);
      }),
    );
    assert.equal(error, kept);
    assert.equal(sibling, "cut");

    const scope = await withCancelScope(async (scope) => {
      assert.equal(await rejection(withCancelScope(() => Promise.reject(kept as Error))), kept);
      assert.equal(await rejection(failAfter(10, () => Promise.reject(kept as Error))), kept);
      return scope;
    });
    assert.equal(scope?.caught, false);
  }));

test("C5 a failure passes through a cancelled scope, which has then absorbed nothing", () =>
  virtually(async () => {
    const failure = new Error("cleanup failed");
    let scope!: Scope;
    const error = await rejection(
      withCancelScope(async (own) => {
        scope = own;
        try {
          own.cancel();
          await checkpoint();
        } finally {
          await sleep(1);
          throw failure;
        }
      }),
    );
    assert.equal(error, failure);
    assert.equal(scope.caught, false);
    await checkpoint();
  }));

test("C5 a failure that passes a cancelled scope around fails that too", () =>
  virtually(async () => {
    const failure = new Error("cleanup failed");
    const error = await rejection(
      withCancelScope((outer) =>
        withCancelScope(async () => {
          outer.cancel();
          await rejection(checkpoint());
          throw failure;
        }),
      ),
    );
    assert.equal(error, failure);
  }));

// --- misuse

const bad = {
  promise: [Promise.resolve(1), /a promise is not a function, which has already started: pass a function/],
  text: ["work", /"work" is not a function/],
  nothing: [undefined, /undefined is not a function/],
} as const;

test("functions that run a block refuse what is no function, naming it and the task", () =>
  virtually(async () => {
    await withTaskGroup((group) =>
      group.spawn(
        async () => {
          for (const [value, message] of Object.values(bad)) {
            const fn = value as never;
            const calls = [
              () => withCancelScope(fn),
              () => withTaskGroup(fn),
              () => moveOnAfter(1, fn),
              () => moveOnAt(1, fn),
              () => failAfter(1, fn),
              () => failAt(1, fn),
              () => shield(fn, { timeout: 1 }),
            ];
            for (const call of calls) {
              const error = await rejection(call());
              assert.ok(error instanceof TypeError);
              assert.match(error.message, message);
              assert.match(error.message, /'main\/loader'/);
            }
          }
        },
        { name: "loader" },
      ),
    );
  }));

test("options of a scope that make no sense are refused, and the block is not called", () =>
  virtually(async () => {
    const cases: [options: Record<string, unknown>, name: string, message: RegExp][] = [
      [{ deadline: NaN }, "RangeError", /NaN as deadline in 'main'/],
      [{ deadline: "soon" }, "TypeError", /"soon" as deadline in 'main'/],
      [{ grace: -1 }, "RangeError", /-1 as grace in 'main'/],
      [{ grace: NaN }, "RangeError", /NaN as grace in 'main'/],
      [{ grace: "5" }, "RangeError", /"5" as grace in 'main'/],
      [{ signal: {} }, "TypeError", /an object \(Object\) as signal in 'main'/],
      [{ signal: new AbortController() }, "TypeError", /AbortController.* as signal in 'main'/],
      [{ name: Symbol("name") }, "TypeError", /Symbol\(name\) as name in 'main'/],
    ];
    for (const [options, name, message] of cases) {
      const block = (): void => assert.fail("called");
      for (const open of [withCancelScope, withTaskGroup] as ((
        fn: () => void,
        options: object,
      ) => Promise<unknown>)[]) {
        const error = await rejection(open(block, options));
        assert.ok(error instanceof Error);
        assert.equal(error.name, name);
        assert.match(error.message, message);
      }
    }
  }));

test("a deadline that has passed cancels at the first checkpoint", () =>
  virtually(async () => {
    for (const deadline of [-Infinity, -1, 0]) {
      let called = false;
      const value = await withCancelScope(
        async (scope) => {
          called = true;
          assert.equal(scope.deadlineReached, true);
          await checkpoint();
          return "went on";
        },
        { deadline },
      );
      assert.equal(called, true);
      assert.equal(value, undefined);
    }
    await rejection(failAfter(-5, checkpoint)).then((error) => assert.ok(error instanceof TimeoutError));
  }));
