/** A scope's AbortSignal: rule C7b. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  currentScope,
  currentSignal,
  isCancelled,
  now,
  shield,
  sleepForever,
  TaskLocal,
  withCancelScope,
  withTaskGroup,
  type Scope,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

// --- C7b

test("C7b scope.signal is a real AbortSignal, one per scope", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      assert.ok(scope.signal instanceof AbortSignal);
      assert.equal(scope.signal, scope.signal);
      assert.equal(scope.signal.aborted, false);
      assert.equal(currentSignal(), scope.signal);
      await withCancelScope((inner) => assert.notEqual(inner.signal, scope.signal));
    });
  }));

test("C7b the signal aborts after cancel() has returned, and before the first waiter resumes", () =>
  virtually(async () => {
    const log: string[] = [];
    await withCancelScope(async (scope) => {
      scope.signal.addEventListener("abort", () => log.push("listener"));
      await withTaskGroup(async (group) => {
        for (let i = 0; i < 2; i++) {
          group.spawn(async () => {
            await rejection(sleepForever());
            log.push(scope.signal.aborted ? "waiter" : "waiter before the signal");
          });
        }
        group.signal.addEventListener("abort", () => log.push("inner listener"));
        await waitAllTasksBlocked();
        scope.cancel();
        log.push(scope.signal.aborted ? "aborted" : "cancel returned");
      });
    });
    assert.deepEqual(log, ["cancel returned", "listener", "inner listener", "waiter", "waiter"]);
  }));

test("C7b of two cancellations in one step each aborts its signal before waiters resume", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await withCancelScope(async (outer) => {
      await withCancelScope(async (inner) => {
        outer.signal.addEventListener("abort", () => log.push("outer"));
        inner.signal.addEventListener("abort", () => log.push("inner"));
        queueMicrotask(() => {
          inner.cancel();
          outer.cancel();
        });
        await rejection(sleepForever());
        log.push("waiter");
      });
    });
    assert.deepEqual(log, ["inner", "outer", "waiter"]);
  }));

test("C7b listeners run in the scope's context, wherever the cancellation came from", async () => {
  const user = new TaskLocal({ default: "nobody" });
  const foreign = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  let scope!: Scope;
  await virtually(async () => {
    await withTaskGroup(async (group) => {
      group.spawn(() =>
        user.run("ada", () =>
          foreign.run("request 1", () =>
            withCancelScope(async (own) => {
              scope = own;
              own.signal.addEventListener("abort", () => seen.push(currentScope(), user.get()));
              await sleepForever();
            }),
          ),
        ),
      );
      await waitAllTasksBlocked();
      user.run("eve", () => scope.cancel());
    });
  });
  assert.deepEqual(seen, [scope, "ada"]);
});

test("C7b a parent's cancellation aborts the signals inside, with the parent's error", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      await withCancelScope(async (inner) => {
        const { signal } = inner;
        outer.cancel();
        const error = await rejection(checkpoint());
        assert.equal(signal.aborted, true);
        assert.equal(signal.reason, error);
        assert.equal(inner.cancelRequested, false);
      });
    });
  }));

test("C7b a signal that is first asked for when the scope has been cancelled is aborted", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.cancel();
      const { signal } = scope;
      assert.equal(signal.aborted, true);
      assert.equal(signal.reason, await rejection(checkpoint()));
      assert.equal(scope.signal, signal);
    });
  }));

test("C7b the signal of a scope that has ended aborts no more", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      const signal = await withCancelScope((inner) => inner.signal);
      outer.cancel();
      await rejection(checkpoint());
      assert.equal(outer.signal.aborted, true);
      assert.equal(signal!.aborted, false);
    });
  }));

test("C7b a block that cancels its scope and returns in the same step has its signal aborted", () =>
  virtually(async () => {
    let signal!: AbortSignal;
    let events = 0;
    await withCancelScope((scope) => {
      signal = scope.signal;
      signal.onabort = () => events++;
      scope.cancel();
    });
    assert.equal(signal.aborted, true);
    assert.equal(events, 1);
  }));

test("C7b a signal inside a shield aborts when the shield ends", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await withCancelScope(async (scope) => {
      await shield(
        async () => {
          const signal = currentSignal();
          signal.addEventListener("abort", () => log.push(now(), signal.reason));
          scope.cancel();
          await rejection(sleepForever());
          log.push(currentSignal().aborted);
        },
        { timeout: 50 },
      );
      log.push(await rejection(checkpoint()));
    });
    assert.equal(log[0], 50);
    assert.ok(isCancelled(log[1]));
    assert.equal(log[2], true);
    assert.equal(log[3], log[1]);
  }));

test("C7b listeners behave as those of any AbortSignal", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await withCancelScope(async (scope) => {
      const { signal } = scope;
      const named =
        (name: string): (() => void) =>
        () =>
          log.push(name);
      const removed = named("removed");
      const twice = named("added twice, runs once");
      const object = {
        handleEvent(this: unknown, event: Event): void {
          log.push(this === object && event.target === signal ? "handleEvent" : "wrong this or target");
        },
      };
      signal.addEventListener("abort", removed);
      signal.removeEventListener("abort", removed);
      signal.addEventListener("abort", removed, { capture: true });
      signal.removeEventListener("abort", removed, { capture: true });
      signal.addEventListener("abort", twice);
      signal.addEventListener("abort", twice);
      signal.addEventListener("abort", named("once"), { once: true });
      signal.addEventListener("abort", object);
      signal.addEventListener("abort", function (this: AbortSignal, event) {
        log.push(this === signal && event.type === "abort" ? "this is the signal" : "wrong this or type");
      });
      const stop = new AbortController();
      signal.addEventListener("abort", named("removed by its signal"), { signal: stop.signal });
      stop.abort();
      assert.equal(signal.onabort, null);
      signal.onabort = named("replaced");
      const last = named("onabort");
      signal.onabort = last;
      assert.equal(signal.onabort, last);
      scope.cancel();
      await rejection(checkpoint());
      signal.dispatchEvent(new Event("abort"));
    });
    const first = ["added twice, runs once", "once", "handleEvent", "this is the signal", "onabort"];
    assert.deepEqual(log, [...first, ...first.filter((name) => name !== "once")]);
  }));

test("C7b an onabort that was taken back is not called", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.signal.onabort = () => assert.fail("called");
      scope.signal.onabort = null;
      assert.equal(scope.signal.onabort, null);
      scope.cancel();
      await checkpoint();
    });
  }));

test("C7b a listener that is both onabort and added runs twice, and can be taken back on its own", () =>
  virtually(async () => {
    let calls = 0;
    const count = (): void => void calls++;
    await withCancelScope(async (scope) => {
      scope.signal.addEventListener("abort", count);
      scope.signal.onabort = count;
      scope.signal.onabort = null;
      scope.cancel();
      await rejection(checkpoint());
    });
    assert.equal(calls, 1);
  }));

test("C7b AbortSignal.any() follows a scope's signal, with the error as reason", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      const any = AbortSignal.any([new AbortController().signal, scope.signal]);
      scope.cancel();
      const error = await rejection(checkpoint());
      assert.equal(any.aborted, true);
      assert.equal(any.reason, error);
    });
  }));

test("C7b one scope's signal can be given to another", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      let first!: Scope;
      group.spawn(() => withCancelScope((scope) => ((first = scope), sleepForever())));
      await waitAllTasksBlocked();
      const second = group.spawn(() =>
        withCancelScope(
          async () => {
            const error = await rejection(sleepForever());
            assert.ok(error instanceof CancelledError);
            assert.equal(error.why, "signal");
            assert.ok(isCancelled(error.reason));
          },
          { signal: first.signal },
        ),
      );
      await waitAllTasksBlocked();
      first.cancel();
      await second;
    });
  }));

test("C7b a listener that is null is none, as with any AbortSignal", () =>
  virtually(async () => {
    let events = 0;
    await withCancelScope(async (scope) => {
      const { signal } = scope;
      signal.addEventListener("abort", () => events++);
      signal.addEventListener("abort", null as never);
      signal.removeEventListener("abort", null as never);
      scope.cancel();
      await rejection(checkpoint());
    });
    assert.equal(events, 1);
  }));
