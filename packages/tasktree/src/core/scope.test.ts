/** How a cancellation travels on the tree: rules C1, C2, C9, C11. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  abandonOnCancel,
  CancelledError,
  checkpoint,
  currentScope,
  currentTask,
  isCancelled,
  moveOnAfter,
  now,
  openTaskGroup,
  Semaphore,
  shield,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type Scope,
} from "../index.ts";
import { addInstrument } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

/** Waits until cut, then again: the first error, and the time of the second cut. */
async function cutTwice(): Promise<{ error: unknown; at: number; again: unknown; cutoff: number }> {
  const error = await rejection(sleepForever());
  const at = now();
  const again = await rejection(sleepForever());
  return { error, at, again, cutoff: now() };
}

// --- C1

test("C1a cancel() cancels a scope, with its reason", () =>
  virtually(async () => {
    const reason = new Error("enough");
    let error: unknown;
    let seen: Scope | undefined;
    const value = await withCancelScope(async (scope) => {
      seen = scope;
      queueMicrotask(() => scope.cancel(reason));
      error = await rejection(sleepForever());
      throw error;
    });
    assert.equal(value, undefined);
    assert.ok(error instanceof CancelledError);
    assert.equal(error.why, "explicit");
    assert.equal(error.reason, reason);
    assert.equal(error.cause, reason);
    assert.equal(seen?.cancelRequested, true);
    assert.equal(seen?.deadlineReached, false);
  }));

test("C1a a deadline cancels its scope when it comes", () =>
  virtually(async () => {
    let error: unknown;
    const scope = await withCancelScope(
      async (scope) => {
        error = await rejection(sleepForever());
        return scope;
      },
      { deadline: now() + 70 },
    );
    assert.ok(error instanceof CancelledError);
    assert.equal(error.why, "deadline");
    assert.equal(now(), 70);
    assert.equal(scope?.cancelRequested, true);
    assert.equal(scope?.deadlineReached, true);
  }));

test("C1a a signal cancels the scope that was given it", () =>
  virtually(async () => {
    const controller = new AbortController();
    const reason = new Error("the user left");
    let error: unknown;
    await withCancelScope(
      async () => {
        queueMicrotask(() => controller.abort(reason));
        error = await rejection(sleepForever());
      },
      { signal: controller.signal },
    );
    assert.ok(error instanceof CancelledError);
    assert.equal(error.why, "signal");
    assert.equal(error.reason, reason);
  }));

test("C1a a parent's cancellation reaches scopes, tasks and groups at any depth, which were not themselves cancelled", () =>
  virtually(async () => {
    const errors: unknown[] = [];
    const inner: Scope[] = [];
    let outer!: Scope;
    await withCancelScope(async (scope) => {
      outer = scope;
      await withTaskGroup(async (group) => {
        group.spawn(() =>
          withCancelScope(async (scope) => {
            inner.push(scope);
            await withTaskGroup(async (group) => {
              inner.push(group);
              group.spawn(async () => {
                errors.push(await rejection(sleepForever()));
              });
            });
          }),
        );
        await waitAllTasksBlocked();
        outer.cancel();
        errors.push(await rejection(checkpoint()));
      });
    });
    assert.equal(errors.length, 2);
    assert.ok(isCancelled(errors[0]));
    assert.equal(errors[0], errors[1]);
    assert.equal(outer.cancelRequested, true);
    assert.deepEqual(
      inner.map((scope) => scope.cancelRequested),
      [false, false],
    );
  }));

test("C1a a parent's cancellation does not pass a shield", () =>
  virtually(async () => {
    for (const when of ["before", "inside"] as const) {
      const seen: string[] = [];
      await withCancelScope(async (scope) => {
        if (when === "before") scope.cancel();
        await shield(
          async () => {
            queueMicrotask(() => scope.cancel());
            await sleep(10);
            seen.push("shielded");
          },
          { timeout: Infinity },
        );
        await rejection(checkpoint());
        seen.push("cut");
      });
      assert.deepEqual(seen, ["shielded", "cut"]);
    }
  }));

test("C1a a cancellation does not reach siblings, nor what is around", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const sibling = group.spawn(async () => {
        await sleep(100);
        return "went on";
      });
      group.spawn(() => withCancelScope((scope) => (scope.cancel(), sleepForever())));
      await sleep(50);
      assert.equal(await sibling, "went on");
      assert.equal(group.cancelRequested, false);
    });
  }));

