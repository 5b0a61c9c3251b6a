import assert from "node:assert/strict";
import { test } from "node:test";
import { collectGarbage } from "../../test/collect-garbage.ts";
import { randomFrom } from "../../test/random.ts";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  BrokenError,
  CancelledError,
  checkpoint,
  Condition,
  failAfter,
  InvalidStateError,
  isCancelled,
  moveOnAfter,
  Mutex,
  now,
  sleep,
  sleepForever,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
  type MutexGuard,
  type Task,
  type TaskGroup,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

const idle = { waiting: 0, notified: 0 };
const free = { locked: false, broken: false, waiting: 0 };

function assertIdle(condition: Condition, message = "not idle"): void {
  assert.deepEqual(condition.statistics(), idle, message);
  assert.deepEqual(condition.mutex.statistics(), free, message);
}

/** Tasks that wait for `condition` one behind the other, and write down their number when they have got through. */
async function inLine(
  group: TaskGroup,
  condition: Condition,
  count: number,
): Promise<{ tasks: Task[]; log: number[] }> {
  const log: number[] = [];
  const tasks: Task[] = [];
  for (let number = 0; number < count; number++) {
    tasks.push(
      group.spawn(() =>
        condition.with(async () => {
          await condition.wait();
          log.push(number);
        }),
      ),
    );
    await waitAllTasksBlocked();
  }
  assert.deepEqual(condition.statistics(), { waiting: count, notified: 0 });
  return { tasks, log };
}

test("S3 Condition.wait() releases the mutex, and holds it again with the same guard", async () => {
  await virtually(async () => {
    const condition = new Condition();
    await withTaskGroup(async (group) => {
      const waiter: Task = group.spawn(async () => {
        using _guard = await condition.acquire();
        await condition.wait();
        assert.equal(condition.mutex.owner, waiter);
        await sleep(5);
      });
      await waitAllTasksBlocked();
      assert.equal(condition.mutex.locked, false);
      const guard = condition.tryAcquire()!;
      condition.notify();
      await waitAllTasksBlocked();
      assert.deepEqual(condition.statistics(), { waiting: 0, notified: 1 });
      assert.deepEqual([...condition.holders()], [...condition.mutex.holders()]);
      guard.release();
      assert.equal(condition.mutex.owner, waiter);
    });
    assertIdle(condition);
  });
});

test("F1a Condition.notify() lets waiters go on in the order they came, as many as it was told", async () => {
  await virtually(async () => {
    const condition = new Condition();
    await withTaskGroup(async (group) => {
      const { log } = await inLine(group, condition, 6);
      const seen: number[][] = [];
      for (const notify of [
        () => condition.notify(),
        () => condition.notify(0),
        () => condition.notify(2),
        () => condition.notifyAll(),
      ]) {
        await condition.with(notify);
        await waitAllTasksBlocked();
        seen.push([...log]);
      }
      assert.deepEqual(seen, [[0], [0], [0, 1, 2], [0, 1, 2, 3, 4, 5]]);
    });
    assertIdle(condition);
  });
});

test("F1a who is notified stands in the mutex's line from that moment, before who comes later", async () => {
  await virtually(async () => {
    const condition = new Condition();
    const order: string[] = [];
    await withTaskGroup(async (group) => {
      group.spawn(() => condition.with(() => condition.wait().then(() => order.push("notified"))));
      await waitAllTasksBlocked();
      const guard = await condition.acquire();
      group.spawn(() => condition.with(() => order.push("before")));
      condition.notify();
      group.spawn(() => condition.with(() => order.push("after")));
      assert.equal(condition.mutex.statistics().waiting, 3);
      guard.release();
    });
    assert.deepEqual(order, ["before", "notified", "after"]);
    assertIdle(condition);
  });
});

test("F1b the mutex goes to a notified waiter at once: nobody can come between", async () => {
  await virtually(async () => {
    const condition = new Condition();
    await withTaskGroup(async (group) => {
      const { tasks } = await inLine(group, condition, 1);
      const guard = await condition.acquire();
      condition.notify();
      guard.release();
      assert.equal(condition.tryAcquire(), undefined);
      assert.equal(condition.mutex.owner, tasks[0]);
    });
    assertIdle(condition);
  });
});

test("Condition: a notification that nobody waits for is not remembered", async () => {
  await virtually(async () => {
    const condition = new Condition();
    await condition.with(() => condition.notify(3));
    await condition.with(() => condition.notifyAll());
    assert.equal(await condition.with(() => moveOnAfter(10, () => condition.wait())), undefined);
    assert.equal(now() >= 10, true);
    assertIdle(condition);
  });
});

