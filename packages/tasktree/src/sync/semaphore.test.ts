import assert from "node:assert/strict";
import { test } from "node:test";
import { collectGarbage } from "../../test/collect-garbage.ts";
import { randomFrom } from "../../test/random.ts";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  CancelledError,
  checkpoint,
  InvalidStateError,
  moveOnAfter,
  Semaphore,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type Permit,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

const idle = { free: 1, held: 0, waiting: 0 };

test("Semaphore lets at most so many through at a time", async () => {
  await virtually(async () => {
    const semaphore = new Semaphore(3);
    let inside = 0;
    let most = 0;
    const visit = async () => {
      using _permit = await semaphore.acquire();
      most = Math.max(most, ++inside);
      await sleep(10);
      inside--;
    };
    await all(Array.from({ length: 10 }, () => visit));
    assert.equal(most, 3);
    assert.deepEqual(semaphore.statistics(), { free: 3, held: 0, waiting: 0 });
  });
});

test("F1a Semaphore.acquire() serves waiters in the order they came", async () => {
  await virtually(async () => {
    const semaphore = new Semaphore(1);
    const served: number[] = [];
    await withTaskGroup((group) => {
      for (let number = 0; number < 6; number++) {
        group.spawn(async () => {
          using _permit = await semaphore.acquire();
          served.push(number);
          await sleep(number % 2);
        });
      }
    });
    assert.deepEqual(served, [0, 1, 2, 3, 4, 5]);
  });
});

test("F1b a released permit goes to the first waiter at once, before that runs: nobody can come between", async () => {
  await virtually(async () => {
    const semaphore = new Semaphore(1);
    const served: string[] = [];
    await withTaskGroup(async (group) => {
      const permit = await semaphore.acquire();
      group.spawn(async () => {
        using _permit = await semaphore.acquire();
        served.push("first in line");
      });
      permit.release();
      assert.deepEqual(semaphore.statistics(), { free: 0, held: 1, waiting: 0 });
      assert.equal(semaphore.tryAcquire(), undefined);
      using _permit = await semaphore.acquire();
      served.push("came later");
    });
    assert.deepEqual(served, ["first in line", "came later"]);
    assert.deepEqual(semaphore.statistics(), idle);
  });
});

test("F1c Semaphore.tryAcquire() succeeds only when a permit is free and nobody waits", async () => {
  await virtually(async () => {
    const semaphore = new Semaphore(2);
    const permits = [semaphore.tryAcquire(), semaphore.tryAcquire()];
    assert.ok(permits[0] !== undefined && permits[1] !== undefined);
    assert.equal(semaphore.tryAcquire(), undefined);
    await withTaskGroup(async (group) => {
      for (let waiter = 0; waiter < 2; waiter++) group.spawn(() => semaphore.with(() => sleep(10)));
      await waitAllTasksBlocked();
      permits[0]!.release();
      permits[1]!.release();
      assert.equal(semaphore.tryAcquire(), undefined);
    });
    assert.ok(semaphore.tryAcquire());
  });
});

test("C3a Semaphore.acquire() cut on entry takes no permit", async () => {
  await virtually(async () => {
    const semaphore = new Semaphore(1);
    const scope = await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(semaphore.acquire(), CancelledError);
      return scope;
    });
    assert.ok(scope);
    assert.deepEqual(semaphore.statistics(), idle);
  });
});

test("C3a Semaphore.acquire() cut while it waits has left the line, from the front, the middle and the end", async () => {
  for (const cut of [0, 1, 2]) {
    await virtually(async () => {
      const semaphore = new Semaphore(1);
      const served: number[] = [];
      await withTaskGroup(async (group) => {
        const permit = await semaphore.acquire();
        const tasks = [0, 1, 2].map((number) =>
          group.spawn(async () => {
            using _permit = await semaphore.acquire();
            served.push(number);
          }),
        );
        await waitAllTasksBlocked();
        tasks[cut]!.cancel();
        assert.equal(semaphore.statistics().waiting, 2);
        permit.release();
      });
      assert.deepEqual(
        served,
        [0, 1, 2].filter((number) => number !== cut),
      );
      assert.deepEqual(semaphore.statistics(), idle);
    });
  }
});