test("C1b cancel() has taken effect when it returns, and the first reason stays", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      const first = new Error("first");
      scope.cancel(first);
      assert.equal(scope.cancelRequested, true);
      scope.cancel(new Error("second"));
      scope.deadline = now() - 1;
      const error = await rejection(checkpoint());
      assert.ok(error instanceof CancelledError);
      assert.equal(error.reason, first);
      assert.equal(error.why, "explicit");
      assert.equal(scope.deadlineReached, false);
    });
  }));

test("C1b a deadline, a signal and a hand on one scope are one cancellation, the first", () =>
  virtually(async () => {
    const controller = new AbortController();
    const told: unknown[] = [];
    const stop = addInstrument({ scopeCancelled: (_scope, error) => told.push(error) });
    await withCancelScope(
      async (scope) => {
        const error = await rejection(sleepForever());
        controller.abort(new Error("late"));
        scope.cancel(new Error("later"));
        await sleep(1);
        assert.deepEqual(told, [error]);
      },
      { deadline: now() + 5, signal: controller.signal },
    );
    stop();
    assert.equal(told.length, 1);
  }));

test("C1b no user code runs before cancel() returns: no waiter, listener, callback or cleanup", () =>
  virtually(async () => {
    const ran: string[] = [];
    const after = (what: string) => () => ran.push(what);
    await withTaskGroup(async (group) => {
      await withCancelScope(async (scope) => {
        scope.signal.addEventListener("abort", after("listener"));
        await withTaskGroup(async (inner) => {
          const task = inner.spawn(() => sleepForever());
          task.onEnd(after("onEnd"));
          inner.spawn(() => sleepForever().finally(after("cleanup")));
          group.spawn(async () => {
            await rejection(task);
            ran.push("awaiter");
          });
          await waitAllTasksBlocked();
          scope.cancel();
          assert.deepEqual(ran, []);
        });
      });
    });
    assert.deepEqual(ran.toSorted(), ["awaiter", "cleanup", "listener", "onEnd"]);
  }));

test("C1b cancel() cannot throw, whatever the reason is", () =>
  virtually(async () => {
    const hostile = new Proxy(() => {}, {
      get() {
        throw new Error("hostile");
      },
      getPrototypeOf() {
        throw new Error("hostile");
      },
      has() {
        throw new Error("hostile");
      },
    });
    const { proxy: revoked, revoke } = Proxy.revocable(function revoked() {}, {});
    revoke();
    const unnamed = Object.defineProperty(() => {}, "name", { value: Symbol("name") });
    const nameless = Object.defineProperty(new Error("message"), "name", { value: Symbol("name") });
    const bare: unknown = Object.create(null);
    for (const reason of [
      hostile,
      revoked,
      unnamed,
      nameless,
      bare,
      null,
      Symbol("reason"),
      10n,
      NaN,
      "x".repeat(1e6),
    ]) {
      let error: unknown;
      await withCancelScope(async (scope) => {
        scope.cancel(reason);
        error = await rejection(checkpoint());
      });
      assert.ok(error instanceof CancelledError);
      assert.ok(Object.is(error.reason, reason));
      assert.ok(error.message.length < 300);
    }
  }));

test("C1b cancelling a scope that has ended does nothing", () =>
  virtually(async () => {
    const scope = await withCancelScope((scope) => scope);
    scope?.cancel("late");
    assert.equal(scope?.cancelRequested, false);
    scope.deadline = now() - 1;
    assert.equal(scope?.deadlineReached, false);
    scope?.drain(0);
    assert.equal(scope?.draining, false);
    await checkpoint();
  }));

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

// --- C2: grace

test("C2d grace is 5,000 ms unless set", () =>
  virtually(async () => {
    const seen = await withCancelScope(async (scope) => {
      scope.cancel();
      return cutTwice();
    });
    assert.equal(seen?.cutoff, 5000);
  }));

test("C2d grace is inherited from the run, and from scope to scope", () =>
  virtually(
    async () => {
      const scopeOfRun = await withCancelScope((scope) => (scope.cancel(), cutTwice()));
      assert.equal(scopeOfRun?.cutoff, 70);
      const start = now();
      const inherited = await withCancelScope(
        () => withTaskGroup((group) => group.spawn(() => withCancelScope((scope) => (scope.cancel(), cutTwice())))),
        { grace: 30 },
      );
      assert.equal(inherited?.cutoff, start + 30);
    },
    { grace: 70 },
  ));

