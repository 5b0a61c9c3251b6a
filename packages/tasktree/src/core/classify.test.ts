/** Cancellation or failure: rule C6. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  checkpoint,
  currentSignal,
  isCancelled,
  run,
  shield,
  sleep,
  sleepForever,
  suppressedErrors,
  withCancelScope,
  withTaskGroup,
  WorkCancelledError,
  type Scope,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

/** What leaves a cancelled scope whose block throws what `make` gives for the scope's error. */
async function leaves(make: (error: unknown, scope: Scope) => unknown): Promise<{ error: unknown; caught: boolean }> {
  let scope!: Scope;
  let left: unknown;
  await withCancelScope(async (own) => {
    scope = own;
    own.cancel();
    throw make(await rejection(checkpoint()), own);
  }).catch((error: unknown) => {
    left = error;
  });
  return { error: left, caught: scope.caught };
}

const absorbed = { error: undefined, caught: true };

async function passes(make: (error: unknown) => unknown, expected?: unknown): Promise<void> {
  let thrown: unknown;
  const left = await leaves((error) => (thrown = make(error)));
  assert.equal(left.error, expected ?? thrown);
  assert.equal(left.caught, false);
}

/** An error with `links` causes below it, the last of which is `cause`. */
function chain(links: number, cause: unknown): unknown {
  return links === 0 ? cause : new Error(`link ${links}`, { cause: chain(links - 1, cause) });
}

test("C6a the scope's CancelledError is its cancellation, itself or as a cause, up to 8 links down", () =>
  virtually(async () => {
    for (let links = 0; links <= 8; links++) assert.deepEqual(await leaves((error) => chain(links, error)), absorbed);
    await passes((error) => chain(9, error));
  }));

test("C6a a ring of causes is a failure, and ends", () =>
  virtually(async () => {
    await passes(() => {
      const one = new Error("one");
      one.cause = new Error("two", { cause: one });
      return one;
    });
  }));

test("C6a the reason of the signal that cancelled it is its cancellation, whatever it is", () =>
  virtually(async () => {
    for (const reason of [new Error("the user left"), "left", null, 0, Symbol("left")]) {
      const controller = new AbortController();
      for (const thrown of [reason, new Error("fetching", { cause: reason })]) {
        let scope!: Scope;
        const value = await withCancelScope(
          async (own) => {
            scope = own;
            controller.abort(reason);
            await rejection(checkpoint());
            throw thrown;
          },
          { signal: controller.signal },
        );
        assert.equal(value, undefined);
        assert.equal(scope.caught, true);
      }
    }
  }));

test("C6a the reason given to cancel() by hand is no cancellation", () =>
  virtually(async () => {
    const reason = new Error("too slow");
    const left = await rejection(
      withCancelScope((scope) => {
        scope.cancel(reason);
        throw reason;
      }),
    );
    assert.equal(left, reason);
  }));

test("C6a the reason of a foreign signal is a failure where that cancelled no visible scope", () =>
  virtually(async () => {
    const reason = new Error("unrelated");
    assert.equal(await rejection(withCancelScope(() => Promise.reject(reason))), reason);
    await passes(() => reason);
  }));

test("C6a a WorkCancelledError that the scope caused is its cancellation", () =>
  virtually(async () => {
    let thrown: unknown;
    let scope!: Scope;
    await withCancelScope(async (own) => {
      scope = own;
      await withTaskGroup(async (group) => {
        const child = group.spawn(() => sleepForever());
        await waitAllTasksBlocked();
        scope.cancel();
        await rejection(checkpoint());
        throw (thrown = await rejection(child));
      });
    });
    assert.ok(thrown instanceof WorkCancelledError);
    assert.equal(scope.caught, true);
    assert.deepEqual(await leaves((error) => new WorkCancelledError("child", { cause: error })), absorbed);
  }));

test("C6a a WorkCancelledError of other work is a failure", () =>
  virtually(async () => {
    const other = await rejection(
      withTaskGroup(async (group) => {
        const task = group.spawn(() => sleepForever());
        task.cancel();
        await task;
      }),
    );
    assert.ok(other instanceof WorkCancelledError);
    await passes(() => other);
  }));

test("C6a the error of an enclosing cancelled scope is one further in, unless a shield hides it", () =>
  virtually(async () => {
    await withCancelScope(async (outer) => {
      outer.cancel();
      const error = await rejection(checkpoint());
      let inner!: Scope;
      const left = await rejection(
        withCancelScope((scope) => {
          inner = scope;
          scope.cancel();
          throw new Error("wrapped", { cause: error });
        }),
      );
      assert.equal(left, error, "unwrapped: the outer scope's error goes on up");
      assert.equal(inner.caught, false);

      await shield(
        async () => {
          const wrapped = new Error("wrapped", { cause: error });
          const failed = await rejection(withCancelScope((scope) => (scope.cancel(), Promise.reject(wrapped))));
          assert.equal(failed, wrapped);
        },
        { timeout: Infinity },
      );
    });
  }));

