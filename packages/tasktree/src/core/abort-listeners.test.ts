/** Listeners of a scope's signal that throw: rule C7c. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  checkpoint,
  currentSignal,
  sleep,
  sleepForever,
  suppressedErrors,
  withCancelScope,
  withTaskGroup,
  type Scope,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

// --- C7c

const failure = new Error("listener");
const fail = (): never => {
  throw failure;
};

const waysToListen: Record<string, (signal: AbortSignal, fail: () => never) => void> = {
  "a function": (signal, fail) => signal.addEventListener("abort", fail),
  "a function, once": (signal, fail) => signal.addEventListener("abort", fail, { once: true }),
  "an object": (signal, fail) => signal.addEventListener("abort", { handleEvent: fail }),
  onabort: (signal, fail) => (signal.onabort = fail),
};

for (const [name, listen] of Object.entries(waysToListen)) {
  test(`C7c an abort listener that throws is a failure of the scope: ${name}`, async () => {
    const uncaught: unknown[] = [];
    const note = (error: unknown): void => void uncaught.push(error);
    process.on("uncaughtException", note);
    try {
      await virtually(async () => {
        let cleaned = false;
        const scopes: Scope[] = [];
        const left = await rejection(
          withCancelScope(async (scope) => {
            scopes.push(scope);
            listen(scope.signal, fail);
            let others = 0;
            scope.signal.addEventListener("abort", () => others++);
            scope.cancel();
            try {
              await checkpoint();
            } finally {
              await sleep(10);
              cleaned = true;
              assert.equal(others, 1);
            }
          }),
        );
        assert.equal(left, failure);
        assert.equal(cleaned, true);
        assert.equal(scopes[0]!.caught, false);
        await checkpoint();
      });
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off("uncaughtException", note);
    }
    assert.deepEqual(uncaught, []);
  });
}

test("C7c it fails the innermost: a task, a group, or a scope that is only cut from outside", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const task = group.attempt(async () => {
        currentSignal().addEventListener("abort", fail);
        await sleepForever();
      });
      await waitAllTasksBlocked();
      task.cancel();
      const outcome = await task.outcome();
      assert.equal(outcome.status === "failed" && outcome.error, failure);
    });

    const left = await rejection(
      withTaskGroup(async (group) => {
        group.signal.addEventListener("abort", fail);
        const task = group.spawn(() => sleepForever());
        group.cancel();
        await task;
      }),
    );
    assert.equal(left, failure);

    const outer = await rejection(
      withCancelScope((outer) =>
        withCancelScope(async (inner) => {
          inner.signal.addEventListener("abort", fail);
          outer.cancel();
          await checkpoint();
        }),
      ),
    );
    assert.equal(outer, failure);
  }));

test("C7c a listener that throws fails its scope also where the block returns a value", () =>
  virtually(async () => {
    const left = await rejection(
      withCancelScope((scope) => {
        scope.signal.addEventListener("abort", fail);
        scope.cancel();
        return "value";
      }),
    );
    assert.equal(left, failure);
  }));

test("C7c cleanup is not disturbed by the failure of a listener", () =>
  virtually(async () => {
    let cleaned = false;
    const left = await rejection(
      withCancelScope((outer) =>
        withCancelScope(async (inner) => {
          inner.signal.addEventListener("abort", fail);
          queueMicrotask(() => outer.cancel());
          try {
            await sleepForever();
          } finally {
            await sleep(10);
            cleaned = true;
          }
        }),
      ),
    );
    assert.equal(left, failure);
    assert.equal(cleaned, true);
  }));

test("C7c of several failures the first leaves, and the others are listed on it", () =>
  virtually(async () => {
    const [one, two, three] = [new Error("one"), new Error("two"), new Error("three")];
    const left = await rejection(
      withCancelScope(async (scope) => {
        for (const error of [one, two]) {
          scope.signal.addEventListener("abort", () => {
            throw error;
          });
        }
        scope.cancel();
        await rejection(checkpoint());
        throw three;
      }),
    );
    assert.equal(left, one);
    assert.deepEqual(suppressedErrors(one), [two, three]);
  }));

test("C7c a listener that throws the cancellation itself has not failed", () =>
  virtually(async () => {
    let scope!: Scope;
    const value = await withCancelScope(async (own) => {
      scope = own;
      own.signal.addEventListener("abort", () => own.signal.throwIfAborted());
      own.signal.addEventListener("abort", () => {
        throw new DOMException("aborted", "AbortError");
      });
      own.cancel();
      await checkpoint();
    });
    assert.equal(value, undefined);
    assert.equal(scope.caught, true);
  }));

test("C7c a listener of a scope that has ended fails the task it belongs to", () =>
  virtually(async () => {
    const left = await rejection(
      withTaskGroup(async (group) => {
        const task = group.spawn(async () => {
          const signal = await withCancelScope((scope) => scope.signal);
          signal!.addEventListener("abort", fail);
          signal!.dispatchEvent(new Event("abort"));
          await sleepForever();
        });
        await task.outcome();
      }),
    );
    assert.equal(left, failure);
  }));