test("C2d a longer grace can be set further in", () =>
  virtually(
    async () => {
      const seen = await withCancelScope((scope) => (scope.cancel(), cutTwice()), { grace: 10_000 });
      assert.equal(seen?.cutoff, 10_000);
    },
    { grace: 70 },
  ));

test("C2d the least cut-off of the cancelled scopes counts, whichever it belongs to", () =>
  virtually(async () => {
    for (const [outerGrace, innerGrace] of [
      [100, 1000],
      [1000, 100],
    ] as const) {
      const start = now();
      let seen: { cutoff: number } | undefined;
      await withCancelScope(
        (outer) =>
          withCancelScope(
            async (inner) => {
              outer.cancel();
              inner.cancel();
              seen = await cutTwice();
            },
            { grace: innerGrace },
          ),
        { grace: outerGrace },
      );
      assert.equal(seen?.cutoff, start + 100);
    }
  }));

test("C2d the grace of a scope that was not cancelled does not count", () =>
  virtually(async () => {
    const seen: { cutoff: number }[] = [];
    await withCancelScope(
      (outer) =>
        withCancelScope(
          async () => {
            outer.cancel();
            seen.push(await cutTwice());
          },
          { grace: 10 },
        ),
      { grace: 300 },
    );
    assert.equal(seen[0]?.cutoff, 300);
  }));

test("C2d a cut-off further in is not one of the scope around", () =>
  virtually(async () => {
    const cuts: number[] = [];
    await withCancelScope(async (outer) => {
      queueMicrotask(() => outer.cancel());
      try {
        await withCancelScope(
          async (inner) => {
            inner.cancel();
            cuts.push((await cutTwice()).cutoff);
          },
          { grace: 50 },
        );
      } finally {
        await rejection(sleepForever());
        await rejection(sleepForever());
        cuts.push(now());
      }
    });
    assert.deepEqual(cuts, [50, 5000]);
  }));

test("C2d grace 0 is a level trigger: a wait is cut, and every checkpoint after it throws", () =>
  virtually(async () => {
    for (const wait of [sleepForever, checkpoint]) {
      const errors: unknown[] = [];
      await withCancelScope(
        async (scope) => {
          queueMicrotask(() => scope.cancel());
          await null;
          if (wait === checkpoint) await null;
          for (let i = 0; i < 3; i++) errors.push(await rejection(wait()));
        },
        { grace: 0 },
      );
      assert.equal(errors.length, 3);
      assert.ok(isCancelled(errors[0]));
      assert.equal(new Set(errors).size, 1);
    }
  }));

test("C2d grace Infinity never cuts cleanup", () =>
  virtually(
    async () => {
      let cleaned = false;
      await withCancelScope(async (scope) => {
        scope.cancel();
        await rejection(checkpoint());
        await sleep(1e9);
        cleaned = true;
      });
      assert.equal(cleaned, true);
      assert.equal(now(), 1e9);
    },
    { grace: Infinity },
  ));

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

test("C2g a later cancellation further in is delivered anew: cleanup can bound itself", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await withCancelScope(async (scope) => {
      scope.cancel();
      let first: unknown;
      try {
        first = await rejection(checkpoint());
        throw first;
      } finally {
        const error = await rejection(
          moveOnAfter(100, async (bound) => {
            try {
              await sleepForever();
            } finally {
              log.push(now(), bound.deadlineReached, bound.cancelRequested);
              await sleep(10);
              log.push(now());
            }
          }),
        );
        // C5: the scope around is cancelled too, and its error is the one that leaves
        assert.equal(error, first);
        await sleep(10);
        log.push(now());
      }
    });
    assert.deepEqual(log, [100, true, true, 110, 120]);
  }));

test("C2g a bound that is kept while unwinding gives its value", () =>
  virtually(async () => {
    let closed: unknown;
    await withCancelScope(async (scope) => {
      scope.cancel();
      try {
        await checkpoint();
      } finally {
        closed = await moveOnAfter(100, async () => {
          await sleep(99);
          return "closed";
        });
      }
    });
    assert.equal(closed, "closed");
  }));

