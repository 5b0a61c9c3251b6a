/** Foreign signals that cancel scopes, and what is left on them: rule C7e. */
import assert from "node:assert/strict";
import { rejection } from "../../test/rejection.ts";
import { test } from "node:test";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  moveOnAfter,
  run,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type Scope,
} from "../index.ts";
import { addInstrument } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

/** A controller whose signal tells how many listeners it has. */
function counted(): { controller: AbortController; listeners: () => number } {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = function counting(this: AbortSignal, ...args: unknown[]): void {
    listeners++;
    addEventListener.apply(this, args as never);
  };
  signal.removeEventListener = function counting(this: AbortSignal, ...args: unknown[]): void {
    listeners--;
    removeEventListener.apply(this, args as never);
  };
  return { controller, listeners: () => listeners };
}

test("C7e 10,000 scopes share one listener on a foreign signal, and all are cancelled by it", () =>
  virtually(async () => {
    const { controller, listeners } = counted();
    const { signal } = controller;
    let cut = 0;
    await withTaskGroup(async (group) => {
      for (let i = 0; i < 10_000; i++) {
        group.spawn(() => withCancelScope(() => sleepForever().finally(() => cut++), { signal }));
      }
      await waitAllTasksBlocked();
      assert.equal(listeners(), 1);
      controller.abort();
    });
    assert.equal(cut, 10_000);
  }));

test("C7e the link is gone when the scope has ended, and the others' stay", () =>
  virtually(async () => {
    const { controller, listeners } = counted();
    const { signal } = controller;
    const cancelled: Scope[] = [];
    const stop = addInstrument({ scopeCancelled: (scope) => cancelled.push(scope) });
    await withTaskGroup(async (group) => {
      let living!: Scope;
      group.spawn(() => withCancelScope((scope) => ((living = scope), sleepForever()), { signal }));
      const ended: Scope[] = [];
      for (let i = 0; i < 1000; i++) {
        await withCancelScope((scope) => void ended.push(scope), { signal });
        await withTaskGroup((group) => void ended.push(group), { signal });
      }
      assert.ok(listeners() <= 1);
      controller.abort();
      assert.deepEqual(cancelled, [living]);
      for (const scope of ended) assert.equal(scope.cancelRequested, false);
    });
    stop();
  }));

test("C7e a foreign signal that has aborted cancels at once, and gets no listener", () =>
  virtually(async () => {
    const { controller, listeners } = counted();
    const reason = new Error("left");
    controller.abort(reason);
    await withCancelScope(
      async (scope) => {
        assert.equal(scope.cancelRequested, true);
        const error = await rejection(checkpoint());
        assert.ok(error instanceof CancelledError);
        assert.equal(error.reason, reason);
      },
      { signal: controller.signal },
    );
    assert.equal(listeners(), 0);
  }));

test("C7e a scope opened by a listener of the signal, while it aborts, is cancelled too", () =>
  virtually(async () => {
    const controller = new AbortController();
    const { signal } = controller;
    let late: Promise<unknown> | undefined;
    const open = (): void => {
      late = withCancelScope(() => checkpoint().then(() => "went on"), { signal });
    };
    await withTaskGroup(async (group) => {
      signal.addEventListener("abort", open);
      group.spawn(() => withCancelScope(sleepForever, { signal }));
      await waitAllTasksBlocked();
      controller.abort();
    });
    assert.notEqual(late, undefined);
    assert.equal(await late, undefined);
  }));

test("C7e AbortSignal.timeout() and AbortSignal.any() can cancel a scope", () =>
  run(
    async () => {
      const controller = new AbortController();
      for (const signal of [AbortSignal.timeout(1), AbortSignal.any([controller.signal, AbortSignal.timeout(1)])]) {
        let error: unknown;
        await withCancelScope(
          async () => {
            error = await rejection(sleepForever());
            throw error;
          },
          { signal },
        );
        assert.ok(error instanceof CancelledError);
        assert.equal((error.reason as DOMException).name, "TimeoutError");
      }
    },
    { host: false },
  ));

test("C7e the listener on a foreign signal is gone when the last scope that it could cancel has ended, however that ended", () =>
  virtually(async () => {
    const { controller, listeners } = counted();
    const { signal } = controller;
    await withCancelScope(
      async () => {
        await withCancelScope(() => {}, { signal });
        await withTaskGroup(() => Promise.reject(new Error("failed")), { signal }).catch(() => {});
        await withCancelScope((scope) => (scope.cancel(), sleepForever()), { signal });
        await moveOnAfter(10, () => withTaskGroup(sleepForever, { signal }));
        assert.equal(listeners(), 1);
      },
      { signal },
    );
    assert.equal(listeners(), 0);
  }));

test("C7e a scope that is given a signal which others have left is cancelled by it", () =>
  virtually(async () => {
    const { controller, listeners } = counted();
    const { signal } = controller;
    await withCancelScope(() => {}, { signal });
    await withTaskGroup(async (group) => {
      const tasks = [0, 1].map(() => group.spawn(() => withCancelScope(sleepForever, { signal })));
      await waitAllTasksBlocked();
      assert.equal(listeners(), 1);
      controller.abort();
      for (const task of tasks) assert.equal(await task, undefined);
    });
    assert.equal(listeners(), 0);
  }));
