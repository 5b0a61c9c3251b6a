import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "../../test/random.ts";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  BrokenError,
  CancelledError,
  checkpoint,
  currentTask,
  DeadlockError,
  InvalidStateError,
  moveOnAfter,
  Mutex,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type MutexGuard,
} from "../index.ts";
import type { TaskNode } from "../core/task.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

const free = { locked: false, broken: false, waiting: 0 };
const held = { locked: true, broken: false, waiting: 0 };
const broken = { locked: true, broken: true, waiting: 0 };

/** A mutex that a task called "owner" holds, which ends when `end` is called. */
async function heldByAnother(mutex: Mutex, group: Parameters<Parameters<typeof withTaskGroup>[0]>[0]) {
  let end!: () => void;
  const until = new Promise<void>((resolve) => (end = resolve));
  const owner = group.spawn(
    async () => {
      await mutex.acquire();
      await until;
    },
    { name: "owner" },
  );
  await waitAllTasksBlocked();
  assert.equal(mutex.owner, owner);
  return { owner, end };
}

test("Mutex lets one at a time hold it", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    let inside = 0;
    const visit = async () => {
      using _guard = await mutex.acquire();
      assert.equal(++inside, 1);
      await sleep(10);
      inside--;
    };
    await all(Array.from({ length: 10 }, () => visit));
    assert.deepEqual(mutex.statistics(), free);
  });
});

test("Mutex tells whether it is locked, and by which task", async () => {
  await virtually(async () => {
    const mutex = new Mutex({ name: "ledger" });
    assert.equal(mutex.describe(), "mutex 'ledger'");
    assert.deepEqual([mutex.locked, mutex.owner, [...mutex.holders()]], [false, undefined, []]);
    await withTaskGroup(async (group) => {
      const owner = group.spawn(() => mutex.with(() => sleep(10)));
      assert.deepEqual([mutex.locked, mutex.owner, [...mutex.holders()]], [true, owner, [owner]]);
    });
    assert.deepEqual([mutex.locked, mutex.owner], [false, undefined]);
  });
});

test("F1a Mutex.acquire() serves waiters in the order they came", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    const served: number[] = [];
    await withTaskGroup((group) => {
      for (let number = 0; number < 6; number++) {
        group.spawn(async () => {
          using _guard = await mutex.acquire();
          served.push(number);
          await sleep(number % 2);
        });
      }
    });
    assert.deepEqual(served, [0, 1, 2, 3, 4, 5]);
  });
});

test("F1b a released mutex belongs to the first waiter at once, before that runs: nobody can come between", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    const served: string[] = [];
    await withTaskGroup(async (group) => {
      const guard = await mutex.acquire();
      const first = group.spawn(() => mutex.with(() => served.push("first in line")));
      guard.release();
      assert.equal(mutex.owner, first);
      assert.equal(mutex.tryAcquire(), undefined);
      using _guard = await mutex.acquire();
      served.push("came later");
    });
    assert.deepEqual(served, ["first in line", "came later"]);
    assert.deepEqual(mutex.statistics(), free);
  });
});

test("F1c Mutex.tryAcquire() succeeds only when nobody holds it or waits for it", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    const guard = mutex.tryAcquire();
    assert.ok(guard !== undefined);
    assert.equal(mutex.tryAcquire(), undefined);
    await withTaskGroup(async (group) => {
      group.spawn(() => mutex.with(() => sleep(10)));
      await waitAllTasksBlocked();
      guard.release();
      assert.equal(mutex.tryAcquire(), undefined);
    });
    mutex.tryAcquire()!.release();
    assert.deepEqual(mutex.statistics(), free);
  });
});

test("C3a Mutex.acquire() cut on entry does not hold it", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(mutex.acquire(), CancelledError);
    });
    assert.deepEqual(mutex.statistics(), free);
  });
});

test("C3a Mutex.acquire() cut while it waits has left the line, from the front, the middle and the end", async () => {
  for (const cut of [0, 1, 2]) {
    await virtually(async () => {
      const mutex = new Mutex();
      const served: number[] = [];
      await withTaskGroup(async (group) => {
        const guard = await mutex.acquire();
        const tasks = [0, 1, 2].map((number) => group.spawn(() => mutex.with(() => served.push(number))));
        await waitAllTasksBlocked();
        tasks[cut]!.cancel();
        assert.equal(mutex.statistics().waiting, 2);
        guard.release();
      });
      assert.deepEqual(
        served,
        [0, 1, 2].filter((number) => number !== cut),
      );
      assert.deepEqual(mutex.statistics(), free);
    });
  }
});