test("C2g a deadline of the scope that is being unwound is no news; one further in is", () =>
  virtually(async () => {
    const cuts: number[] = [];
    await withCancelScope(async (outer) => {
      await withCancelScope(async (inner) => {
        inner.deadline = now() + 50;
        outer.cancel();
        await rejection(checkpoint());
        await rejection(sleepForever());
        cuts.push(now());
        outer.deadline = now() + 10;
        assert.equal(outer.deadlineReached, false);
        await sleep(100);
        cuts.push(now());
        assert.equal(inner.deadlineReached, true);
        assert.equal(outer.deadlineReached, false);
      });
    });
    assert.deepEqual(cuts, [50, 150]);
  }));

test("C2g a child scope's own cancellation is delivered in the child though the parent was told", () =>
  virtually(async () => {
    const log: string[] = [];
    await withCancelScope(async (outer) => {
      const { promise: told, resolve: tell } = Promise.withResolvers<void>();
      await rejection(
        withTaskGroup(async (group) => {
          const child = group.spawn(async () => {
            await rejection(sleepForever());
            log.push("cut by the parent");
            tell();
            await rejection(sleepForever());
            log.push("cut itself");
            await sleep(1);
            log.push("unwinds");
          });
          await waitAllTasksBlocked();
          outer.cancel();
          await told;
          child.cancel();
          await rejection(checkpoint());
        }),
      );
    });
    assert.deepEqual(log, ["cut by the parent", "cut itself", "unwinds"]);
  }));

test("C2h a later cancellation further out does not disturb cleanup, and is delivered after the inner scope is left", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await withTaskGroup(async (group) => {
      let outer!: Scope;
      let inner!: Scope;
      group.spawn(async () => {
        await withCancelScope(async (scope) => {
          outer = scope;
          await withCancelScope(async (scope) => {
            inner = scope;
            await rejection(sleepForever());
            await sleep(100);
            log.push("cleanup", now());
          });
          log.push("left", await rejection(checkpoint()));
          await sleep(10);
          log.push("unwinds", now());
        });
      });
      await waitAllTasksBlocked();
      inner.cancel();
      await sleep(50);
      outer.cancel("outer");
    });
    const [error] = log.splice(3, 1);
    assert.ok(isCancelled(error));
    assert.equal(error.reason, "outer");
    assert.deepEqual(log, ["cleanup", 100, "left", "unwinds", 110]);
  }));

test("C2h an inner scope that rethrows passes the outer error on at once, and the parent is told", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await withCancelScope(async (outer) => {
      try {
        await withCancelScope(async (inner) => {
          inner.cancel("inner");
          try {
            await checkpoint();
          } finally {
            outer.cancel("outer");
            await sleep(20);
            log.push(now());
          }
        });
      } catch (error) {
        assert.ok(isCancelled(error));
        log.push(error.reason);
        await sleep(20);
        log.push(now());
        throw error;
      }
    });
    assert.deepEqual(log, [20, "outer", 40]);
  }));

test("C2h a later cancellation further out moves the cut-off forward, never back", () =>
  virtually(async () => {
    const cuts: number[] = [];
    for (const [outerGrace, expected] of [
      [50, 60],
      [0, 10],
      [1e6, 1000],
    ] as const) {
      const start = now();
      await withTaskGroup(async (group) => {
        let outer!: Scope;
        let inner!: Scope;
        group.spawn(() =>
          withCancelScope(
            async (scope) => {
              outer = scope;
              await withCancelScope(
                async (scope) => {
                  inner = scope;
                  const seen = await cutTwice();
                  cuts.push(seen.cutoff - start - expected);
                },
                { grace: 1000 },
              );
            },
            { grace: outerGrace },
          ),
        );
        await waitAllTasksBlocked();
        inner.cancel();
        await sleep(10);
        outer.cancel();
      });
    }
    assert.deepEqual(cuts, [0, 0, 0]);
  }));

/** Three nested scopes, cancelled one after the other in every order. */
const orders = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const;

interface Nest {
  readonly scopes: Scope[];
  /** What was thrown in the innermost scope. */
  readonly thrown: unknown[];
  /** What left each scope: an error, or a value. */
  readonly left: unknown[];
}

async function nest(seen: Nest, inside: () => Promise<unknown>): Promise<void> {
  const level = async (depth: number): Promise<unknown> => {
    if (depth === 3) return inside();
    try {
      const value = await withCancelScope((scope) => {
        seen.scopes[depth] = scope;
        return level(depth + 1);
      });
      seen.left[depth] = value;
      return value;
    } catch (error) {
      seen.left[depth] = error;
      throw error;
    }
  };
  await level(0);
}