test("Condition: waiting and notifying need the mutex", async () => {
  await virtually(async () => {
    const condition = new Condition(undefined, { name: "stock" });
    assert.equal(condition.mutex.name, "stock");
    await withTaskGroup(async (group) => {
      group.spawn(() => condition.with(() => sleep(10)), { name: "holder" });
      const other = group.spawn(
        async () => {
          for (const call of [() => condition.wait(), () => condition.waitFor(() => true)]) {
            await assert.rejects(call, {
              name: "InvalidStateError",
              message: "Cannot wait for condition 'stock': task 'other' does not hold its mutex (held by 'holder')",
            });
          }
          for (const call of [() => condition.notify(), () => condition.notifyAll()]) {
            assert.throws(call, /^InvalidStateError: Cannot notify condition 'stock': task 'other' does not hold/);
          }
          assert.throws(() => condition.release(), InvalidStateError);
        },
        { name: "other" },
      );
      await other;
    });
    await assert.rejects(condition.wait(), /\(nobody does\)$/);
    assertIdle(condition);
  });
});

test("Condition rejects arguments that make no sense", async () => {
  await virtually(async () => {
    assert.throws(() => new Condition({ name: "options" } as never), {
      name: "TypeError",
      message: "Cannot make a condition of an object (Object): wanted a Mutex",
    });
    const condition = new Condition();
    await condition.with(async () => {
      for (const n of [-1, 1.5, Number.NaN, "1" as never]) assert.throws(() => condition.notify(n), RangeError);
      await assert.rejects(condition.waitFor(5 as never), TypeError);
      await assert.rejects(
        condition.waitFor(() => Promise.resolve(false)),
        {
          name: "TypeError",
          message: "Cannot wait for condition: the predicate gave a promise, which is always truthy",
        },
      );
    });
    assertIdle(condition);
  });
});

test("C3a Condition.wait() and waitFor() cut on entry keep the mutex", async () => {
  await virtually(async () => {
    const condition = new Condition();
    for (const call of [() => condition.wait(), () => condition.waitFor(() => true)]) {
      await withCancelScope(async (scope) => {
        using _guard = await condition.acquire();
        scope.cancel();
        const waiting = call();
        assert.equal(condition.mutex.locked, true);
        await assert.rejects(waiting, CancelledError);
        assert.equal(condition.mutex.locked, true);
      });
      assertIdle(condition);
    }
  });
});

test("C3a Condition.wait() cut while it waits has left the line, and holds the mutex again before it rejects", async () => {
  for (const grace of [0, 100]) {
    await virtually(
      async () => {
        const condition = new Condition();
        await withTaskGroup(async (group) => {
          const log: string[] = [];
          const waiter = group.spawn(async () => {
            using _guard = await condition.acquire();
            const error = await rejection(condition.wait());
            assert.equal(condition.mutex.owner, waiter);
            log.push("rejected");
            throw error;
          });
          await waitAllTasksBlocked();
          const guard = await condition.acquire();
          waiter.cancel();
          assert.equal(condition.statistics().waiting, 0);
          await sleep(1000); // long after the cut-off
          log.push("released");
          guard.release();
          assert.equal((await waiter.outcome()).status, "cancelled");
          assert.deepEqual(log, ["released", "rejected"]);
        });
        assertIdle(condition);
      },
      { grace },
    );
  }
});

test("C3a a deadline for Condition.wait() leaves the mutex held and the condition usable", async () => {
  await virtually(async () => {
    const condition = new Condition();
    await condition.with(async () => {
      await assert.rejects(
        failAfter(10, () => condition.wait()),
        TimeoutError,
      );
      assert.equal(condition.mutex.locked, true);
      condition.notify();
    });
    assertIdle(condition);
  });
});

test("C3b a waiter that holds the mutex when it is cancelled has waited to the end", async () => {
  await virtually(async () => {
    const condition = new Condition();
    await withTaskGroup(async (group) => {
      let got = false;
      const waiter = group.spawn(() =>
        condition.with(async () => {
          await condition.wait();
          got = true;
          await checkpoint();
        }),
      );
      await waitAllTasksBlocked();
      const guard = await condition.acquire();
      condition.notify();
      guard.release();
      waiter.cancel();
      assert.equal((await waiter.outcome()).status, "cancelled");
      assert.equal(got, true);
    });
    assertIdle(condition);
  });
});

