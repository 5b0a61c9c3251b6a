/** Children that keep nothing open: rule K3c to K3g. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  checkpoint,
  now,
  openTaskGroup,
  shield,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  WorkCancelledError,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";
import { cleaningUp } from "../../test/cleaning-up.ts";
import { failing } from "../../test/cleaning-up.ts";
import { failingInCleanup } from "../../test/cleaning-up.ts";

test("K3c a service does not keep its group open, and runs as long as the others", () =>
  virtually(async () => {
    let ticks = 0;
    await withTaskGroup((group) => {
      group.spawn(
        async () => {
          for (;;) {
            await sleep(10);
            ticks++;
          }
        },
        { service: true },
      );
      group.spawn(() => sleep(55));
    });
    assert.equal(ticks, 5);
    assert.equal(now(), 55);
  }));

test("K3d services end one by one, last started first, each fully before the next", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup((group) => {
      for (const name of ["first", "second", "third"]) {
        group.spawn(
          () => cleaningUp(seen, `${name} at ${now()}`, 100).finally(() => seen.push(`${name} ended at ${now()}`)),
          {
            service: true,
          },
        );
      }
    });
    assert.deepEqual(
      seen.filter((line) => line.includes("ended")),
      ["third ended at 100", "second ended at 200", "first ended at 300"],
    );
  }));

test("K3d services end in that order also when the group fails or is cancelled", () =>
  virtually(async () => {
    for (const how of ["throw", "cancel"]) {
      const seen: string[] = [];
      const group = withTaskGroup(async (group) => {
        group.spawn(() => cleaningUp(seen, "first", 10), { service: true });
        group.spawn(() => cleaningUp(seen, "second", 10), { service: true });
        await waitAllTasksBlocked();
        if (how === "throw") throw new Error(how);
        group.cancel();
        await checkpoint();
      });
      await assert.rejects(group);
      assert.deepEqual(seen, ["second", "first"]);
    }
  }));

test("K3e services outlive the cleanup of the children that a cancellation has reached", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withCancelScope(async (scope) => {
      await withTaskGroup(async (group) => {
        group.spawn(() => cleaningUp(seen, "service"), { service: true });
        group.spawn(() => cleaningUp(seen, "child", 200));
        await waitAllTasksBlocked();
        scope.cancel();
      });
    });
    assert.deepEqual(seen, ["child", "service"]);
  }));

test("K3f a cancellation reaches the services at the cut-off, though a child has not ended", () =>
  virtually(
    async () => {
      const seen: string[] = [];
      const group = withTaskGroup(async (group) => {
        group.spawn(() => cleaningUp(seen, `service`).finally(() => seen.push(`at ${now()}`)), { service: true });
        group.spawn(() => shield(() => sleep(900), { timeout: Infinity }).finally(() => seen.push("child")));
        await waitAllTasksBlocked();
        group.cancel();
        await checkpoint();
      });
      await assert.rejects(group, WorkCancelledError);
      assert.deepEqual(seen, ["service", "at 300", "child"]);
    },
    { grace: 300 },
  ));

test("K3g a service that returns early is fine", () =>
  virtually(async () => {
    const value = await withTaskGroup(async (group) => {
      group.spawn(() => sleep(5), { service: true });
      await sleep(50);
      return "value";
    });
    assert.equal(value, "value");
  }));

test("K3g a service that fails fails the group, while it runs and while it ends", () =>
  virtually(async () => {
    const error = new Error("service");
    const running = withTaskGroup(async (group) => {
      group.spawn(() => failing(error, 5), { service: true });
      await sleepForever();
    });
    assert.equal(await rejection(running), error);
    const ending = withTaskGroup((group) => {
      group.spawn(() => failingInCleanup(error), { service: true });
    });
    assert.equal(await rejection(ending), error);
  }));

test("K3c a service that a service spawned while it ended is ended too", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup((group) => {
      group.spawn(() => cleaningUp(seen, "first"), { service: true });
      group.spawn(
        async () => {
          try {
            await sleepForever();
          } finally {
            group.spawn(() => cleaningUp(seen, "late"), { service: true });
            await sleep(10);
            seen.push("second");
          }
        },
        { service: true },
      );
    });
    assert.deepEqual(seen, ["second", "late", "first"]);
  }));

test("K3c what code left behind by the block opens later does not keep the group open for ever", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup((group) => {
      group.spawn(() => cleaningUp(seen, "service"), { service: true });
      group.spawn(() => sleep(10).then(() => seen.push("child")));
      void sleep(5).then(() => {
        openTaskGroup().spawn(() => cleaningUp(seen, "open group"));
        void withCancelScope(() => cleaningUp(seen, "scope"));
      });
    });
    assert.deepEqual(seen, ["child", "open group", "scope", "service"]);
  }));

test("K3d a service that fails while it ends does not stop the others from ending in order", () =>
  virtually(async () => {
    const error = new Error("second");
    const seen: string[] = [];
    const group = withTaskGroup((group) => {
      group.spawn(() => cleaningUp(seen, "first", 10), { service: true });
      group.spawn(() => failingInCleanup(error), { service: true });
      group.spawn(() => cleaningUp(seen, "third", 10), { service: true });
    });
    assert.equal(await rejection(group), error);
    assert.deepEqual(seen, ["third", "first"]);
  }));

test("K3d nobody but itself ends a service out of turn", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup(async (group) => {
      const first = group.spawn(() => cleaningUp(seen, "first"), { service: true });
      group.spawn(() => cleaningUp(seen, "second"), { service: true });
      await waitAllTasksBlocked();
      first.cancel();
      await first.outcome();
      seen.push("block");
    });
    assert.deepEqual(seen, ["first", "block", "second"]);
  }));

test("K3e services work on while children are cut by a failure, and see no cancellation before", () =>
  virtually(async () => {
    const error = new Error("child");
    const seen: string[] = [];
    const group = withTaskGroup((group) => {
      group.spawn(
        async () => {
          try {
            for (;;) {
              await sleep(30);
              seen.push(`tick at ${now()}`);
            }
          } finally {
            seen.push(`service ends at ${now()}`);
          }
        },
        { service: true },
      );
      group.spawn(() => cleaningUp(seen, "cleaned", 50));
      group.spawn(() => failing(error, 20));
    });
    assert.equal(await rejection(group), error);
    assert.deepEqual(seen, ["tick at 30", "tick at 60", "cleaned", "service ends at 70"]);
  }));

test("K3e a service spawned while the group is unwinding runs until the others have ended", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withCancelScope(async (scope) => {
      scope.cancel();
      await rejection(checkpoint());
      await withTaskGroup((group) => {
        group.spawn(() => cleaningUp(seen, "service"), { service: true });
        group.spawn(() => sleep(20).then(() => seen.push("child")));
      });
    });
    assert.deepEqual(seen, ["child", "service"]);
  }));

test("K3f with grace 0 a cancellation reaches services and children together", () =>
  virtually(
    async () => {
      const seen: string[] = [];
      await rejection(
        withTaskGroup(async (group) => {
          group.spawn(() => cleaningUp(seen, "service"), { service: true });
          group.spawn(() => shield(() => sleep(100), { timeout: 200 }).finally(() => seen.push("child")));
          await waitAllTasksBlocked();
          group.cancel();
          await checkpoint();
        }),
      );
      assert.deepEqual(seen, ["service", "child"]);
    },
    { grace: 0 },
  ));

test("K3g a service that fails at once fails the group, and one that was cancelled does not", () =>
  virtually(async () => {
    const error = new Error("service");
    const failed = withTaskGroup((group) => {
      group.spawn(
        () => {
          throw error;
        },
        { service: true },
      );
    });
    assert.equal(await rejection(failed), error);
    const value = await withTaskGroup(async (group) => {
      group.spawn(sleepForever, { service: true }).cancel();
      await sleep(10);
      return "value";
    });
    assert.equal(value, "value");
  }));

test("K3d a service that ends by itself while another is being ended is not waited for again", () =>
  virtually(async () => {
    const seen: string[] = [];
    await withTaskGroup((group) => {
      const early = group.spawn(() => sleep(50), { service: true });
      early.onEnd(({ status }) => seen.push(`early ${status} at ${now()}`));
      group.spawn(() => cleaningUp(seen, "late", 100), { service: true });
    });
    assert.deepEqual(seen, ["early ok at 50", "late"]);
    assert.equal(now(), 100);
  }));
