/** What cancelling 100,000 nodes costs: rule C9. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  now,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type Scope,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

const many = 100_000;

/** Nested scopes, each opened on a stack of its own. */
async function nested(
  levels: number,
  options: { deadline?: number },
  inside: () => Promise<unknown>,
): Promise<unknown> {
  if (levels === 0) return inside();
  return withCancelScope(async () => {
    await null;
    return nested(levels - 1, {}, inside);
  }, options);
}

test("C9 100,000 nested scopes can be cut by a deadline, by cancel() from the top, and at the cut-off", () =>
  virtually(async () => {
    const log: [at: number, why: unknown][] = [];
    const note = async (): Promise<void> => {
      const error = await rejection(sleepForever());
      assert.ok(error instanceof CancelledError);
      log.push([now(), error.why]);
    };
    let top!: Scope;
    await withTaskGroup(async (group) => {
      group.spawn(async () => {
        await sleep(20);
        top.cancel();
      });
      const value = await withCancelScope(async (scope) => {
        top = scope;
        await nested(many, { deadline: now() + 10 }, async () => {
          await note();
          await note();
          await sleepForever();
        });
      });
      assert.equal(value, undefined);
    });
    assert.equal(top.caught, true);
    assert.deepEqual(log, [
      [10, "deadline"],
      [5010, "explicit"],
    ]);
  }));

test("C9 1,000 nested scopes that were each cancelled unwind", () =>
  virtually(async () => {
    const scopes: Scope[] = [];
    const level = async (levels: number): Promise<unknown> => {
      if (levels === 0) return sleepForever();
      return withCancelScope(async (scope) => {
        scopes.push(scope);
        await null;
        return level(levels - 1);
      });
    };
    await withTaskGroup(async (group) => {
      const task = group.spawn(() => level(1000));
      await waitAllTasksBlocked();
      // from the inside out, and from the outside in: each walks what is below it
      for (const scope of [...scopes.slice(500).reverse(), ...scopes.slice(0, 500)]) scope.cancel();
      assert.equal(await task, undefined);
    });
    assert.deepEqual(
      scopes.filter((scope) => scope.caught),
      [scopes[0]],
    );
  }));

test("C9 a failure passes through 10,000 cancelled scopes", () =>
  virtually(async () => {
    const failure = new Error("cleanup failed");
    const error = await rejection(
      withCancelScope((scope) =>
        nested(10_000, {}, async () => {
          scope.cancel();
          await rejection(checkpoint());
          throw failure;
        }),
      ),
    );
    assert.equal(error, failure);
  }));

test("C9 20,000 tasks side by side are cut by one cancellation", () =>
  virtually(async () => {
    let cut = 0;
    await withCancelScope(async (scope) => {
      await withTaskGroup(async (group) => {
        for (let i = 0; i < 20_000; i++) {
          group.spawn(async () => {
            try {
              await sleepForever();
            } finally {
              cut++;
            }
          });
        }
        await waitAllTasksBlocked();
        scope.cancel();
      });
    });
    assert.equal(cut, 20_000);
  }));