test("C3a the notification of a waiter that is cancelled before it holds the mutex goes to the next", async () => {
  for (const cut of ["in the same step", "later", "after a release"]) {
    await virtually(async () => {
      const condition = new Condition();
      await withTaskGroup(async (group) => {
        const { tasks, log } = await inLine(group, condition, 3);
        const guard = await condition.acquire();
        condition.notify();
        if (cut === "later") await waitAllTasksBlocked();
        tasks[0]!.cancel();
        if (cut !== "after a release") await waitAllTasksBlocked();
        guard.release();
        await tasks[1];
        assert.deepEqual(log, [1], cut);
        assert.deepEqual(condition.statistics(), { waiting: 1, notified: 0 });
        tasks[2]!.cancel();
      });
      assertIdle(condition);
    });
  }
});

test("C3a who gets the notification of a cancelled waiter goes before that one, where the mutex is free", async () => {
  await virtually(async () => {
    const condition = new Condition();
    const log: string[] = [];
    await withTaskGroup(async (group) => {
      const cut = group.spawn(async () => {
        using _guard = await condition.acquire();
        await condition.wait().finally(() => log.push("cut"));
      });
      await waitAllTasksBlocked();
      group.spawn(() => condition.with(() => condition.wait().then(() => log.push("next"))));
      await waitAllTasksBlocked();
      using guard = await condition.acquire();
      condition.notify();
      cut.cancel();
      guard.release();
    });
    assert.deepEqual(log, ["next", "cut"]);
    assertIdle(condition);
  });
});

test("C3a a waiter that is cancelled before it is notified takes no notification", async () => {
  await virtually(async () => {
    const condition = new Condition();
    await withTaskGroup(async (group) => {
      const { tasks, log } = await inLine(group, condition, 2);
      await condition.with(() => {
        tasks[0]!.cancel();
        condition.notify();
      });
      await tasks[1];
      assert.deepEqual(log, [1]);
    });
    assertIdle(condition);
  });
});

test("C3a C3b whatever is notified and cancelled in whatever order, no item stays behind while somebody waits", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = randomFrom(seed);
    await virtually(async () => {
      const condition = new Condition();
      let items = 0;
      let put = 0;
      let taken = 0;
      let over = false;
      await withTaskGroup(async (group) => {
        const consumers = Array.from({ length: 8 }, (_, number) =>
          group.spawn(async () => {
            await sleep(number);
            while (!over) {
              using _guard = await condition.acquire();
              await condition.waitFor(() => items > 0 || over);
              if (items === 0) return;
              items--;
              taken++;
              await sleep(random(2));
            }
          }),
        );
        for (let turn = 0; turn < 12; turn++) {
          await sleep(random(4));
          using _guard = await condition.acquire();
          for (let number = random(3); number > 0; number--) {
            put++;
            items++;
            condition.notify();
          }
          if (random(2) === 0) consumers[random(8)]!.cancel();
          for (let steps = random(6); steps > 0; steps--) await null;
          if (random(3) === 0) consumers[random(8)]!.cancel();
        }
        await sleep(100);
        await waitAllTasksBlocked();
        const { waiting } = condition.statistics();
        assert.ok(items === 0 || waiting === 0, `seed ${seed}: ${items} items, ${waiting} wait`);
        await condition.with(() => {
          over = true;
          condition.notifyAll();
        });
      });
      assert.equal(put, taken + items, `seed ${seed}`);
      assertIdle(condition, `seed ${seed}`);
    });
  }
});

test("Condition.waitFor() asks at once and after each notification, and gives what its predicate gave", async () => {
  await virtually(async () => {
    const condition = new Condition();
    assert.equal(await condition.with(() => condition.waitFor(() => 7)), 7);
    let value: string | undefined;
    let asked = 0;
    await withTaskGroup(async (group) => {
      const waiter = group.spawn(() => condition.with(() => condition.waitFor(() => (asked++, value))));
      await waitAllTasksBlocked();
      await condition.with(() => condition.notify());
      await waitAllTasksBlocked();
      assert.equal(asked, 2);
      await condition.with(() => {
        value = "yes";
        condition.notify();
      });
      assert.equal(await waiter, "yes");
    });
    const thrown = await rejection(
      condition.with(() =>
        condition.waitFor(() => {
          throw new Error("predicate");
        }),
      ),
    );
    assert.match(String(thrown), /predicate/);
    assertIdle(condition);
  });
});

test("S3 Condition.waitFor() cancelled while it waits holds the mutex again", async () => {
  await virtually(async () => {
    const condition = new Condition();
    await condition.with(async () => {
      assert.equal(await moveOnAfter(10, () => condition.waitFor(() => false)), undefined);
      assert.equal(condition.mutex.locked, true);
    });
    assertIdle(condition);
  });
});