test("C3a a mutex released in the step that cuts the first waiter goes to the second", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    const served: string[] = [];
    await withTaskGroup(async (group) => {
      const guard = await mutex.acquire();
      const first = group.spawn(() => mutex.with(() => served.push("first")));
      group.spawn(() => mutex.with(() => served.push("second")));
      await waitAllTasksBlocked();
      first.cancel();
      guard.release();
    });
    assert.deepEqual(served, ["second"]);
    assert.deepEqual(mutex.statistics(), free);
  });
});

test("C3b a mutex passed on in the step before the waiter is cancelled is the waiter's", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    let given: MutexGuard | undefined;
    await withTaskGroup(async (group) => {
      const guard = await mutex.acquire();
      const waiter = group.spawn(async () => {
        given = await mutex.acquire();
        try {
          await checkpoint();
        } finally {
          assert.deepEqual(mutex.statistics(), held);
          given.release();
        }
      });
      await waitAllTasksBlocked();
      guard.release();
      waiter.cancel();
      assert.equal((await waiter.outcome()).status, "cancelled");
    });
    assert.ok(given);
    assert.deepEqual(mutex.statistics(), free);
  });
});

test("C3a C3b whatever is released and cancelled in whatever order, the mutex is never lost or held twice", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = randomFrom(seed);
    await virtually(async () => {
      const mutex = new Mutex();
      let inside = 0;
      await withTaskGroup(async (group) => {
        const visitors = Array.from({ length: 20 }, () => {
          const [before, stay] = [random(5), random(3)];
          return group.spawn(async () => {
            await sleep(before);
            using _guard = await mutex.acquire();
            assert.equal(++inside, 1);
            try {
              await sleep(stay);
            } finally {
              inside--;
            }
          });
        });
        for (let turn = 0; turn < 12; turn++) {
          await sleep(1);
          visitors[random(20)]!.cancel();
          if (random(2) === 0) for (let steps = random(4); steps > 0; steps--) await null;
        }
      });
      assert.deepEqual(mutex.statistics(), free, `seed ${seed}`);
    });
  }
});

test("Mutex.with() releases when its function returns, throws or is cancelled, and is not called when cut in line", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    assert.equal(await mutex.with(() => 42), 42);
    await assert.rejects(
      mutex.with(() => {
        throw new Error("inside");
      }),
      /inside/,
    );
    assert.equal(await moveOnAfter(10, () => mutex.with(sleepForever)), undefined);
    assert.deepEqual(mutex.statistics(), free);
    await assert.rejects(mutex.with(5 as never), {
      name: "TypeError",
      message: "Cannot run with mutex: 5 is not a function",
    });

    await withTaskGroup(async (group) => {
      const { end } = await heldByAnother(mutex, group);
      let called = false;
      await moveOnAfter(10, () => mutex.with(() => (called = true)));
      assert.equal(called, false);
      end();
    });
  });
});

test("K9b a cancelled Mutex.acquire() or with() that nobody awaits is not reported", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    using _guard = await mutex.acquire();
    await withTaskGroup(async (group) => {
      const task = group.spawn(async () => {
        void mutex.acquire();
        void mutex.with(() => 1);
        await sleepForever();
      });
      await waitAllTasksBlocked();
      task.cancel();
    });
    await sleep(1);
  });
});

test("Mutex: a guard releases once, and from anywhere", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    const guard = await mutex.acquire();
    await withTaskGroup((group) => void group.spawn(() => guard.release()));
    assert.deepEqual(mutex.statistics(), free);
    const second = await mutex.acquire();
    guard.release();
    guard[Symbol.dispose]();
    assert.deepEqual(mutex.statistics(), held);
    second[Symbol.dispose]();
    assert.deepEqual(mutex.statistics(), free);
  });
});

