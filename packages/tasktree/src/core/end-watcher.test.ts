import assert from "node:assert/strict";
import { test } from "node:test";
import { virtually } from "../../test/virtual.ts";
import { sleep, withTaskGroup, type Task } from "../index.ts";
import { unwatchEnd, watchEnd, type EndWatcher } from "../lowlevel.ts";

class Watcher implements EndWatcher {
  previousWatcher: EndWatcher | undefined = undefined;
  nextWatcher: EndWatcher | undefined = undefined;
  watched: Task | undefined = undefined;
  readonly #told: () => void;

  constructor(told: () => void) {
    this.#told = told;
  }

  taskEnded(): void {
    this.#told();
  }
}

test("watchEnd tells of a task's end, once, when the task's status says so", async () => {
  for (const status of ["ok", "failed", "cancelled"]) {
    await virtually(async () => {
      const told: unknown[] = [];
      await withTaskGroup(
        async (group) => {
          const task = group.attempt(async () => {
            await sleep(1);
            if (status === "failed") throw new Error("on purpose");
            await sleep(status === "cancelled" ? 10 : 0);
          });
          const watcher = new Watcher(() => told.push(task.status, watcher.watched));
          assert.equal(watchEnd(task, watcher), true);
          assert.equal(watcher.watched, task);
          await sleep(1);
          assert.deepEqual(told, []);
          if (status === "cancelled") task.cancel();
          await task.outcome();
          assert.deepEqual(told, [status, undefined]);
          assert.equal(watchEnd(task, watcher), false);
          assert.equal(watcher.watched, undefined);
        },
        { failures: "collect" },
      );
      assert.equal(told.length, 2);
    });
  }
});

test("watchEnd: watchers can be taken back, from the front, the middle and the end, also by each other", async () => {
  for (const takenBack of [[0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2]]) {
    await virtually(async () => {
      const told: number[] = [];
      await withTaskGroup((group) => {
        const task = group.spawn(() => sleep(1));
        const watchers = [0, 1, 2].map((number) => new Watcher(() => told.push(number)));
        for (const watcher of watchers) watchEnd(task, watcher);
        for (const number of takenBack) unwatchEnd(watchers[number]!);
        unwatchEnd(watchers[takenBack[0]!]!);
        const first = new Watcher(() => unwatchEnd(second));
        const second = new Watcher(() => assert.fail("was taken back"));
        watchEnd(task, second);
        watchEnd(task, first);
      });
      assert.deepEqual(
        told.sort((a, b) => a - b),
        [0, 1, 2].filter((number) => !takenBack.includes(number)),
      );
    });
  }
});
