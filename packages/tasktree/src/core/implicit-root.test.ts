/** Without `run`: rule K11. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  checkpoint,
  currentScope,
  currentSignal,
  currentTask,
  failAfter,
  openTaskGroup,
  outside,
  Semaphore,
  sleep,
  sleepForever,
  TaskLocal,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";

test("K11a groups, timeouts, permits and task locals work without a run", async () => {
  assert.equal(currentTask(), undefined);
  await sleep(1);
  await checkpoint();
  const local = new TaskLocal({ default: "none" });
  const seen: string[] = [];
  await withTaskGroup(async (group) => {
    assert.equal(currentTask(), undefined);
    const task = local.run("set", () => group.spawn(() => sleep(1).then(() => seen.push(local.get()))));
    await task;
    assert.match(task.path, /task-\d+$/);
  });
  assert.deepEqual(seen, ["set"]);
  await assert.rejects(
    failAfter(5, () => sleepForever()),
    TimeoutError,
  );
  const semaphore = new Semaphore(1);
  using _permit = await semaphore.acquire();
  assert.deepEqual(await all([() => 1, async () => 2]), [1, 2]);
});

test("K11a failures and cancellations stay within their groups", async () => {
  const error = new Error("child");
  const group = withTaskGroup((group) => {
    group.spawn(async () => {
      await sleep(1);
      throw error;
    });
    group.spawn(sleepForever);
  });
  assert.equal(await rejection(group), error);
  assert.equal(
    await withCancelScope(async (scope) => {
      scope.cancel();
      await checkpoint();
    }),
    undefined,
  );
});

test("K11a the root is never cancelled, and is one for the process", async () => {
  const root = currentScope();
  root.cancel("no");
  await checkpoint();
  assert.equal(currentSignal().aborted, false);
  assert.equal(currentScope(), root);
  await using group = openTaskGroup();
  assert.equal(await group.spawn(() => 5), 5);
});

test("K11a the root does not drain: who asks it to is ignored", async () => {
  const root = currentScope();
  for (const ms of [0, 1, 10_000]) root.drain(ms);
  assert.equal(root.draining, false);
  await withCancelScope(async (scope) => {
    assert.equal(scope.draining, false);
    await sleep(2);
  });
  assert.equal(root.cancelRequested, false);
});

test("K11a nothing of the process is listened to", async () => {
  const events = ["SIGINT", "SIGTERM", "beforeExit", "unhandledRejection", "uncaughtException"];
  const before = events.map((event) => process.listenerCount(event));
  let within: number[] = [];
  await withTaskGroup(async (group) => {
    group.spawn(() => sleep(1));
    within = events.map((event) => process.listenerCount(event));
  });
  assert.deepEqual(within, before);
});

test("K11a what is opened for the root, or outside, belongs to that root too", async () => {
  const root = currentScope();
  await withTaskGroup(async (group) => {
    assert.equal(outside(currentScope), root);
    await using pool = openTaskGroup({ parent: "root", name: "pool" });
    assert.equal(pool.path, "pool");
    const path = await group.spawn(() => currentTask()!.path, { name: "child" });
    assert.equal(path, "child");
  });
});

test("K11a children may be started, attempted and cancelled, and groups nested", async () => {
  const seen: string[] = [];
  const value = await withTaskGroup(async (outer) => {
    const port = await outer.start<number>(
      async (started) => {
        started(8080);
        await sleepForever().finally(() => seen.push("service"));
      },
      { service: true },
    );
    await withTaskGroup((inner) => {
      inner.spawn(() => sleepForever().finally(() => seen.push("grandchild"))).cancel();
    });
    const error = new Error("attempt");
    assert.equal(await rejection(outer.attempt(() => Promise.reject(error))), error);
    return port;
  });
  assert.equal(value, 8080);
  assert.deepEqual(seen, ["grandchild", "service"]);
});

test("K11a a run beside it is a tree of its own", async () => {
  const path = await withTaskGroup(async () => {
    const task = outside(() => virtually(() => currentTask()!.path));
    return await task;
  });
  assert.equal(path, "main");
});

test("K11a X1b code that outlives its run counts as outside of any", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let seen!: Promise<unknown>;
  await virtually(() => {
    seen = promise.then(() => [currentTask(), currentScope()]);
  });
  resolve();
  assert.deepEqual(await seen, [undefined, currentScope()]);
});
