/** Children that report readiness: rule K13. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  checkpoint,
  InvalidStateError,
  moveOnAfter,
  now,
  shield,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  WorkCancelledError,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

test("K13a start waits for started, gives its value, and the child goes on", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup(async (group) => {
      const port = await group.start<number>(async (started) => {
        await sleep(10);
        started(8080);
        await sleep(20);
        seen.push("child");
      });
      assert.equal(port, 8080);
      assert.equal(now(), 10);
      seen.push("block");
    });
    assert.deepEqual(seen, ["block", "child"]);
  }));

test("K13a a child may report at once, before its first await", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      assert.equal(await group.start<string>((started) => started("now")), "now");
    }),
  ));

test("K13a after started the child is an ordinary one: its failure is the group's", () =>
  virtually(async () => {
    const error = new Error("later");
    const group = withTaskGroup(async (group) => {
      await group.start(async (started) => {
        started();
        await sleep(5);
        throw error;
      });
      await sleepForever();
    });
    assert.equal(await rejection(group), error);
  }));

test("K13a a service may be started so: it does not keep the group open", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      await group.start(
        async (started) => {
          started();
          await sleepForever();
        },
        { service: true },
      );
    }),
  ));

test("K13a a group stays open while a start is under way", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup(async (outer) => {
      await withTaskGroup(async (inner) => {
        outer.spawn(() =>
          inner.start(async (started) => {
            await sleep(10);
            started();
            await sleep(10);
            seen.push("child");
          }),
        );
        await waitAllTasksBlocked();
      });
      seen.push("inner closed");
    });
    assert.deepEqual(seen, ["child", "inner closed"]);
  }));

test("K13b a child that fails before it is started rejects start, and the group lives", () =>
  virtually(async () => {
    const error = new Error("no port");
    const value = await withTaskGroup(async (group) => {
      const failed = group.start(async () => {
        await checkpoint();
        throw error;
      });
      assert.equal(await rejection(failed), error);
      const atOnce = group.start(() => {
        throw error;
      });
      assert.equal(await rejection(atOnce), error);
      await checkpoint();
      return "alive";
    });
    assert.equal(value, "alive");
  }));

test("K13b a child that ends before it is started rejects start with InvalidStateError, which names it", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      const error = await rejection(group.start(() => {}, { name: "server" }));
      assert.ok(error instanceof InvalidStateError);
      assert.match(error.message, /main\/server/);
    }),
  ));

test("K13c cancelling the starter cancels the child, and start rejects when that has ended", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup(async (group) => {
      await moveOnAfter(10, async () => {
        const error = await rejection(
          group.start(async () => {
            try {
              await sleepForever();
            } finally {
              await sleep(50);
              seen.push("child");
            }
          }),
        );
        seen.push("starter");
        assert.ok(error instanceof CancelledError);
        assert.equal(now(), 60);
        throw error;
      });
      await checkpoint();
    });
    assert.deepEqual(seen, ["child", "starter"]);
  }));

test("K13c a shield in the child holds off the starter's cancellation", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup(async (group) => {
      await moveOnAfter(10, () =>
        group.start(async () => {
          await shield(() => sleep(100), { timeout: 1000 });
          seen.push("shielded part");
          await checkpoint();
          seen.push("never");
        }),
      );
    });
    assert.deepEqual(seen, ["shielded part"]);
  }));

test("K13c a failure in the cleanup of the cancelled child is not lost", () =>
  virtually(async () => {
    const error = new Error("cleanup");
    const group = withTaskGroup(async (group) => {
      await moveOnAfter(10, () =>
        group.start(async () => {
          try {
            await sleepForever();
          } finally {
            throw error;
          }
        }),
      );
    });
    assert.equal(await rejection(group), error);
  }));

test("K13c a child that reports after its starter was cancelled does not make start succeed", () =>
  virtually(async () => {
    await withTaskGroup(async (group) => {
      const value = await moveOnAfter(10, () =>
        group.start<string>(async (started) => {
          try {
            await sleepForever();
          } finally {
            started("too late");
          }
        }),
      );
      assert.equal(value, undefined);
    });
  }));

test("K13c a child cancelled with its group rejects a starter outside with WorkCancelledError", () =>
  virtually(() =>
    withTaskGroup(async (outer) => {
      const done = withTaskGroup(async (inner) => {
        outer.spawn(async () => {
          assert.ok((await rejection(inner.start(sleepForever))) instanceof WorkCancelledError);
        });
        await waitAllTasksBlocked();
        inner.cancel();
        return "cancelled";
      });
      assert.equal(await done, "cancelled");
    }),
  ));

test("K13d a second started() throws InvalidStateError, in the child", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      let second: unknown;
      await group.start((started) => {
        started();
        try {
          started();
        } catch (error) {
          second = error;
        }
      });
      assert.ok(second instanceof InvalidStateError);
    }),
  ));

test("start in a cancelled scope calls nothing", () =>
  virtually(async () => {
    let called = false;
    await withTaskGroup(async (group) => {
      await withCancelScope(async (scope) => {
        scope.cancel();
        await group.start(() => (called = true));
      });
    });
    assert.equal(called, false);
  }));

test("start refuses what is not a function", () =>
  virtually(() =>
    withTaskGroup(async (group) => {
      await assert.rejects(group.start(Promise.resolve() as never), { name: "TypeError", message: /already started/ });
    }),
  ));
