/** Groups without a block: rule K14. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  checkpoint,
  currentScope,
  InvalidStateError,
  isCancelled,
  moveOnAfter,
  now,
  openTaskGroup,
  run,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type OpenTaskGroup,
} from "../index.ts";
import { VirtualClock, waitAllTasksBlocked } from "../testing/index.ts";

test("K14a an open group leaves its opener's scope as it was, and join waits for its children", () =>
  virtually(async () => {
    const before = currentScope();
    const group = openTaskGroup();
    assert.equal(currentScope(), before);
    let finished = false;
    group.spawn(() => sleep(50).then(() => (finished = true)));
    await group.join();
    assert.equal(finished, true);
    await group.join();
    assert.throws(() => group.spawn(() => {}), InvalidStateError);
  }));

test("K14a children may spawn siblings while somebody joins, and services end with the others", () =>
  virtually(async () => {
    const seen: string[] = [];
    const group = openTaskGroup();
    group.spawn(() => sleepForever().finally(() => seen.push("service")), { service: true });
    group.spawn(async () => {
      await sleep(5);
      group.spawn(() => sleep(5).then(() => seen.push("sibling")));
    });
    await group.join();
    assert.deepEqual(seen, ["sibling", "service"]);
  }));

test("K14a a join that is cancelled leaves the group as it is", () =>
  virtually(async () => {
    const group = openTaskGroup();
    const task = group.spawn(() => sleep(100).then(() => "value"));
    assert.equal(await moveOnAfter(10, () => group.join()), undefined);
    assert.equal(task.status, "running");
    await group.join();
    assert.equal(await task, "value");
  }));

test("K14a a group may be closed from another task than its opener's", () =>
  virtually(async () => {
    const group = openTaskGroup();
    group.spawn(sleepForever);
    await withTaskGroup((other) => void other.spawn(() => group[Symbol.asyncDispose]()));
    assert.equal(group.cancelRequested, true);
    assert.throws(() => group.spawn(() => {}), InvalidStateError);
  }));

test("K14a join rejects with the first failure, each time", () =>
  virtually(async () => {
    const error = new Error("child");
    const group = openTaskGroup();
    group.spawn(async () => {
      await sleep(5);
      throw error;
    });
    const joined = [rejection(group.join()), rejection(group.join())];
    assert.deepEqual(await Promise.all(joined), [error, error]);
    assert.equal(await rejection(group.join()), error);
  }));

test("K14b a scope that ends first cancels its open group and waits for it", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withCancelScope(() => {
      openTaskGroup().spawn(async () => {
        try {
          await sleepForever();
        } finally {
          await sleep(100);
          seen.push("cleaned");
        }
      });
    });
    assert.deepEqual(seen, ["cleaned"]);
    assert.equal(now(), 100);
  }));

test("K14b so do a task and a group, and a scope left unawaited is ended the same way", () =>
  virtually(async () => {
    const seen: string[] = [];
    const cleaned = async (what: string): Promise<void> => sleepForever().finally(() => seen.push(what));
    await withTaskGroup((group) => {
      group.spawn(() => void openTaskGroup().spawn(() => cleaned("of the task")));
      openTaskGroup().spawn(() => cleaned("of the group"));
      void withCancelScope(() => cleaned("unawaited"));
    });
    assert.deepEqual(seen.toSorted(), ["of the group", "of the task", "unawaited"]);
  }));

test("K14c an open group of the root outlives the scope and the task that opened it, and ends with the run", async () => {
  const seen: string[] = [];
  await run(
    async () => {
      let pool: OpenTaskGroup | undefined;
      await withTaskGroup((group) => {
        group.spawn(() => {
          pool = openTaskGroup({ parent: "root" });
          pool.spawn(() => sleepForever().finally(() => seen.push("ended")));
        });
      });
      await sleep(10);
      assert.equal(pool!.cancelRequested, false);
      seen.push("main returns");
    },
    { clock: new VirtualClock(), host: false },
  );
  assert.deepEqual(seen, ["main returns", "ended"]);
});

test("K14d a failure that nobody joins for fails the owner's task, there and then", () =>
  virtually(async () => {
    const error = new Error("nobody joins");
    let cut: unknown;
    const owner = withTaskGroup((group) => {
      group.spawn(async () => {
        openTaskGroup().spawn(async () => {
          await sleep(5);
          throw error;
        });
        cut = await rejection(sleepForever());
        throw cut;
      });
    });
    assert.equal(await rejection(owner), error);
    assert.ok(isCancelled(cut));
  }));

test("K14e disposal cancels, waits, and is not cut by a cancellation of its caller", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup(async (outer) => {
      const group = openTaskGroup();
      group.spawn(async () => {
        try {
          await sleepForever();
        } finally {
          await sleep(100);
          seen.push("cleaned");
        }
      });
      await waitAllTasksBlocked();
      const closer = outer.spawn(async () => {
        await group[Symbol.asyncDispose]();
        seen.push("disposed");
      });
      closer.cancel();
      await closer;
    });
    assert.deepEqual(seen, ["cleaned", "disposed"]);
  }));

test("K14e disposal begins also in a cancelled scope", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withCancelScope(async (scope) => {
      await using group = openTaskGroup();
      group.spawn(() => sleepForever().finally(() => seen.push("child")));
      scope.cancel();
      await checkpoint();
    });
    assert.deepEqual(seen, ["child"]);
  }));

test("K14e disposal rejects with a failure that no join has given, and is silent about one that it has", () =>
  virtually(async () => {
    const error = new Error("cleanup");
    const failing = (group: OpenTaskGroup): void => {
      group.spawn(async () => {
        try {
          await sleepForever();
        } finally {
          throw error;
        }
      });
    };
    const group = openTaskGroup();
    failing(group);
    assert.equal(await rejection(group[Symbol.asyncDispose]()), error);
    await group[Symbol.asyncDispose]();
    const joined = openTaskGroup();
    failing(joined);
    setTimeout(() => joined.cancel(), 0);
    assert.equal(await rejection(joined.join()), error);
    await joined[Symbol.asyncDispose]();
  }));
