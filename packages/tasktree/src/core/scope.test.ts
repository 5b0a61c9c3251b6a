/** Cancelling a scope, and code that outlives one: rules C1 and X1. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { reasonOf, rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  currentScope,
  currentTask,
  isCancelled,
  now,
  shield,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type Scope,
} from "../index.ts";
import { addInstrument } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

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