test("C6a nothing is a cancellation where no visible scope is cancelled", () =>
  virtually(async () => {
    let kept: unknown;
    await withCancelScope(async (scope) => {
      scope.cancel();
      throw (kept = await rejection(checkpoint()));
    });
    for (const error of [
      kept,
      new Error("wrapped", { cause: kept }),
      new DOMException("aborted", "AbortError"),
      Object.assign(new Error("aborted"), { code: "ABORT_ERR" }),
      new AggregateError([kept]),
    ]) {
      const left = await rejection(withCancelScope(() => Promise.reject(error as Error)));
      assert.equal(left, error);
    }
  }));

test("C6b what is named AbortError or has the code ABORT_ERR is a cancellation while a visible scope is cancelled", () =>
  virtually(async () => {
    for (const error of [
      new DOMException("aborted", "AbortError"),
      Object.assign(new Error("aborted"), { name: "AbortError" }),
      Object.assign(new Error("aborted"), { code: "ABORT_ERR" }),
      { name: "AbortError" },
      { code: "ABORT_ERR" },
    ]) {
      assert.deepEqual(await leaves(() => error), absorbed);
    }
  }));

test("C6b other DOMExceptions, and names and codes of other kinds, are failures", () =>
  virtually(async () => {
    for (const error of [
      new DOMException("timed out", "TimeoutError"),
      Object.assign(new Error("aborted"), { code: 20 }),
      Object.assign(new Error("reset"), { code: "ECONNRESET" }),
      "AbortError",
      null,
      undefined,
      42,
    ]) {
      let failed = false;
      const { caught } = await leaves(() => ((failed = true), error));
      assert.equal(failed, true);
      assert.equal(caught, false, String(error));
    }
  }));

test("C6b an AbortError behind a shield, where no cancelled scope is visible, is a failure", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.cancel();
      const aborted = new DOMException("aborted", "AbortError");
      await shield(
        async () => {
          assert.equal(await rejection(withCancelScope(() => Promise.reject(aborted))), aborted);
          const group = withTaskGroup((group) => void group.spawn(() => Promise.reject(aborted)));
          assert.equal(await rejection(group), aborted);
        },
        { timeout: Infinity },
      );
    });
  }));

test("C6b a task that throws an AbortError when it was cancelled has been cut, and is no failure of its group", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const sibling = group.spawn(() => sleep(10).then(() => "went on"));
      const task = group.spawn(async () => {
        await sleepForever().catch(() => {});
        throw new DOMException("aborted", "AbortError");
      });
      await waitAllTasksBlocked();
      task.cancel();
      assert.equal((await task.outcome()).status, "cancelled");
      assert.equal(await sibling, "went on");
    });
  }));

test("C6c an AggregateError or SuppressedError whose parts all are is a cancellation, also nested", () =>
  virtually(async () => {
    const abort = (): DOMException => new DOMException("aborted", "AbortError");
    const compounds: ((error: unknown) => unknown)[] = [
      (error) => new AggregateError([error]),
      (error) => new AggregateError([error, abort(), new Error("wrapped", { cause: error })]),
      (error) => new SuppressedError(abort(), error),
      (error) => new SuppressedError(new AggregateError([error, error]), new SuppressedError(error, abort())),
    ];
    for (const compound of compounds) assert.deepEqual(await leaves(compound), absorbed);
  }));

test("C6c what Promise.any rejects with when all its waits were cut is a cancellation", () =>
  virtually(async () => {
    let scope!: Scope;
    await withCancelScope(async (own) => {
      scope = own;
      const any = Promise.any([sleepForever(), sleep(1000)]);
      own.cancel();
      await any;
    });
    assert.equal(scope.caught, true);
  }));

test("C6c an AggregateError of nothing is a failure", () =>
  virtually(() => passes(() => new AggregateError([], "nothing"))));

test("C6c a mixed one is unwrapped to the first part that is a failure, the other failures suppressed on it", () =>
  virtually(async () => {
    const [one, two, three] = [new Error("one"), new Error("two"), new Error("three")];
    const { error, caught } = await leaves(
      (cancelled) =>
        new AggregateError([
          cancelled,
          new SuppressedError(cancelled, one),
          new AggregateError([two, cancelled]),
          new DOMException("aborted", "AbortError"),
          three,
        ]),
    );
    assert.equal(error, one);
    assert.equal(caught, false);
    assert.deepEqual(suppressedErrors(one), [two, three]);
  }));