test("Mutex.release() releases for the owner alone", async () => {
  await virtually(async () => {
    const mutex = new Mutex({ name: "ledger" });
    await withTaskGroup(async (group) => {
      const { end } = await heldByAnother(mutex, group);
      await group.spawn(
        () =>
          assert.throws(() => mutex.release(), {
            name: "InvalidStateError",
            message: "Cannot release mutex 'ledger': task 'other' does not hold it (held by 'owner')",
          }),
        { name: "other" },
      );
      mutex.reset();
      assert.deepEqual(mutex.statistics(), held);
      end();
    });
    mutex.reset();
    await mutex.acquire();
    mutex.release();
    assert.deepEqual(mutex.statistics(), free);
    assert.throws(() => mutex.release(), /does not hold it \(nobody does\)$/);
  });
});

test("S1 Mutex is not reentrant: who holds it and waits for it is told at once", async () => {
  await virtually(async () => {
    const mutex = new Mutex({ name: "ledger" });
    await withTaskGroup(async (group) => {
      const task = group.spawn(
        () =>
          mutex.with(async () => {
            await assert.rejects(mutex.acquire(), (error: Error) => {
              assert.ok(error instanceof DeadlockError);
              assert.equal(
                error.message,
                "Cannot acquire mutex 'ledger': task 'twice' holds it, and would wait for itself",
              );
              return true;
            });
            await withCancelScope(() => assert.rejects(mutex.with(assert.fail), DeadlockError));
            assert.equal(mutex.tryAcquire(), undefined);
            return "out";
          }),
        { name: "twice" },
      );
      assert.equal(await task, "out");
    });
    assert.deepEqual(mutex.statistics(), free);
  });
});

test("Mutex: a task inside of its owner's block waits like any other", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    await withTaskGroup(async (group) => {
      const guard = await mutex.acquire();
      const child = group.spawn(() => mutex.with(() => "child"));
      guard.release();
      assert.equal(await child, "child");
    });
  });
});

test("S1 Mutex: an owner that ends while it holds it breaks it, for those who wait and those who come", async () => {
  await virtually(async () => {
    const mutex = new Mutex({ name: "ledger" });
    await withTaskGroup(async (group) => {
      const { owner, end } = await heldByAnother(mutex, group);
      const waiting = [group.spawn(() => rejection(mutex.acquire())), group.spawn(() => rejection(mutex.with(Date)))];
      await waitAllTasksBlocked();
      assert.equal(mutex.statistics().waiting, 2);
      end();
      for (const error of [
        ...(await Promise.all(waiting)),
        await rejection(mutex.acquire()),
        await rejection(mutex.with(assert.fail)),
      ]) {
        assert.ok(error instanceof BrokenError);
        assert.equal(error.message, `Mutex 'ledger' is broken: task '${owner.path}' ended while it held it`);
      }
      assert.match(owner.path, /\/owner$/);
      assert.throws(() => mutex.tryAcquire(), BrokenError);
      assert.throws(() => mutex.release(), InvalidStateError);
      assert.deepEqual(mutex.statistics(), broken);
      assert.equal(mutex.owner, owner);

      mutex.reset();
      assert.deepEqual(mutex.statistics(), free);
      assert.equal(await mutex.with(() => "again"), "again");
    });
  });
});

test("S1 Mutex: it is broken whether or not somebody waited when its owner ended, and whichever way that ended", async () => {
  const ends: Record<string, () => Promise<unknown>> = {
    ok: () => checkpoint(),
    failed: () => Promise.reject(new Error("on purpose")),
    cancelled: () => sleepForever(),
  };
  for (const [status, ending] of Object.entries(ends)) {
    for (const somebodyWaits of [false, true]) {
      await virtually(async () => {
        const mutex = new Mutex();
        await withTaskGroup(
          async (group) => {
            const owner = group.attempt(async () => {
              await mutex.acquire();
              await sleep(1);
              await ending();
            });
            const waiter = somebodyWaits ? group.spawn(() => rejection(mutex.acquire())) : undefined;
            await sleep(1);
            await waitAllTasksBlocked();
            if (status === "cancelled") owner.cancel();
            assert.equal((await owner.outcome()).status, status);
            if (waiter !== undefined) assert.ok((await waiter) instanceof BrokenError);
            await assert.rejects(mutex.acquire(), BrokenError);
            assert.deepEqual(mutex.statistics(), broken);
          },
          { failures: "collect" },
        );
      });
    }
  }
});

