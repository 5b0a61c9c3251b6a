/** Without `run`: rule K11. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import {
  all,
  checkpoint,
  currentScope,
  currentSignal,
  currentTask,
  failAfter,
  openTaskGroup,
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
