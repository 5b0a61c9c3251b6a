/** What is left on a foreign signal when the scopes that it could cancel have ended: rule C7. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { virtually } from "../../test/virtual.ts";
import { moveOnAfter, sleepForever, withCancelScope, withTaskGroup } from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

/** A controller whose signal keeps count of who listens. */
function counted(): { controller: AbortController; listeners: Set<unknown> } {
  const controller = new AbortController();
  const { signal } = controller;
  const listeners = new Set<unknown>();
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (type: string, listener: never, options: never): void => {
    listeners.add(listener);
    addEventListener.call(signal, type, listener, options);
  };
  signal.removeEventListener = (type: string, listener: never, options: never): void => {
    listeners.delete(listener);
    removeEventListener.call(signal, type, listener, options);
  };
  return { controller, listeners };
}

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
        assert.equal(listeners.size, 1);
      },
      { signal },
    );
    assert.equal(listeners.size, 0);
  }));

test("C7e a scope that is given a signal which others have left is cancelled by it", () =>
  virtually(async () => {
    const { controller, listeners } = counted();
    const { signal } = controller;
    await withCancelScope(() => {}, { signal });
    await withTaskGroup(async (group) => {
      const tasks = [0, 1].map(() => group.spawn(() => withCancelScope(sleepForever, { signal })));
      await waitAllTasksBlocked();
      assert.equal(listeners.size, 1);
      controller.abort();
      for (const task of tasks) assert.equal(await task, undefined);
    });
    assert.equal(listeners.size, 0);
  }));