test("S1 Mutex: each owner to whom it was passed on breaks it when it ends", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    await withTaskGroup(async (group) => {
      const first = await mutex.acquire();
      const second = group.spawn(
        async () => {
          await mutex.acquire();
          await sleep(10);
        },
        { name: "second" },
      );
      const third = group.spawn(() => rejection(mutex.acquire()));
      await waitAllTasksBlocked();
      first.release();
      assert.equal(mutex.owner, second);
      assert.match(String(await third), /second' ended while it held it/);
    });
  });
});

test("S1 Mutex: a guard that outlives its owner's task releases nothing: the mutex is broken already", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    const [guard] = await all([() => mutex.acquire()]);
    guard.release();
    await assert.rejects(mutex.acquire(), BrokenError);
    mutex.reset();
    const next = await mutex.acquire();
    guard.release();
    assert.deepEqual(mutex.statistics(), held);
    next.release();
  });
});

test("S1 Mutex: passed on to a task that has ended, and left its wait behind, it is broken", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    await withTaskGroup(async (group) => {
      const guard = await mutex.acquire();
      await group.spawn(() => void mutex.acquire(), { name: "hasty" });
      const waiter = group.spawn(() => rejection(mutex.acquire()));
      await waitAllTasksBlocked();
      guard.release();
      assert.match(String(await waiter), /hasty' ended while it held it/);
    });
  });
});

test("Mutex: a task that has released it ends without a trace", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    await withTaskGroup(async (group) => {
      for (let round = 0; round < 3; round++) {
        group.spawn(() => mutex.with(() => sleep(1)));
        group.spawn(async () => {
          await mutex.acquire();
          await sleep(1);
          mutex.release();
        });
      }
    });
    assert.deepEqual(mutex.statistics(), free);
  });
});

test("Mutex: a task that has released it, and goes on, is not held by it, nor it by the task", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    await withTaskGroup(async (group) => {
      const guard = await mutex.acquire();
      const waiter = group.spawn(() => mutex.with(() => checkpoint()));
      await waitAllTasksBlocked();
      assert.ok((currentTask() as TaskNode).endWatcher);
      guard.release();
      assert.equal((currentTask() as TaskNode).endWatcher, undefined);
      assert.ok((waiter as TaskNode).endWatcher);
    });
  });
});

test("S1 Mutex works outside of every task, where nobody owns it", async () => {
  const mutex = new Mutex();
  const guard = await mutex.acquire();
  assert.deepEqual([mutex.locked, mutex.owner], [true, undefined]);
  const second = mutex.acquire();
  guard.release();
  await second;
  assert.deepEqual(mutex.statistics(), held);
  mutex.release();
  assert.throws(() => mutex.release(), /code outside of any task does not hold it \(nobody does\)$/);
  assert.deepEqual(mutex.statistics(), free);
});

/** Processor time for each of `many` waiters that are cancelled together, in milliseconds. */
async function timeToCut(many: number): Promise<number> {
  let span!: NodeJS.CpuUsage;
  await virtually(async () => {
    const mutex = new Mutex();
    using _guard = await mutex.acquire();
    let cut = 0;
    await withCancelScope((scope) =>
      withTaskGroup(async (group) => {
        for (let i = 0; i < many; i++)
          group.spawn(() => mutex.acquire().catch((error: unknown) => (cut++, rethrow(error))));
        await waitAllTasksBlocked();
        assert.equal(mutex.statistics().waiting, many);
        span = process.cpuUsage();
        scope.cancel();
        assert.equal(mutex.statistics().waiting, 0);
      }),
    );
    span = process.cpuUsage(span);
    assert.equal(cut, many);
  });
  return (span.user + span.system) / 1000 / many;
}

function rethrow(error: unknown): never {
  throw error;
}

test("Mutex: cancelling 100,000 waiters costs each about as much as cancelling 5,000", async () => {
  await timeToCut(5000);
  const few = await timeToCut(5000);
  const many = await timeToCut(100_000);
  assert.ok(many < 8 * few, `${many} ms each against ${few} ms`);
});
