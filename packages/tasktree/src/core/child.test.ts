import assert from "node:assert/strict";
import { test } from "node:test";
import { collectGarbage } from "../../test/collect-garbage.ts";
import { Job } from "../../test/job.ts";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  currentTask,
  InvalidStateError,
  openTaskGroup,
  sleep,
  sleepForever,
  suppressedErrors,
  withTaskGroup,
  WorkCancelledError,
  type Outcome,
  type Task,
} from "../index.ts";
import { dumpTree } from "../core/dump.ts";
import { here, outcomeNow, spawnChild, unwatchEnd } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

test("K2a spawnChild calls run before it returns, watched by then; it is told of the end once, though that comes at once", () =>
  virtually(async () => {
    const log: unknown[] = [];
    await withTaskGroup(async (group) => {
      const job: Job = new Job(
        () => {
          log.push(["runs", job.watched === currentTask(), job.watched!.status, outcomeNow(job.watched!)]);
          return 7;
        },
        (task) => log.push([task.status, outcomeNow(task), job.watched]),
      );
      spawnChild(group, job);
      log.push("spawned");
      await waitAllTasksBlocked();
    });
    assert.deepEqual(log, [
      ["runs", true, "running", undefined],
      ["ok", { status: "ok", value: 7 }, undefined],
      "spawned",
    ]);
  }));

test("K1a a group waits for a child that is an object, which is a task as any other", () =>
  virtually(async () => {
    const job = new Job(() => sleep(10));
    await withTaskGroup((group) => {
      spawnChild(group, job);
      void job.watched!.outcome().then(({ status }) => job.log.push(status));
    });
    assert.deepEqual(job.log, ["run", "ended", "ok"]);
  }));

test("K2b what a child's run throws or rejects with is the task's failure, and its group's", () =>
  virtually(async () => {
    const error = new Error("on purpose");
    const ways = [
      () => {
        throw error;
      },
      () => Promise.reject(error),
      async () => {
        await sleep(1);
        throw error;
      },
    ];
    for (const run of ways) {
      const outcomes: unknown[] = [];
      const job = new Job(run, (task) => outcomes.push(outcomeNow(task)));
      let cut = false;
      const group = withTaskGroup(async (group) => {
        spawnChild(group, job);
        await sleepForever().finally(() => (cut = true));
      });
      assert.equal(await rejection(group), error);
      assert.deepEqual(outcomes, [{ status: "failed", error }]);
      assert.ok(cut);
      assert.deepEqual(suppressedErrors(error), []);
    }
  }));

test("K6b the outcome of a child that was cancelled by itself is a WorkCancelledError that names it, and its group goes on", () =>
  virtually(async () => {
    const outcomes: (Outcome<unknown> | undefined)[] = [];
    await withTaskGroup(async (group) => {
      const job = new Job(sleepForever, (task) => outcomes.push(outcomeNow(task)));
      spawnChild(group, job);
      await sleep(1);
      job.watched!.cancel("by itself");
      await sleep(1);
      assert.equal(group.cancelRequested, false);
    });
    const [outcome] = outcomes;
    assert.ok(outcomes.length === 1 && outcome?.status === "cancelled");
    assert.ok(outcome.error instanceof WorkCancelledError);
    assert.equal(outcome.error.message, "Task 'main/job' was cancelled");
    assert.equal((outcome.error.cause as CancelledError).reason, "by itself");
  }));

test("K16 outcomeNow tells how a task has ended, and counts as no await: a failed attempt still fails its group", () =>
  virtually(async () => {
    const error = new Error("attempt");
    const group = withTaskGroup(async (group) => {
      const fine = group.spawn(async () => (await sleep(1), "value"));
      const failing = group.attempt(async () => {
        await sleep(1);
        throw error;
      });
      assert.deepEqual([outcomeNow(fine), outcomeNow(failing)], [undefined, undefined]);
      fine.cancel(); // told, and not ended yet
      assert.equal(outcomeNow(fine), undefined);
      await sleep(2);
      assert.deepEqual(outcomeNow(failing), { status: "failed", error });
      assert.equal(outcomeNow(fine)?.status, "cancelled");
    });
    assert.equal(await rejection(group), error);
  }));