function reasonOf(error: unknown): unknown {
  return isCancelled(error) ? error.reason : error;
}

for (const order of orders) {
  test(`C2i of three nested scopes cancelled in the order ${order.join(" ")} the outermost's error counts, and it absorbs`, () =>
    virtually(async () => {
      const seen: Nest = { scopes: [], thrown: [], left: [] };
      await withTaskGroup(async (group) => {
        group.spawn(() =>
          nest(seen, async () => {
            let last: unknown;
            for (const _ of order) {
              try {
                await sleep(1000);
                break;
              } catch (error) {
                last = error;
                seen.thrown.push(reasonOf(error));
              }
            }
            throw last;
          }),
        );
        await waitAllTasksBlocked();
        for (const which of order) {
          seen.scopes[which]!.cancel(which);
          await sleep(1);
        }
      });
      // delivered anew exactly when it is further in than all before; the error is that of the outermost so far
      const expected: number[] = [];
      let innermost = -1;
      let outermost = Infinity;
      for (const which of order) {
        outermost = Math.min(outermost, which);
        if (which > innermost) expected.push(outermost);
        innermost = Math.max(innermost, which);
      }
      assert.deepEqual(seen.thrown, expected);
      assert.deepEqual(seen.left.map(reasonOf), [undefined, 0, 0]);
      assert.deepEqual(
        seen.scopes.map((scope) => scope.caught),
        [true, false, false],
      );
    }));

  test(`C2i of three nested scopes cancelled at once in the order ${order.join(" ")} one delivery covers all`, () =>
    virtually(async () => {
      const seen: Nest = { scopes: [], thrown: [], left: [] };
      let cleaned = false;
      await withTaskGroup(async (group) => {
        group.spawn(() =>
          nest(seen, async () => {
            try {
              await sleepForever();
            } finally {
              await sleep(10);
              cleaned = true;
            }
          }),
        );
        await waitAllTasksBlocked();
        for (const which of order) seen.scopes[which]!.cancel(which);
      });
      assert.equal(cleaned, true);
      assert.deepEqual(seen.left.map(reasonOf), [undefined, 0, 0]);
    }));
}

test("C2i the error at a checkpoint is that of the outermost, also where inner ones were cancelled first", () =>
  virtually(async () => {
    const seen: Nest = { scopes: [], thrown: [], left: [] };
    await nest(seen, async () => {
      for (const which of [2, 1, 0]) seen.scopes[which]!.cancel(which);
      const error = await rejection(checkpoint());
      assert.equal(reasonOf(error), 0);
      await checkpoint();
      throw error;
    });
    assert.deepEqual(seen.left.map(reasonOf), [undefined, 0, 0]);
  }));

test("C2i the outermost that a shield hides is not visible", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      outer.cancel("outer");
      await shield(
        async () => {
          const value = await withCancelScope(async (inner) => {
            inner.cancel("inner");
            assert.equal(reasonOf(await rejection(checkpoint())), "inner");
            await sleepForever();
          });
          assert.equal(value, undefined);
          await checkpoint();
        },
        { timeout: 10_000 },
      );
    });
  }));

// --- C2: the cut-off

test("C2j at the cut-off waits in progress are cut, and every checkpoint after it throws", () =>
  virtually(async () => {
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        const first = await rejection(checkpoint());
        const semaphore = new Semaphore(0, { max: 1 });
        const waits = [sleepForever(), semaphore.acquire(), sleep(101), abandonOnCancel(new Promise(() => {}))];
        for (const error of await Promise.all(waits.map(rejection))) assert.equal(error, first);
        assert.equal(now(), 100);
        assert.equal(semaphore.statistics().waiting, 0);
        for (const call of [checkpoint, () => sleep(0), () => semaphore.acquire(), () => scope.waitDraining()]) {
          assert.equal(await rejection(call()), first);
        }
        assert.equal(semaphore.statistics().waiting, 0);
      },
      { grace: 100 },
    );
  }));

test("C2j what ends in the millisecond before the cut-off is not cut", () =>
  virtually(async () => {
    let cleaned = false;
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        await rejection(checkpoint());
        await sleep(99);
        cleaned = true;
      },
      { grace: 100 },
    );
    assert.equal(cleaned, true);
  }));

