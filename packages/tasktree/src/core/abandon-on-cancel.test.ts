/** Waiting for foreign promises: rule C4. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  abandonOnCancel,
  checkpoint,
  currentSignal,
  currentTask,
  isCancelled,
  moveOnAfter,
  now,
  run,
  sleep,
  sleepForever,
  TaskLocal,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { addInstrument } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";
import { here } from "./current.ts";
import { dumpTree } from "./dump.ts";

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

function deferred<T = string>(): Deferred<T> {
  return Promise.withResolvers<T>();
}

test("C4a a plain await of a foreign promise is not interrupted, and the next checkpoint throws", () =>
  virtually(async () => {
    const log: string[] = [];
    const foreign = deferred();
    await withTaskGroup(async (group) => {
      const task = group.spawn(async () => {
        log.push(await foreign.promise);
        log.push("still going");
        await checkpoint();
        log.push("never");
      });
      await waitAllTasksBlocked();
      task.cancel();
      await waitAllTasksBlocked();
      assert.equal(task.status, "running");
      assert.deepEqual(log, []);
      foreign.resolve("settled");
      assert.equal((await task.outcome()).status, "cancelled");
    });
    assert.deepEqual(log, ["settled", "still going"]);
  }));

test("C4a a plain await is not interrupted at the cut-off either", () =>
  virtually(
    async () => {
      const foreign = deferred();
      await withTaskGroup(async (group) => {
        const task = group.spawn(() => foreign.promise);
        group.spawn(async () => {
          await sleep(1000);
          foreign.resolve("value");
        });
        await waitAllTasksBlocked();
        task.cancel();
        assert.equal(await task, "value");
        assert.equal(now(), 1000);
      });
    },
    { grace: 10 },
  ));

test("C4a currentSignal() makes foreign waits cancellable", () =>
  run(
    async () => {
      await withTaskGroup(async (group) => {
        const task = group.spawn(() => pause(1e6, undefined, { signal: currentSignal() }));
        await waitAllTasksBlocked();
        task.cancel();
        assert.equal((await task.outcome()).status, "cancelled");
      });
    },
    { host: false },
  ));

test("C4b abandonOnCancel gives the promise's value or error where it is not cancelled", () =>
  virtually(async () => {
    const onLate = (): void => assert.fail("not late");
    const foreign = deferred();
    queueMicrotask(() => foreign.resolve("value"));
    assert.equal(await abandonOnCancel(foreign.promise, { onLate }), "value");
    assert.equal(await abandonOnCancel(Promise.resolve(undefined), { onLate }), undefined);
    const failure = new Error("foreign");
    assert.equal(await rejection(abandonOnCancel(Promise.reject(failure), { onLate })), failure);
    const thenable = { then: (resolve: (value: string) => void) => resolve("thenable") };
    assert.equal(await abandonOnCancel(thenable as PromiseLike<string>), "thenable");
  }));

test("C4b cancelled, it stops waiting at once, and the foreign work goes on", () =>
  virtually(async () => {
    const foreign = deferred();
    const late: unknown[] = [];
    const value = await moveOnAfter(10, () =>
      abandonOnCancel(foreign.promise, { onLate: (value) => void late.push(value) }),
    );
    assert.equal(value, undefined);
    assert.equal(now(), 10);
    assert.deepEqual(late, []);
    foreign.resolve("late");
    await waitAllTasksBlocked();
    assert.deepEqual(late, ["late"]);
  }));

test("C4b cancelled on entry, it does not wait, and the late value goes to onLate too", () =>
  virtually(async () => {
    const foreign = deferred();
    const late: unknown[] = [];
    await withCancelScope(async (scope) => {
      scope.cancel();
      assert.ok(
        isCancelled(await rejection(abandonOnCancel(foreign.promise, { onLate: (value) => void late.push(value) }))),
      );
    });
    foreign.resolve("late");
    await waitAllTasksBlocked();
    assert.deepEqual(late, ["late"]);
  }));

test("C4b a value that comes in the step after the cancellation is late, one in the step before is not", () =>
  virtually(async () => {
    for (const first of ["value", "cancel"] as const) {
      const foreign = deferred();
      const got: unknown[] = [];
      const late: unknown[] = [];
      await withCancelScope(async (scope) => {
        const waiting = abandonOnCancel(foreign.promise, { onLate: (value) => void late.push(value) });
        if (first === "cancel") scope.cancel();
        foreign.resolve("value");
        await foreign.promise;
        scope.cancel();
        got.push(await waiting.catch(() => "cut"));
      });
      await waitAllTasksBlocked();
      assert.deepEqual([got, late], first === "value" ? [["value"], []] : [["cut"], ["value"]]);
    }
  }));

test("C4b onLate is called in the context of the call", () =>
  virtually(async () => {
    const user = new TaskLocal({ default: "nobody" });
    const foreign = deferred();
    const seen: unknown[] = [];
    await withTaskGroup(async (group) => {
      const task = group.spawn(() =>
        user.run("ada", async () => {
          await moveOnAfter(5, () =>
            abandonOnCancel(foreign.promise, { onLate: () => seen.push(user.get(), currentTask()) }),
          );
          await sleep(100);
        }),
      );
      await sleep(10);
      user.run("eve", () => foreign.resolve("late"));
      await waitAllTasksBlocked();
      assert.deepEqual(seen, ["ada", task]);
    });
  }));

test("C4b a late rejection fails the task it belongs to", () =>
  virtually(async () => {
    const failure = new Error("late");
    const foreign = deferred();
    const left = await rejection(
      withTaskGroup(async (group) => {
        const task = group.spawn(async () => {
          await moveOnAfter(5, () => abandonOnCancel(foreign.promise));
          await sleepForever();
        });
        await sleep(10);
        foreign.reject(failure);
        await task;
      }),
    );
    assert.equal(left, failure);
  }));

test("C4b a late rejection of a task that has ended fails the run", async () => {
  const failure = new Error("late");
  const foreign = deferred();
  const left = await rejection(
    virtually(async () => {
      await withTaskGroup(async (group) => {
        const task = group.spawn(() => abandonOnCancel(foreign.promise));
        await waitAllTasksBlocked();
        task.cancel();
        await task.outcome();
      });
      foreign.reject(failure);
      await sleepForever();
    }),
  );
  assert.equal(left, failure);
});

test("C4b an onLate that throws fails the task it belongs to", () =>
  virtually(async () => {
    const failure = new Error("cannot close");
    const foreign = deferred();
    const left = await rejection(
      withTaskGroup(async (group) => {
        group.spawn(async () => {
          const onLate = (): never => {
            throw failure;
          };
          await moveOnAfter(5, () => abandonOnCancel(foreign.promise, { onLate }));
          await sleepForever();
        });
        await sleep(10);
        foreign.resolve("late");
        await sleepForever();
      }),
    );
    assert.equal(left, failure);
  }));

test("C4b what foreign work throws because it was cancelled too is no late failure", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const foreign = deferred();
      const task = group.spawn(async () => {
        try {
          await abandonOnCancel(foreign.promise);
        } finally {
          await sleep(10);
        }
      });
      await waitAllTasksBlocked();
      task.cancel();
      foreign.reject(new DOMException("aborted", "AbortError"));
      assert.equal((await task.outcome()).status, "cancelled");
    });
  }));

test("C4b only the waiter that was cancelled stops waiting", () =>
  virtually(async () => {
    const foreign = deferred();
    await withTaskGroup(async (group) => {
      const stays = group.spawn(() => abandonOnCancel(foreign.promise));
      const goes = group.spawn(() => abandonOnCancel(foreign.promise));
      await waitAllTasksBlocked();
      goes.cancel();
      foreign.resolve("value");
      assert.equal(await stays, "value");
      assert.equal((await goes.outcome()).status, "cancelled");
    });
  }));

for (const end of ["resolves", "rejects"] as const) {
  test(`C4c what was abandoned is told and listed until it ${end}`, async () => {
    const failure = new Error("late");
    const foreign = deferred();
    const told: unknown[] = [];
    let after = "";
    const ended = virtually(
      async () => {
        const { root } = here();
        await withCancelScope(
          async (scope) => {
            queueMicrotask(() => scope.cancel());
            await abandonOnCancel(foreign.promise);
          },
          { name: "download" },
        );
        assert.deepEqual(told, [["main/download", false]]);
        assert.match(dumpTree(root), /foreign promise that 'main\/download' stopped waiting for has not settled/);
        if (end === "resolves") foreign.resolve("late");
        else foreign.reject(failure);
        await foreign.promise.catch(() => {});
        after = dumpTree(root);
      },
      { name: "main", instruments: [{ promiseAbandoned: (path, settled) => told.push([path, settled]) }] },
    );
    if (end === "resolves") await ended;
    else assert.equal(await rejection(ended), failure);
    assert.deepEqual(told, [
      ["main/download", false],
      ["main/download", true],
    ]);
    assert.doesNotMatch(after, /download/);
  });
}

test("C4c what was not abandoned is not listed", () =>
  virtually(async () => {
    const told: unknown[] = [];
    const stop = addInstrument({ promiseAbandoned: (path) => told.push(path) });
    await abandonOnCancel(Promise.resolve(1));
    await rejection(abandonOnCancel(Promise.reject(new Error("early"))));
    await withCancelScope(async (scope) => {
      const value = await abandonOnCancel(Promise.resolve(2));
      scope.cancel();
      return value;
    });
    stop();
    assert.deepEqual(told, []);
  }));

test("abandonOnCancel refuses what is no promise, naming it and the task", () =>
  virtually(
    async () => {
      for (const [value, shown] of [
        [undefined, "undefined"],
        [null, "null"],
        [42, "42"],
        [() => Promise.resolve(), "function"],
        [{}, "an object"],
      ] as const) {
        const error = await rejection(abandonOnCancel(value as never));
        assert.ok(error instanceof TypeError);
        assert.match(error.message, /'main'/);
        assert.ok(error.message.includes(shown), error.message);
      }
    },
    { name: "main" },
  ));

test("abandonOnCancel of a thenable whose then() throws rejects with that, and leaves no wait behind", () =>
  virtually(async () => {
    const failure = new Error("broken thenable");
    const broken = {
      then(): never {
        throw failure;
      },
    };
    assert.equal(await rejection(abandonOnCancel(broken as PromiseLike<never>)), failure);
    assert.equal(here().waits, undefined);
  }));