test("K7a spawnChild into a cancelled group throws the group's CancelledError, and neither calls nor watches", () =>
  virtually(async () => {
    const job = new Job(() => assert.fail("was called"));
    const group = withTaskGroup((group) => {
      group.cancel("over");
      assert.throws(
        () => spawnChild(group, job),
        (error) => error instanceof CancelledError && error.reason === "over",
      );
    });
    await group;
    assert.deepEqual([job.log, job.watched], [[], undefined]);
  }));

test("K7b spawnChild from outside of a cancelled group throws WorkCancelledError; K7c into one that has ended, InvalidStateError", () =>
  virtually(async () => {
    const job = new Job(() => assert.fail("was called"));
    const group = openTaskGroup({ name: "pool" });
    group.spawn(async () => {
      await sleepForever().catch(() => undefined);
      await sleep(5);
    });
    group.cancel();
    assert.throws(() => spawnChild(group, job), {
      name: "WorkCancelledError",
      message: "Cannot spawn into group 'main/pool': it was cancelled",
    });
    await group[Symbol.asyncDispose]();
    assert.throws(() => spawnChild(group, job), InvalidStateError);
    assert.deepEqual([job.log, job.watched], [[], undefined]);
  }));

test("K7d spawnChild into a group that was opened while unwinding works", () =>
  virtually(async () => {
    let cleaned = false;
    await withTaskGroup(async (outer) => {
      outer.cancel();
      await checkpoint().catch(() => undefined);
      await withTaskGroup((group) => spawnChild(group, new Job(async () => (await sleep(1), (cleaned = true)))));
    }).catch((error: unknown) => assert.ok(error instanceof WorkCancelledError));
    assert.ok(cleaned);
  }));

test("R3b the name of a child that is an object is made only when somebody asks: a dump, its path, its end if that was no value", () =>
  virtually(async () => {
    const quiet = new Job(() => sleep(5));
    const dumped = new Job(() => sleep(5));
    await withTaskGroup(async (group) => {
      spawnChild(group, quiet);
      await sleep(6);
      spawnChild(group, dumped);
      assert.equal(dumped.watched!.path, "main/job");
      assert.match(dumpTree(here().root), /^ *job waits for a time$/m);
    });
    assert.deepEqual(quiet.log, ["run", "ended"]);
    assert.ok(dumped.log.filter((entry) => entry === "name").length >= 2);
    const failed = new Job(() => Promise.reject(new Error("on purpose")));
    await rejection(withTaskGroup((group) => spawnChild(group, failed)));
    assert.ok(failed.log.includes("name"));
  }));

test("R3b who is told of a child's end may ask for its name, however it has ended", () =>
  virtually(async () => {
    const names: string[] = [];
    const tell = (task: Task): void => void names.push(`${task.name} ${task.path} ${task.status}`);
    await withTaskGroup(
      async (group) => {
        for (const run of [() => 1, () => Promise.reject(new Error("on purpose")), sleepForever]) {
          const job = new Job(run, tell);
          spawnChild(group, job);
          await sleep(1);
          job.watched?.cancel();
        }
      },
      { failures: "collect" },
    ).catch(() => undefined);
    assert.deepEqual(names, ["job main/job ok", "job main/job failed", "job main/job cancelled"]);
  }));

test("a child that has taken itself back as a watcher is not told of its end, and its group still is", () =>
  virtually(async () => {
    const job = new Job(() => sleep(1));
    await withTaskGroup((group) => {
      spawnChild(group, job);
      unwatchEnd(job);
    });
    assert.deepEqual(job.log, ["run"]);
  }));

test("K10 the task of a child that has ended does not hold the child", () =>
  virtually(async () => {
    const tasks: Task[] = [];
    const jobs: WeakRef<Job>[] = [];
    await withTaskGroup(async (group) => {
      for (let at = 0; at < 50; at++) {
        const fails = at % 2 === 1;
        const job = new Job(
          async () => {
            await sleep(1);
            if (fails) currentTask()!.cancel();
            await checkpoint();
          },
          (task) => tasks.push(task),
        );
        jobs.push(new WeakRef(job));
        spawnChild(group, job);
      }
    });
    for (let turn = 0; turn < 5; turn++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      collectGarbage();
    }
    assert.equal(tasks.length, 50);
    const kept = jobs.filter((job) => job.deref() !== undefined).length;
    assert.ok(kept <= 5, `${kept} of 50 are still there`); // the last ones may be in a register
  }));