test("C3a a permit released in the step that cuts the first waiter goes to the second", async () => {
  await virtually(async () => {
    const semaphore = new Semaphore(1);
    const served: string[] = [];
    await withTaskGroup(async (group) => {
      const permit = await semaphore.acquire();
      const first = group.spawn(() => semaphore.with(() => served.push("first")));
      group.spawn(() => semaphore.with(() => served.push("second")));
      await waitAllTasksBlocked();
      first.cancel();
      permit.release();
    });
    assert.deepEqual(served, ["second"]);
    assert.deepEqual(semaphore.statistics(), idle);
  });
});

test("C3b a permit given in the step before the waiter is cancelled is the waiter's", async () => {
  await virtually(async () => {
    const semaphore = new Semaphore(1);
    let given: Permit | undefined;
    await withTaskGroup(async (group) => {
      const permit = await semaphore.acquire();
      const waiter = group.spawn(async () => {
        given = await semaphore.acquire();
        await checkpoint();
      });
      await waitAllTasksBlocked();
      permit.release();
      waiter.cancel();
      assert.equal((await waiter.outcome()).status, "cancelled");
    });
    assert.ok(given);
    assert.deepEqual(semaphore.statistics(), { free: 0, held: 1, waiting: 0 });
    given.release();
    assert.deepEqual(semaphore.statistics(), idle);
  });
});

test("C3a C3b whatever is released and cancelled in whatever order, no permit is lost or given twice", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = randomFrom(seed);
    await virtually(async () => {
      const permits = 1 + random(3);
      const semaphore = new Semaphore(permits);
      let inside = 0;
      await withTaskGroup(async (group) => {
        const visitors = Array.from({ length: 20 }, () => {
          const [before, stay] = [random(5), random(4)];
          return group.spawn(async () => {
            await sleep(before);
            using _permit = await semaphore.acquire();
            assert.ok(++inside <= permits);
            try {
              await sleep(stay);
            } finally {
              inside--;
            }
          });
        });
        for (let turn = 0; turn < 10; turn++) {
          await sleep(1);
          visitors[random(20)]!.cancel();
          if (random(2) === 0) for (let steps = random(4); steps > 0; steps--) await null;
        }
      });
      assert.deepEqual(semaphore.statistics(), { free: permits, held: 0, waiting: 0 }, `seed ${seed}`);
    });
  }
});

test("Semaphore.with() releases when its function returns, throws or is cancelled, and is not called when cut in line", async () => {
  await virtually(async () => {
    const semaphore = new Semaphore(1);
    assert.equal(await semaphore.with(() => 42), 42);
    await assert.rejects(
      semaphore.with(() => {
        throw new Error("inside");
      }),
      /inside/,
    );
    assert.equal(await moveOnAfter(10, () => semaphore.with(sleepForever)), undefined);
    assert.deepEqual(semaphore.statistics(), idle);

    using _permit = await semaphore.acquire();
    let called = false;
    await moveOnAfter(10, () => semaphore.with(() => (called = true)));
    assert.equal(called, false);
  });
});

test("Semaphore: a permit is released once, however often it is asked to", async () => {
  const semaphore = new Semaphore(2);
  const permit = await semaphore.acquire();
  await semaphore.acquire();
  permit.release();
  permit.release();
  permit[Symbol.dispose]();
  assert.deepEqual(semaphore.statistics(), { free: 1, held: 1, waiting: 0 });
});

test("Semaphore.release() gives back a permit of the current task before that of another", async () => {
  await virtually(async () => {
    const semaphore = new Semaphore(2);
    await withTaskGroup(async (group) => {
      const others = group.spawn(async function other() {
        const permit = await semaphore.acquire();
        await sleep(10);
        assert.deepEqual(semaphore.statistics(), { free: 1, held: 1, waiting: 0 });
        permit.release();
      });
      group.spawn(async function mine() {
        await semaphore.acquire();
        semaphore.release();
      });
      await others;
    });
    assert.deepEqual(semaphore.statistics(), { free: 2, held: 0, waiting: 0 });
  });
});

test("Semaphore.release() gives back the current task's permits first, then the oldest, whoever came and went before", async () => {
  await virtually(async () => {
    const semaphore = new Semaphore(6);
    await withTaskGroup(async (group) => {
      const other = group.spawn(async () => {
        for (let i = 0; i < 4; i++) await semaphore.acquire();
        await sleepForever();
      });
      await waitAllTasksBlocked();
      const [one, two] = [await semaphore.acquire(), await semaphore.acquire()];
      semaphore.release();
      one.release();
      assert.deepEqual(semaphore.statistics(), { free: 1, held: 5, waiting: 0 });
      const three = await semaphore.acquire();
      two.release();
      semaphore.release();
      three.release();
      assert.deepEqual(semaphore.statistics(), { free: 2, held: 4, waiting: 0 });
      assert.deepEqual([...semaphore.holders()], [other]);
      semaphore.release();
      assert.deepEqual(semaphore.statistics(), { free: 3, held: 3, waiting: 0 });
      other.cancel();
    });
  });
});