test("C2j a cancellation and the cut-off of another in one instant are one throw", () =>
  virtually(async () => {
    const cuts: number[] = [];
    await withCancelScope(
      async (outer) => {
        await withCancelScope(async (inner) => {
          outer.cancel();
          await rejection(checkpoint());
          inner.deadline = now() + 100;
          await rejection(sleepForever());
          cuts.push(now());
          await rejection(checkpoint());
          cuts.push(now());
        });
      },
      { grace: 100 },
    );
    assert.deepEqual(cuts, [100, 102]);
  }));

test("C2j code that swallows cancellation before the cut-off is stopped at it", () =>
  virtually(async () => {
    let rounds = 0;
    let seen: unknown;
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        while (now() < 1000) {
          await sleep(10).catch((error: unknown) => (seen = error));
          rounds++;
        }
      },
      { grace: 100 },
    );
    assert.ok(isCancelled(seen));
    // one throw, ten sleeps at most, then throws at 2, 4, 8 ms …
    assert.ok(rounds < 25, `${rounds} rounds`);
  }));

// --- C9

const many = 100_000;

/** Nested scopes, each opened on a stack of its own. */
async function nested(
  levels: number,
  options: { deadline?: number },
  inside: () => Promise<unknown>,
): Promise<unknown> {
  if (levels === 0) return inside();
  return withCancelScope(async () => {
    await null;
    return nested(levels - 1, {}, inside);
  }, options);
}

test("C9 100,000 nested scopes can be cut by a deadline, by cancel() from the top, and at the cut-off", () =>
  virtually(async () => {
    const log: [at: number, why: unknown][] = [];
    const note = async (): Promise<void> => {
      const error = await rejection(sleepForever());
      assert.ok(error instanceof CancelledError);
      log.push([now(), error.why]);
    };
    let top!: Scope;
    await withTaskGroup(async (group) => {
      group.spawn(async () => {
        await sleep(20);
        top.cancel();
      });
      const value = await withCancelScope(async (scope) => {
        top = scope;
        await nested(many, { deadline: now() + 10 }, async () => {
          await note();
          await note();
          await sleepForever();
        });
      });
      assert.equal(value, undefined);
    });
    assert.equal(top.caught, true);
    assert.deepEqual(log, [
      [10, "deadline"],
      [5010, "explicit"],
    ]);
  }));

test("C9 1,000 nested scopes that were each cancelled unwind", () =>
  virtually(async () => {
    const scopes: Scope[] = [];
    const level = async (levels: number): Promise<unknown> => {
      if (levels === 0) return sleepForever();
      return withCancelScope(async (scope) => {
        scopes.push(scope);
        await null;
        return level(levels - 1);
      });
    };
    await withTaskGroup(async (group) => {
      const task = group.spawn(() => level(1000));
      await waitAllTasksBlocked();
      // from the inside out, and from the outside in: each walks what is below it
      for (const scope of [...scopes.slice(500).reverse(), ...scopes.slice(0, 500)]) scope.cancel();
      assert.equal(await task, undefined);
    });
    assert.deepEqual(
      scopes.filter((scope) => scope.caught),
      [scopes[0]],
    );
  }));

test("C9 a failure passes through 10,000 cancelled scopes", () =>
  virtually(async () => {
    const failure = new Error("cleanup failed");
    const error = await rejection(
      withCancelScope((scope) =>
        nested(10_000, {}, async () => {
          scope.cancel();
          await rejection(checkpoint());
          throw failure;
        }),
      ),
    );
    assert.equal(error, failure);
  }));

test("C9 20,000 tasks side by side are cut by one cancellation", () =>
  virtually(async () => {
    let cut = 0;
    await withCancelScope(async (scope) => {
      await withTaskGroup(async (group) => {
        for (let i = 0; i < 20_000; i++) {
          group.spawn(async () => {
            try {
              await sleepForever();
            } finally {
              cut++;
            }
          });
        }
        await waitAllTasksBlocked();
        scope.cancel();
      });
    });
    assert.equal(cut, 20_000);
  }));

// --- C11

