/** One error for each cancellation, and what it tells: rule C7a. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  isCancelled,
  now,
  sleepForever,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
  WorkCancelledError,
  type Scope,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

// --- C7a

test("C7a one object per cancellation is shared by all of the subtree, and is the signals' reason", () =>
  virtually(async () => {
    const errors: unknown[] = [];
    await withCancelScope(async (scope) => {
      await withTaskGroup(async (group) => {
        const signals = [scope.signal, group.signal];
        for (let i = 0; i < 3; i++) {
          group.spawn(() =>
            withCancelScope(async (inner) => {
              signals.push(inner.signal);
              errors.push(await rejection(sleepForever()));
            }),
          );
        }
        await waitAllTasksBlocked();
        scope.cancel();
        errors.push(await rejection(checkpoint()));
        for (const signal of signals) errors.push(signal.reason);
      });
    });
    assert.equal(errors.length, 9);
    assert.ok(errors[0] instanceof CancelledError);
    assert.equal(new Set(errors).size, 1);
  }));

test("C7a each cancellation has an object of its own", () =>
  virtually(async () => {
    const errors = new Set<unknown>();
    for (let i = 0; i < 3; i++) {
      await withCancelScope(async (scope) => {
        scope.cancel();
        errors.add(await rejection(checkpoint()));
      });
    }
    assert.equal(errors.size, 3);
  }));

test("C7a it is recognised by name, code, class and brand, and is an Error", () =>
  virtually(async () => {
    let error: unknown;
    await withCancelScope(async (scope) => {
      scope.cancel("why not");
      error = await rejection(checkpoint());
    });
    assert.ok(error instanceof CancelledError);
    assert.ok(error instanceof Error);
    assert.equal(error.name, "AbortError");
    assert.equal(error.code, "ABORT_ERR");
    assert.equal(isCancelled(error), true);
    assert.match(error.message, /scope' was cancelled \(explicit\): "why not"/);

    const ofAnotherCopy = Object.defineProperty(new Error("x"), Symbol.for("tasktree.CancelledError"), { value: true });
    assert.equal(isCancelled(ofAnotherCopy), true);
    assert.ok(ofAnotherCopy instanceof CancelledError);
    for (const other of [
      new DOMException("aborted", "AbortError"),
      new WorkCancelledError("task"),
      new TimeoutError("late", { deadline: 1 }),
      { name: "AbortError", code: "ABORT_ERR" },
      undefined,
      null,
      "AbortError",
    ]) {
      assert.equal(isCancelled(other), false);
    }
  }));

test("C7a it carries the path of the scope that was cancelled", () =>
  virtually(
    async () => {
      let error: unknown;
      await withTaskGroup((group) =>
        group.spawn(
          () =>
            withCancelScope(
              (scope) =>
                withCancelScope(async () => {
                  scope.cancel();
                  error = await rejection(checkpoint());
                }),
              { name: "upload" },
            ),
          { name: "worker" },
        ),
      );
      assert.ok(error instanceof CancelledError);
      assert.equal(error.scope, "main/worker/upload");
    },
    { name: "main" },
  ));

test("C7a it tells why: explicit, deadline, signal, sibling failed, parent", () =>
  virtually(async () => {
    const why = async (cancel: (scope: Scope) => unknown): Promise<[unknown, unknown]> => {
      let error: unknown;
      await withCancelScope(async (scope) => {
        cancel(scope);
        error = await rejection(sleepForever());
      });
      assert.ok(error instanceof CancelledError);
      return [error.why, error.reason];
    };
    assert.deepEqual(await why((scope) => scope.cancel("enough")), ["explicit", "enough"]);
    assert.deepEqual(await why((scope) => (scope.deadline = now() + 5)), ["deadline", undefined]);

    const errors: CancelledError[] = [];
    const keep = async (): Promise<void> => {
      const error = await rejection(sleepForever());
      assert.ok(error instanceof CancelledError);
      errors.push(error);
    };
    const failure = new Error("sibling");
    await rejection(
      withTaskGroup((group) => {
        group.spawn(keep);
        group.spawn(() => Promise.reject(failure));
      }),
    );
    await withCancelScope(keep, { signal: AbortSignal.abort("left") });
    await withCancelScope(() => {
      // not awaited: it ends with the scope around it
      void withCancelScope(keep);
    });
    assert.deepEqual(
      errors.map((error) => error.why),
      ["sibling failed", "signal", "parent"],
    );
    assert.equal(errors[0]!.reason, failure);
    assert.equal(errors[1]!.reason, "left");
  }));
