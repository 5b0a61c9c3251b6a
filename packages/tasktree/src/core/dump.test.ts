/** How long a dump may become: what it says is tested where it is shown (rules R2, R3, C10). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { virtually } from "../../test/virtual.ts";
import { Semaphore, sleep, sleepForever, withTaskGroup, type Task } from "../index.ts";
import { abandonOnCancel } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";
import { here } from "./current.ts";
import { dumpTree, ringOf, waitsOf } from "./dump.ts";
import type { TaskNode } from "./task.ts";

function dump(): string[] {
  return dumpTree(here().root).split("\n");
}

test("R3b a dump of 100,000 tasks shows 1,000 of them, and how many more there are", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      for (let i = 0; i < 100_000; i++) group.spawn(sleepForever, { name: `task ${i}` });
      const lines = dump();
      assert.equal(lines.length, 1001);
      assert.equal(lines[1], "  task 0 waits for its cancellation");
      assert.equal(lines.at(-1), "(and 99001 more tasks)");
      group.cancel();
    });
  }));

test("R3b a dump of 1,000 tasks shows all, one of 5,000 nested ones is not indented beyond 20 steps", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      for (let i = 1; i < 1000; i++) group.spawn(sleepForever);
      assert.equal(dump().length, 1000);
      assert.doesNotMatch(dump().at(-1)!, /more/);
      group.cancel();
    });
    await withTaskGroup(async (group) => {
      const nest = async (levels: number): Promise<void> => {
        await null;
        if (levels === 0) return sleepForever();
        await withTaskGroup((inner) => void inner.spawn(() => nest(levels - 1), { name: `${levels}` }));
      };
      group.spawn(() => nest(5000), { name: "top" });
      await waitAllTasksBlocked();
      const lines = dump();
      assert.equal(lines.length, 1001);
      assert.match(lines[5]!, /^ {10}4997 waits/);
      for (const line of lines) assert.match(line, /^ {0,40}\S/);
      group.cancel();
    });
  }));

test("R3b a line of a dump names 10 of the waits of a task, and 10 of the holders of what it waits for", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const many = 5000;
      const semaphore = new Semaphore(many);
      for (let i = 0; i < many; i++) {
        group.spawn(
          async () => {
            await semaphore.acquire();
            await sleepForever();
          },
          { name: `holder ${i}` },
        );
      }
      const waiter = group.spawn(() => semaphore.acquire());
      const sleeper = group.spawn(() => Promise.all(Array.from({ length: many }, () => sleep(1000))));
      await waitAllTasksBlocked();
      const holders = Array.from({ length: 10 }, (_, i) => `task 'holder ${i}'`);
      assert.equal(
        waitsOf(waiter as TaskNode),
        `waits for semaphore (0 free, ${many} held), held by ${holders.join(" and ")} and others`,
      );
      assert.equal(
        waitsOf(sleeper as TaskNode),
        `waits for ${Array(10).fill("a time").join(" and for ")} and for others`,
      );
      group.cancel();
    });
  }));

test("R3b C4c a dump tells of 100 foreign promises that were abandoned, and how many more there are", () =>
  virtually(async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    await withTaskGroup(async (group) => {
      for (let i = 0; i < 5000; i++) group.spawn(() => abandonOnCancel(promise));
      await waitAllTasksBlocked();
      group.cancel();
    });
    const lines = dump().slice(1);
    assert.equal(lines.length, 101);
    assert.match(lines[99]!, /^\(a foreign promise that '.*' stopped waiting for has not settled\)$/);
    assert.equal(lines[100], "(and 4900 more foreign promises)");
    resolve();
    await waitAllTasksBlocked();
    assert.equal(dump().length, 1);
  }));

test("R3b a ring of 5,000 tasks that wait for each other is found, and 10 of them are named", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const tasks: Task[] = [];
      const many = 5000;
      for (let i = 0; i < many; i++) {
        const waits = async (): Promise<void> => {
          await null;
          await tasks[(i + 1) % many];
        };
        tasks.push(group.spawn(waits, { name: `t${i}` }));
      }
      await waitAllTasksBlocked();
      const names = Array.from({ length: 10 }, (_, i) => `'t${i}'`);
      assert.equal(ringOf(here().root), [...names, "…", "'t0'"].join(" -> "));
      group.cancel();
    });
    assert.equal(ringOf(here().root), undefined);
  }));