test("C11a drain tells everything inside, also what is opened later, and nothing outside", () =>
  virtually(async () => {
    const seen: boolean[] = [];
    await withTaskGroup(async (around) => {
      await withCancelScope(async (scope) => {
        await withTaskGroup(async (group) => {
          const inner = group.spawn(async () => {
            await sleep(10);
            seen.push(currentScope().draining);
            await shield(
              async () => {
                seen.push(currentScope().draining);
              },
              { timeout: 10 },
            );
          });
          assert.equal(scope.draining, false);
          scope.drain(1000);
          assert.equal(scope.draining, true);
          assert.equal(group.draining, true);
          assert.equal(around.draining, false);
          await inner;
          group.spawn(() => void seen.push(currentScope().draining));
          await withCancelScope((scope) => void seen.push(scope.draining));
        });
      });
      assert.equal(around.draining, false);
      assert.equal(currentScope().draining, false);
    });
    assert.deepEqual(seen, [true, true, true, true]);
  }));

test("C11a drain leaves the work alone until its time is over, then cancels", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await withCancelScope(async (scope) => {
      scope.drain(100);
      assert.equal(scope.cancelRequested, false);
      await checkpoint();
      await sleep(99);
      log.push(now());
      const error = await rejection(sleepForever());
      assert.ok(isCancelled(error));
      assert.equal(error.why, "explicit");
      log.push(now(), scope.cancelRequested);
    });
    assert.deepEqual(log, [99, 100, true]);
  }));

test("C11a a scope that ends while draining is not cancelled", () =>
  virtually(async () => {
    const scope = await withCancelScope(async (scope) => {
      scope.drain(100);
      await sleep(10);
      return scope;
    });
    await sleep(1000);
    assert.equal(scope?.draining, true);
    assert.equal(scope?.cancelRequested, false);
  }));

test("C11a drain(0) cancels there and then, drain(Infinity) never", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.drain(0);
      assert.equal(scope.draining, true);
      assert.equal(scope.cancelRequested, true);
    });
    await withCancelScope(async (scope) => {
      scope.drain(Infinity);
      await sleep(1e7);
      assert.equal(scope.draining, true);
      assert.equal(scope.cancelRequested, false);
    });
  }));

test("C11a a drain inside a drain keeps its own time", () =>
  virtually(async () => {
    for (const [outerMs, innerMs] of [
      [100, 30],
      [30, 100],
    ] as const) {
      const start = now();
      const cuts: number[] = [];
      await withCancelScope(async (outer) => {
        await withCancelScope(async (inner) => {
          outer.drain(outerMs);
          inner.drain(innerMs);
          await rejection(sleepForever());
          cuts.push(now() - start);
        });
        if (cuts[0] === outerMs) return;
        assert.equal(outer.cancelRequested, false);
        await rejection(sleepForever());
        cuts.push(now() - start);
      });
      assert.deepEqual(cuts, outerMs > innerMs ? [30, 100] : [30]);
    }
  }));

test("C11a draining a scope that was cancelled changes nothing", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.cancel("first");
      scope.drain(10);
      assert.equal(scope.draining, false);
      assert.equal(reasonOf(await rejection(checkpoint())), "first");
    });
  }));

test("C11b waitDraining waits for a drain of the scope, or of one around it", () =>
  virtually(async () => {
    for (const which of ["outer", "inner"] as const) {
      const log: string[] = [];
      await withCancelScope(async (outer) => {
        await withCancelScope(async (inner) => {
          await withTaskGroup(async (group) => {
            for (const name of ["a", "b"]) {
              group.spawn(async () => {
                await inner.waitDraining();
                log.push(name);
              });
            }
            await waitAllTasksBlocked();
            assert.deepEqual(log, []);
            (which === "outer" ? outer : inner).drain(1000);
          });
        });
      });
      assert.deepEqual(log, ["a", "b"]);
      assert.ok(now() < 1000);
    }
  }));

test("C11b waitDraining of a scope around is not ended by a drain further in", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      await withCancelScope(async (inner) => {
        inner.drain(1000);
        await inner.waitDraining();
        assert.equal(await moveOnAfter(10, () => outer.waitDraining().then(() => "drained")), undefined);
      });
    });
  }));

test("C11b waitDraining resolves at once while draining, and is a checkpoint", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.drain(1000);
      await scope.waitDraining();
      await withCancelScope(async (inner) => {
        inner.cancel();
        assert.ok(isCancelled(await rejection(scope.waitDraining())));
      });
    });
  }));

