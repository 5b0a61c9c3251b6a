import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import { isCancelled, now, sleepForever, withTaskGroup } from "../index.ts";
import { waitForOne, WaitList, type Choice } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";
import { watchLines } from "./wait-list.ts";

interface Told {
  readonly line: WaitList<string>;
  /** How many still waited when somebody had left. */
  readonly left: number[];
}

function line(): Told {
  const left: number[] = [];
  const told: WaitList<string> = new WaitList({ describe: () => "a line", left: () => left.push(told.size) });
  return { line: told, left };
}

function choiceOf(line: WaitList<string>): Choice<string> {
  return { poll: () => undefined, line };
}

test("WaitList tells its owner at once of a waiter that was cut, when that has left, and not of one that was woken", async () => {
  await virtually(async () => {
    const { line: waiters, left } = line();
    await withTaskGroup(async (group) => {
      const tasks = [1, 2, 3].map(() => group.spawn(() => waiters.wait()));
      await waitAllTasksBlocked();
      waiters.wake("first");
      assert.deepEqual(left, []);
      tasks[1]!.cancel();
      assert.deepEqual(left, [1]);
      waiters.failAll(new Error("closed"));
      assert.deepEqual(left, [1]);
    }).catch(() => undefined);
    assert.deepEqual(left, [1]);
  });
});

test("waitForOne tells the owners of the lines it leaves: all when cut, those not chosen when woken", async () => {
  await virtually(async () => {
    const [a, b] = [line(), line()];
    await withTaskGroup(async (group) => {
      const cut = group.spawn(() => waitForOne([choiceOf(a.line), choiceOf(b.line)]));
      await waitAllTasksBlocked();
      cut.cancel();
      assert.deepEqual([a.left, b.left], [[0], [0]]);
      const woken = group.spawn(() => waitForOne([choiceOf(a.line), choiceOf(b.line)]));
      await waitAllTasksBlocked();
      b.line.wake("b");
      assert.deepEqual(await woken, { index: 1, value: "b" });
    });
    assert.deepEqual([a.left, b.left], [[0, 0], [0]]);
  });
});

test("WaitList.fail() lets the first in line go on with an error, and tells whether there was one", async () => {
  await virtually(async () => {
    const { line: waiters } = line();
    await withTaskGroup(async (group) => {
      const [first, second] = [group.spawn(() => rejection(waiters.wait())), group.spawn(() => waiters.wait())];
      await waitAllTasksBlocked();
      assert.equal(waiters.fail("closed"), true);
      assert.equal(await first, "closed");
      assert.equal(waiters.wake("open"), true);
      assert.equal(await second, "open");
    });
    assert.equal(waiters.fail("closed"), false);
  });
});

test("WaitList.moveFirst() puts the first in line behind those of another, where it is woken or cut", async () => {
  await virtually(async () => {
    const [a, b] = [line().line, line().line];
    await withTaskGroup(async (group) => {
      const tasks = [a, a, b].map((waiters) => group.spawn(() => waiters.wait()));
      const chooser = group.spawn(() => waitForOne([choiceOf(a)]));
      await waitAllTasksBlocked();
      while (a.moveFirst(b));
      assert.deepEqual([a.size, b.size], [0, 4]);
      tasks[1]!.cancel();
      assert.equal(b.size, 3);
      for (const value of ["first", "second", "third"]) b.wake(value);
      assert.deepEqual(await Promise.all([tasks[2], tasks[0]]), ["first", "second"]);
      assert.deepEqual(await chooser, { index: 0, value: "third" });
    });
    assert.equal(a.moveFirst(b), false);
  });
});

test("C2a whom an owner wakes when another is cut is not cut, and all that waited in that scope before is", async () => {
  await virtually(async () => {
    const waiters: WaitList<string> = new WaitList({ describe: () => "a line", left: () => waiters.wake("next") });
    await withTaskGroup(async (group) => {
      const task = group.spawn(() =>
        Promise.allSettled([sleepForever(), waiters.wait(), waiters.wait()]).then((ends) =>
          ends.map((end) => (end.status === "fulfilled" ? end.value : isCancelled(end.reason))),
        ),
      );
      await waitAllTasksBlocked();
      task.cancel();
      assert.deepEqual(await task, [true, "next", true]);
      assert.equal(now(), 0); // not at the cut-off only
    });
    assert.equal(waiters.size, 0);
  });
});

test("watchLines() is told of the making of a line and of each use of it, until it is taken back", async () => {
  const told: (readonly [object, boolean])[] = [];
  watchLines((used, isNew = false) => told.push([used, isNew]));
  try {
    const [a, b] = [line().line, line().line];
    assert.deepEqual(told.splice(0), [
      [a, true],
      [b, true],
    ]);
    const waiting: Promise<unknown>[] = [];
    const uses: Record<string, () => unknown> = {
      "wait()": () => waiting.push(a.wait()),
      "add()": () => waiting.push(waitForOne([choiceOf(a)])),
      size: () => a.size,
      first: () => a.first,
      waits: () => a.waits,
      "failWhere()": () => a.failWhere(() => false, Error),
      "moveFirst()": () => a.moveFirst(b),
      "wake()": () => a.wake("woken"),
      "fail()": () => a.fail(new Error("nobody is there")),
      "wakeAll()": () => b.wakeAll("woken"),
      "failAll()": () => b.failAll(new Error("nobody is there")),
    };
    for (const [name, use] of Object.entries(uses)) {
      use();
      const lines = { "moveFirst()": [a, b], "wakeAll()": [b], "failAll()": [b] }[name] ?? [a];
      assert.deepEqual(
        told.splice(0),
        lines.map((used) => [used, false]),
        name,
      );
    }
    assert.deepEqual(await Promise.all(waiting), ["woken", { index: 0, value: "woken" }]);
  } finally {
    watchLines(undefined);
  }
  assert.equal(line().line.size, 0);
  assert.deepEqual(told, []);
});
