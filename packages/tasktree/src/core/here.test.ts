import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import { checkpoint, moveOnAfter, shield, sleep, sleepForever, withCancelScope, withTaskGroup } from "../index.ts";
import { graceIsOver, wasCut } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

test("C2e wasCut() tells whether code here or inside was told of a cancellation that reaches this scope", () =>
  virtually(async () => {
    const seen: Record<string, boolean[]> = {};
    const foreign = Promise.withResolvers<void>();
    await withTaskGroup(async (group) => {
      const child = (name: string, fn: () => Promise<unknown>) =>
        group.spawn(async () => {
          seen[name] = [wasCut()];
          await fn().catch(() => undefined);
          seen[name].push(wasCut());
        });
      child("waits", sleepForever);
      child("waits in a scope inside", () =>
        withCancelScope(() => moveOnAfter(1000, () => withTaskGroup((inner) => void inner.spawn(sleepForever)))),
      );
      child("cleans up inside, and fails at it", () =>
        withCancelScope(async () => {
          await rejection(sleepForever());
          throw new Error("cleanup");
        }),
      );
      child("knows nothing", () => foreign.promise);
      child("comes to a checkpoint", () => foreign.promise.then(() => checkpoint()));
      child("was told of one of its own, further in", async () => {
        await moveOnAfter(1, sleepForever);
        await foreign.promise;
      });
      child("is shielded inside", () => shield(() => sleep(10), { timeout: 100 }));
      await sleep(5);
      group.cancel();
      await rejection(checkpoint());
      foreign.resolve();
    });
    assert.deepEqual(seen, {
      waits: [false, true],
      "waits in a scope inside": [false, true],
      "cleans up inside, and fails at it": [false, true],
      "knows nothing": [false, false],
      "comes to a checkpoint": [false, true],
      "was told of one of its own, further in": [false, false],
      "is shielded inside": [false, false],
    });
  }));

test("C2e wasCut() in cleanup does not count what was told before it began", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      scope.cancel();
      await rejection(checkpoint());
      assert.equal(wasCut(), true);
      await withTaskGroup(async (group) => {
        const told = group.spawn(async () => {
          const before = wasCut();
          await rejection(sleepForever());
          return [before, wasCut()];
        });
        await waitAllTasksBlocked();
        told.cancel();
        assert.deepEqual(await told, [false, true]);
      });
    });
  }));

test("C2j graceIsOver() tells from the cut-off on that cleanup can wait for nothing", () =>
  virtually(async () => {
    const seen: boolean[] = [graceIsOver()];
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        seen.push(graceIsOver());
        await rejection(checkpoint());
        await sleep(9);
        seen.push(graceIsOver());
        await rejection(sleep(9));
        seen.push(graceIsOver());
        await shield(async () => void seen.push(graceIsOver()), { timeout: 10 });
      },
      { grace: 10 },
    );
    assert.deepEqual(seen, [false, false, false, true, false]);
  }));