test("Semaphore holds no task that has given back its permits", async () => {
  await virtually(async () => {
    const semaphore = new Semaphore(1);
    const tasks: WeakRef<object>[] = [];
    const use = () =>
      withTaskGroup(async (group) => {
        const task = group.spawn(async () => {
          await semaphore.acquire();
          semaphore.release();
        });
        tasks.push(new WeakRef(task));
      });
    for (let round = 0; round < 10; round++) await use();
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    const left = tasks.filter((task) => task.deref() !== undefined).length;
    assert.ok(left <= 2, `${left} of 10`); // what the last call has left on the stack may look alive
    assert.deepEqual(semaphore.statistics(), idle);
  });
});

/** Processor time for each of `many` permits that one task acquires and another releases, in milliseconds. */
async function timeToRelease(many: number): Promise<number> {
  const semaphore = new Semaphore(many);
  let span!: NodeJS.CpuUsage;
  await virtually(() =>
    withTaskGroup(async (group) => {
      await group.spawn(async () => {
        for (let i = 0; i < many; i++) await semaphore.acquire();
      });
      span = process.cpuUsage();
      for (let i = 0; i < many; i++) semaphore.release();
    }),
  );
  span = process.cpuUsage(span);
  assert.equal(semaphore.free, many);
  return (span.user + span.system) / 1000 / many;
}

test("Semaphore.release() by another than the holder costs about as much with 100,000 permits as with 5,000", async () => {
  await timeToRelease(5000);
  const few = await timeToRelease(5000);
  const many = await timeToRelease(100_000);
  assert.ok(many < 8 * few, `${many} ms each against ${few} ms`);
});

test("Semaphore.release() of a task that holds none gives back the permit that was taken first", async () => {
  await virtually(async () => {
    const semaphore = new Semaphore(3);
    await withTaskGroup(async (group) => {
      const permits = await all([1, 2].map(() => () => semaphore.acquire()));
      await group.spawn(() => semaphore.release());
      assert.deepEqual(semaphore.statistics(), { free: 2, held: 1, waiting: 0 });
      permits[0]!.release();
      assert.deepEqual(semaphore.statistics(), { free: 2, held: 1, waiting: 0 });
      permits[1]!.release();
    });
    assert.deepEqual(semaphore.statistics(), { free: 3, held: 0, waiting: 0 });
  });
});

test("Semaphore.release() without a holder adds a permit, up to max", () => {
  const counter = new Semaphore(0, { max: 2 });
  counter.release();
  counter.release();
  assert.equal(counter.free, 2);
  assert.throws(() => counter.release(), InvalidStateError);
  assert.throws(() => new Semaphore(1).release(), InvalidStateError);
});

test("Semaphore of no permits and without a bound counts signals, and wakes who waits for one", async () => {
  await virtually(async () => {
    const signals = new Semaphore(0, { max: Infinity });
    await withTaskGroup(async (group) => {
      const waiter = group.spawn(() => signals.acquire());
      await waitAllTasksBlocked();
      signals.release();
      await waiter;
      assert.deepEqual(signals.statistics(), { free: 0, held: 1, waiting: 0 });
    });
  });
});

test("Semaphore rejects numbers of permits that make no sense", () => {
  for (const permits of [-1, 1.5, Number.NaN, "2" as unknown as number]) {
    assert.throws(() => new Semaphore(permits), RangeError);
  }
  assert.throws(() => new Semaphore(3, { max: 2 }), RangeError);
  assert.throws(() => new Semaphore(0, { max: -1 }), RangeError);
  assert.equal(new Semaphore(Infinity).free, Infinity);
});

test("Semaphore works outside of every task", async () => {
  const semaphore = new Semaphore(1);
  const permit = await semaphore.acquire();
  const second = semaphore.acquire();
  permit.release();
  (await second).release();
  assert.deepEqual(semaphore.statistics(), idle);
});