test("C11b waitDraining ends with its scope, which has nothing left to drain", () =>
  virtually(async () => {
    let scope!: Scope;
    const group = openTaskGroup();
    await withCancelScope(async (inner) => {
      scope = inner;
      group.spawn(() => inner.waitDraining());
      await sleep(5);
    });
    await group.join();
    assert.equal(now(), 5);
    await scope.waitDraining();
    assert.equal(scope.draining, false);
  }));

test("C11b waitDraining can be cancelled, then no drain wakes it", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      assert.equal(await moveOnAfter(10, () => scope.waitDraining().then(() => "drained")), undefined);
      void scope.waitDraining();
      scope.drain(5);
      await rejection(sleepForever());
    });
  }));

test("K9 a waitDraining() that nobody awaits is not reported unhandled when it is cancelled", async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on("unhandledRejection", note);
  try {
    // outside of any run: nobody but the process would be told
    await withCancelScope(async (scope) => {
      void scope.waitDraining();
      scope.cancel();
    });
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  } finally {
    process.off("unhandledRejection", note);
  }
  assert.deepEqual(unhandled, []);
});

// --- code that a scope has left behind

test("X1b code left behind by a cancelled scope cannot go on", () =>
  virtually(async () => {
    const errors: unknown[] = [];
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    const { promise: release, resolve: leave } = Promise.withResolvers<void>();
    await withCancelScope(async (scope) => {
      void (async () => {
        await release;
        for (let i = 0; i < 3; i++) errors.push(await rejection(checkpoint()));
        end();
      })();
      scope.cancel("over");
      await checkpoint();
    });
    leave();
    await over;
    assert.deepEqual(errors.map(reasonOf), ["over", "over", "over"]);
    await checkpoint();
  }));

test("X1b code left behind by a scope that was not cancelled counts as part of the nearest living one", () =>
  virtually(async () => {
    const { promise: release, resolve: leave } = Promise.withResolvers<void>();
    const { promise: over, resolve: end } = Promise.withResolvers<unknown>();
    await withCancelScope(async (around) => {
      await withCancelScope(() =>
        withCancelScope(() => {
          void (async () => {
            await release;
            await checkpoint();
            assert.equal(currentScope(), around);
            end(await rejection(sleepForever()));
          })();
        }),
      );
      leave();
      await waitAllTasksBlocked();
      around.cancel("around");
      assert.equal(reasonOf(await over), "around");
    });
  }));

test("X1b a wait that is left behind goes on in the scope around, and is cut with it", () =>
  virtually(async () => {
    await withCancelScope(async (around) => {
      let kept!: Promise<unknown>;
      let cut!: Promise<unknown>;
      await withCancelScope(() => {
        kept = sleep(10);
        cut = rejection(sleepForever());
      });
      await kept;
      assert.equal(now(), 10);
      around.cancel("around");
      assert.equal(reasonOf(await cut), "around");
    });
  }));

// --- misuse

test("a deadline that is no number is refused, and the scope stays as it was", () =>
  virtually(
    async () => {
      await withCancelScope(
        async (scope) => {
          scope.deadline = 500;
          assert.throws(() => (scope.deadline = NaN), { name: "RangeError", message: /NaN.*'main\/upload'/ });
          for (const bad of ["10", undefined, null, 10n, new Date()]) {
            assert.throws(() => (scope.deadline = bad as never), { name: "TypeError", message: /main\/upload/ });
          }
          assert.throws(() => (scope.deadline = "soon" as never), { message: /"soon"/ });
          assert.equal(scope.deadline, 500);
          assert.equal(scope.cancelRequested, false);
        },
        { name: "upload" },
      );
    },
    { name: "main" },
  ));

test("drain refuses what is no number of milliseconds, and nothing drains", () =>
  virtually(async () => {
    await withCancelScope(
      async (scope) => {
        assert.throws(() => scope.drain(NaN), { name: "RangeError", message: /NaN.*drain.*'main\/upload'/ });
        assert.throws(() => scope.drain("1" as never), { name: "TypeError", message: /"1".*drain.*'main\/upload'/ });
        assert.throws(() => scope.drain(undefined as never), { name: "TypeError", message: /undefined.*drain/ });
        assert.equal(scope.draining, false);
      },
      { name: "upload" },
    );
  }));

test("a task cancelled in the middle of its own code is told at its next checkpoint", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const task = group.spawn(async () => {
        await sleep(1);
        (currentTask() as unknown as Scope).cancel("myself");
        return reasonOf(await rejection(checkpoint()));
      });
      assert.equal(await task, "myself");
    });
  }));
