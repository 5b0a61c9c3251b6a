/** Cancellations that come while another is being unwound, further in or further out: rules C2g, C2h and C2i. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { reasonOf, rejection } from "../../test/rejection.ts";
import { cutTwice } from "../../test/cut-twice.ts";
import { virtually } from "../../test/virtual.ts";
import {
  checkpoint,
  isCancelled,
  moveOnAfter,
  now,
  shield,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type Scope,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

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