test("Condition: several conditions share a mutex, and each has its own waiters", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    const [full, empty] = [new Condition(mutex), new Condition(mutex)];
    await withTaskGroup(async (group) => {
      const { tasks } = await inLine(group, full, 1);
      await inLine(group, empty, 1);
      await mutex.with(() => full.notify());
      await tasks[0];
      assert.equal(empty.statistics().waiting, 1);
      await empty.with(() => empty.notifyAll());
    });
    assertIdle(full);
    assertIdle(empty);
  });
});

test("Condition: a mutex that breaks sends away whoever waits, to be notified or for the mutex", async () => {
  for (const notified of [0, 1, 2]) {
    await virtually(async () => {
      const condition = new Condition(undefined, { name: "stock" });
      await withTaskGroup(async (group) => {
        const waiting = [0, 1].map(() =>
          group.spawn(async () => {
            using _guard = await condition.acquire();
            return await rejection(condition.wait());
          }),
        );
        await waitAllTasksBlocked();
        group.spawn(
          async () => {
            await condition.acquire();
            condition.notify(notified);
            await sleep(1);
          },
          { name: "breaker" },
        );
        for (const error of await Promise.all(waiting)) {
          assert.ok(error instanceof BrokenError);
          assert.match(error.message, /^Mutex 'stock' is broken: task '.*\/breaker' ended while it held it$/);
        }
        assert.deepEqual(condition.statistics(), idle);
        assert.deepEqual(condition.mutex.statistics(), { locked: true, broken: true, waiting: 0 });
        condition.mutex.reset();
        const { tasks } = await inLine(group, condition, 1);
        await condition.with(() => condition.notify());
        await tasks[0];
      });
      assertIdle(condition);
    });
  }
});

test("Condition: a waiter that was sent away does not hold the mutex, even if that was reset at once", async () => {
  await virtually(async () => {
    const condition = new Condition();
    await withTaskGroup(async (group) => {
      const waiter = group.spawn(async () => {
        await condition.acquire();
        await assert.rejects(condition.wait(), BrokenError);
        assert.equal(condition.mutex.locked, false);
      });
      await waitAllTasksBlocked();
      const breaker = group.spawn(() => condition.acquire());
      breaker.onEnd(() => condition.mutex.reset());
      await waiter;
    });
    assertIdle(condition);
  });
});

test("Condition leaves nothing behind with a mutex that outlives it", async () => {
  await virtually(async () => {
    const mutex = new Mutex();
    const conditions: WeakRef<Condition>[] = [];
    const use = () =>
      withTaskGroup(async (group) => {
        const condition = new Condition(mutex);
        conditions.push(new WeakRef(condition));
        const { tasks } = await inLine(group, condition, 2);
        tasks[0]!.cancel();
        await condition.with(() => condition.notify());
      });
    for (let round = 0; round < 10; round++) await use();
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    const left = conditions.filter((condition) => condition.deref() !== undefined).length;
    assert.ok(left <= 2, `${left} of 10`); // what the last call has left on the stack may look alive
    await mutex.with(() => undefined);
  });
});

test("Condition: a waiter that is cancelled finds the mutex broken on its way out", async () => {
  await virtually(async () => {
    const condition = new Condition();
    await withTaskGroup(async (group) => {
      const waiter = group.spawn(async () => {
        using _guard = await condition.acquire();
        const error = await rejection(condition.wait());
        assert.ok(error instanceof BrokenError);
        throw new CancelledError({ why: "explicit", scope: "" });
      });
      await waitAllTasksBlocked();
      const breaker = group.spawn(async () => {
        await condition.acquire();
        await sleep(10);
      });
      waiter.cancel();
      await breaker;
      await waiter.outcome();
    }).catch((error: unknown) => assert.ok(isCancelled(error)));
    assert.deepEqual(condition.statistics(), idle);
  });
});

test("K9b a cancelled Condition.wait() that nobody awaits is not reported", async () => {
  await virtually(async () => {
    const condition = new Condition();
    let guard!: MutexGuard;
    await withTaskGroup(async (group) => {
      const task = group.spawn(async () => {
        guard = await condition.acquire();
        void condition.wait();
        await sleepForever();
      });
      await waitAllTasksBlocked();
      task.cancel();
    });
    guard.release();
    assert.deepEqual(condition.statistics(), idle);
  });
});

test("Condition works outside of every task", async () => {
  const condition = new Condition();
  await condition.acquire();
  const woken = condition.wait();
  await condition.acquire();
  condition.notify();
  condition.release();
  await woken;
  assert.equal(condition.mutex.locked, true);
  condition.release();
  assertIdle(condition);
});