test("C6c a compound of failures alone stays as it is", () =>
  virtually(async () => {
    const compound = new AggregateError([new Error("one"), new Error("two")]);
    await passes(() => compound);
    assert.deepEqual(suppressedErrors(compound), []);
  }));

test("C6c a disposer that fails during a cancellation is the failure that leaves", () =>
  virtually(async () => {
    const failure = new Error("cannot close");
    for (const when of ["cut", "value"] as const) {
      const left = await rejection(
        withCancelScope(async (scope) => {
          await using _resource = { [Symbol.asyncDispose]: () => Promise.reject(failure) };
          scope.cancel();
          if (when === "cut") await checkpoint();
        }),
      );
      assert.equal(left, failure);
    }
  }));

test("C6c several disposers of which one is cut by the cut-off and one fails: the failure leaves", () =>
  virtually(async () => {
    const failure = new Error("cannot close");
    const left = await rejection(
      withCancelScope(
        async (scope) => {
          await using _first = { [Symbol.asyncDispose]: () => Promise.reject(failure) };
          await using _second = { [Symbol.asyncDispose]: () => sleepForever() };
          scope.cancel();
          await checkpoint();
        },
        { grace: 10 },
      ),
    );
    assert.equal(left, failure);
  }));

test("C6c in a group the parts of a mixed error are the group's failures, in order", () =>
  virtually(async () => {
    const [one, two] = [new Error("one"), new Error("two")];
    const left = await rejection(
      withTaskGroup(async (group) => {
        group.spawn(async () => {
          const error = await rejection(sleepForever());
          throw new AggregateError([error, one, two]);
        });
        await waitAllTasksBlocked();
        group.cancel();
      }),
    );
    assert.equal(left, one);
    assert.deepEqual(suppressedErrors(one), [two]);
  }));

test("an error whose properties throw is a failure as any other, and nothing hangs", () =>
  virtually(async () => {
    const hostile = new Proxy(
      {},
      {
        get() {
          throw new Error("get");
        },
        getPrototypeOf() {
          throw new Error("getPrototypeOf");
        },
        has() {
          throw new Error("has");
        },
      },
    );
    assert.equal((await leaves(() => hostile)).error, hostile);
    await withTaskGroup(async (group) => {
      const task = group.attempt(async () => {
        await sleepForever().catch(() => {});
        throw hostile;
      });
      await waitAllTasksBlocked();
      task.cancel();
      const outcome = await task.outcome();
      assert.equal(outcome.status === "failed" && outcome.error, hostile);
    });
  }));

// --- what the platform throws: real I/O

/** Runs `work` with the scope's signal, cancels when it waits; the scope must absorb what it throws, or the test fails. */
function absorbs(work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  return run(
    async () => {
      let scope!: Scope;
      const thrown: unknown[] = [];
      await withTaskGroup(async (group) => {
        group.spawn(() =>
          withCancelScope(async (own) => {
            scope = own;
            try {
              await work(currentSignal());
            } catch (error) {
              thrown.push(error);
              throw error;
            }
          }),
        );
        await waitAllTasksBlocked();
        scope.cancel();
      });
      assert.equal(thrown.length, 1);
      assert.equal(scope.caught, true);
    },
    { host: false },
  );
}

test("C6 what node:timers/promises throws on abort is a cancellation", () =>
  absorbs((signal) => pause(1e6, undefined, { signal })));

test("C6 what events.once throws on abort is a cancellation", () =>
  absorbs((signal) => once(new EventEmitter(), "never", { signal })));

test("C6 what stream.pipeline throws on abort is a cancellation", () =>
  absorbs((signal) => pipeline(new PassThrough(), new PassThrough(), { signal })));

test("C6 what execFile throws on abort is a cancellation", () =>
  absorbs((signal) => promisify(execFile)(process.execPath, ["--eval", "setTimeout(() => {}, 1e6)"], { signal })));

test("C6 what fetch throws on abort is a cancellation: the error itself", async () => {
  const server = createServer(() => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    let thrown: unknown;
    let reason: unknown;
    await absorbs(async (signal) => {
      const { port } = server.address() as AddressInfo;
      const fetching = fetch(`http://127.0.0.1:${port}/`, { signal });
      thrown = await rejection(fetching);
      reason = signal.reason;
      throw thrown;
    });
    assert.ok(isCancelled(thrown));
    assert.equal(thrown, reason);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
