/** When code is told of a cancellation, how often, and until when its cleanup works: rule C2. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { reasonOf, rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  abandonOnCancel,
  checkpoint,
  isCancelled,
  moveOnAfter,
  now,
  Semaphore,
  shield,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type Scope,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

/** Waits until cut, then again: the first error, and the time of the second cut. */
async function cutTwice(): Promise<{ error: unknown; at: number; again: unknown; cutoff: number }> {
  const error = await rejection(sleepForever());
  const at = now();
  const again = await rejection(sleepForever());
  return { error, at, again, cutoff: now() };
}

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
