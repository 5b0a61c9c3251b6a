import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "../../test/random.ts";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  CancelledError,
  CapacityLimiter,
  checkpoint,
  currentTask,
  InvalidStateError,
  moveOnAfter,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import type { TaskNode } from "../core/task.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

const idle = { total: 1, borrowed: 0, waiting: 0 };

test("CapacityLimiter lets at most so many borrow at a time", async () => {
  await virtually(async () => {
    const limiter = new CapacityLimiter(3);
    let inside = 0;
    let most = 0;
    const visit = () =>
      limiter.with(async () => {
        most = Math.max(most, ++inside);
        await sleep(10);
        inside--;
      });
    await all(Array.from({ length: 10 }, () => visit));
    assert.equal(most, 3);
    assert.deepEqual(limiter.statistics(), { total: 3, borrowed: 0, waiting: 0 });
  });
});

test("CapacityLimiter tells what is borrowed, by whom, and what is left", async () => {
  await virtually(async () => {
    const limiter = new CapacityLimiter(3, { name: "threads" });
    await withTaskGroup(async (group) => {
      const task = group.spawn(() => limiter.with(() => sleep(10)));
      await limiter.acquire("x");
      assert.deepEqual([limiter.total, limiter.borrowed, limiter.available], [3, 2, 1]);
      assert.deepEqual(limiter.borrowers(), [task, "x"]);
      assert.deepEqual([...limiter.holders()], [task]);
      assert.equal(limiter.describe(), "capacity limiter 'threads' (2 of 3 borrowed)");
    });
    assert.deepEqual(limiter.borrowers(), ["x"]);
    limiter.release("x");
    assert.equal(new CapacityLimiter(Infinity).available, Infinity);
  });
});

test("F1a CapacityLimiter.acquire() serves waiters in the order they came", async () => {
  await virtually(async () => {
    const limiter = new CapacityLimiter(1);
    const served: number[] = [];
    await withTaskGroup((group) => {
      for (let number = 0; number < 6; number++) {
        group.spawn(() =>
          limiter.with(async () => {
            served.push(number);
            await sleep(number % 2);
          }),
        );
      }
    });
    assert.deepEqual(served, [0, 1, 2, 3, 4, 5]);
  });
});

test("F1b a token given back goes to the first waiter at once: nobody can come between", async () => {
  await virtually(async () => {
    const limiter = new CapacityLimiter(1);
    await withTaskGroup(async (group) => {
      await limiter.acquire();
      const first = group.spawn(() => limiter.with(() => checkpoint()));
      limiter.release();
      assert.deepEqual(limiter.borrowers(), [first]);
      assert.equal(limiter.tryAcquire(), false);
    });
    assert.deepEqual(limiter.statistics(), idle);
  });
});

test("F1c CapacityLimiter.tryAcquire() succeeds only when a token is there and nobody waits", async () => {
  await virtually(async () => {
    const limiter = new CapacityLimiter(1);
    assert.equal(limiter.tryAcquire(), true);
    assert.equal(limiter.tryAcquire("other"), false);
    await withTaskGroup(async (group) => {
      group.spawn(() => limiter.with(() => sleep(10)));
      await waitAllTasksBlocked();
      limiter.release();
      assert.equal(limiter.tryAcquire("other"), false);
    });
    assert.equal(limiter.tryAcquire("other"), true);
  });
});

test("C3a CapacityLimiter.acquire() cut on entry borrows nothing", async () => {
  await virtually(async () => {
    const limiter = new CapacityLimiter(1);
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(limiter.acquire(), CancelledError);
    });
    assert.deepEqual(limiter.statistics(), idle);
  });
});

test("C3a CapacityLimiter.acquire() cut while it waits has left the line, and may come again", async () => {
  for (const cut of [0, 1, 2]) {
    await virtually(async () => {
      const limiter = new CapacityLimiter(1);
      const served: string[] = [];
      await withTaskGroup(async (group) => {
        await limiter.acquire();
        for (let number = 0; number < 3; number++) {
          group.spawn(async () => {
            const waited = () => limiter.with(() => served.push(`${number}`));
            if (number === cut) await moveOnAfter(10, waited);
            else await waited();
            if (number === cut) await limiter.with(() => served.push(`${number} again`));
          });
        }
        await sleep(20);
        limiter.release();
      });
      assert.deepEqual(served, [...["0", "1", "2"].filter((number) => number !== `${cut}`), `${cut} again`]);
      assert.deepEqual(limiter.statistics(), idle);
    });
  }
});

test("C3b a token lent in the step before the waiter is cancelled is the waiter's", async () => {
  await virtually(async () => {
    const limiter = new CapacityLimiter(1);
    let got = false;
    await withTaskGroup(async (group) => {
      await limiter.acquire();
      const waiter = group.spawn(async () => {
        await limiter.acquire();
        got = true;
        try {
          await checkpoint();
        } finally {
          assert.equal(limiter.borrowed, 1);
          limiter.release();
        }
      });
      await waitAllTasksBlocked();
      limiter.release();
      waiter.cancel();
      assert.equal((await waiter.outcome()).status, "cancelled");
    });
    assert.equal(got, true);
    assert.deepEqual(limiter.statistics(), idle);
  });
});

test("C3a C3b whatever is released, resized and cancelled in whatever order, no token is lost or lent twice", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = randomFrom(seed);
    await virtually(async () => {
      const limiter = new CapacityLimiter(1 + random(3));
      let inside = 0;
      let mayBeInside = limiter.total;
      await withTaskGroup(async (group) => {
        const visitors = Array.from({ length: 20 }, () => {
          const [before, stay, tidy] = [random(5), random(4), random(3) > 0];
          return group.spawn(async () => {
            await sleep(before);
            await limiter.acquire();
            assert.ok(++inside <= mayBeInside, `seed ${seed}`);
            try {
              await sleep(stay);
            } finally {
              inside--;
              if (tidy) limiter.release();
            }
          });
        });
        for (let turn = 0; turn < 10; turn++) {
          await sleep(1);
          visitors[random(20)]!.cancel();
          if (random(2) === 0) for (let steps = random(4); steps > 0; steps--) await null;
          if (random(3) > 0) continue;
          const total = random(5);
          mayBeInside = Math.max(total, limiter.borrowed);
          limiter.total = total;
        }
        mayBeInside = 20;
        limiter.total = 1;
      });
      assert.deepEqual(limiter.statistics(), idle, `seed ${seed}`);
    });
  }
});

test("S2 CapacityLimiter.total: raised, it lets waiters in; lowered, it takes nothing away", async () => {
  await virtually(async () => {
    const limiter = new CapacityLimiter(2);
    const got: number[] = [];
    await withTaskGroup(async (group) => {
      for (let number = 0; number < 6; number++) {
        group.spawn(() => limiter.acquire(`b${number}`).then(() => got.push(number)));
      }
      await waitAllTasksBlocked();
      assert.deepEqual(got, [0, 1]);
      limiter.total = 4;
      assert.equal(limiter.tryAcquire("other"), false);
      await waitAllTasksBlocked();
      assert.deepEqual(got, [0, 1, 2, 3]);
      limiter.total = 1;
      assert.deepEqual([limiter.borrowed, limiter.available], [4, 0]);
      for (const borrower of ["b0", "b1", "b2"]) limiter.release(borrower);
      await waitAllTasksBlocked();
      assert.deepEqual(got, [0, 1, 2, 3]);
      limiter.release("b3");
      await waitAllTasksBlocked();
      assert.deepEqual(got, [0, 1, 2, 3, 4]);
      limiter.total = Infinity;
    });
    assert.deepEqual(limiter.borrowers(), ["b4", "b5"]);
  });
});

test("CapacityLimiter of 0 lets nobody in until it is raised", async () => {
  await virtually(async () => {
    const limiter = new CapacityLimiter(0);
    assert.equal(limiter.tryAcquire(), false);
    await withTaskGroup(async (group) => {
      const task = group.spawn(() => limiter.with(() => "in"));
      await waitAllTasksBlocked();
      assert.equal(task.status, "running");
      limiter.total = 1;
      assert.equal(await task, "in");
    });
  });
});

test("CapacityLimiter: a borrower has at most one token, and gives back none that it has not", async () => {
  await virtually(async () => {
    const limiter = new CapacityLimiter(3, { name: "threads" });
    await withTaskGroup(async (group) => {
      await group.spawn(
        async () => {
          await limiter.acquire();
          const message =
            "Cannot acquire capacity limiter 'threads' (1 of 3 borrowed): task 'greedy' has a token already";
          for (const again of [
            () => limiter.acquire(),
            () => limiter.acquire(currentTask()),
            () => limiter.with(assert.fail),
            async () => limiter.tryAcquire(),
          ]) {
            await assert.rejects(again, { name: "InvalidStateError", message });
          }
          limiter.release();
          assert.throws(() => limiter.release(), {
            name: "InvalidStateError",
            message: "Cannot release capacity limiter 'threads' (0 of 3 borrowed): task 'greedy' has no token",
          });
          assert.throws(() => limiter.release("x"), /: "x" has no token$/);
        },
        { name: "greedy" },
      );
    });
    assert.deepEqual(limiter.statistics(), { total: 3, borrowed: 0, waiting: 0 });
  });
});

test("CapacityLimiter: of two waits of one borrower the second is sent away when the first has got a token", async () => {
  await virtually(async () => {
    const limiter = new CapacityLimiter(1);
    await withTaskGroup(async (group) => {
      await limiter.acquire("x");
      const first = group.spawn(() => limiter.acquire("y"));
      const second = group.spawn(() => rejection(limiter.acquire("y")));
      const third = group.spawn(() => limiter.acquire("z"));
      await waitAllTasksBlocked();
      limiter.total = 2;
      await first;
      limiter.release("x");
      assert.match(String(await second), /InvalidStateError: .*"y" has a token already/);
      await third;
      assert.deepEqual(limiter.borrowers(), ["y", "z"]);
    });
  });
});

test("S2 CapacityLimiter: a task that ends has given its token back", async () => {
  await virtually(async () => {
    const limiter = new CapacityLimiter(1);
    await withTaskGroup(async (group) => {
      await group.spawn(() => limiter.acquire());
      assert.deepEqual(limiter.statistics(), idle);
      const leaky = group.spawn(async () => {
        await limiter.acquire();
        await sleepForever();
      });
      const waiter = group.spawn(() => limiter.with(() => "served"));
      await waitAllTasksBlocked();
      leaky.cancel();
      assert.equal(await waiter, "served");
      group.spawn(() => limiter.acquire("named")).cancel();
    });
    assert.deepEqual(limiter.borrowers(), ["named"]);
  });
});

test("S2 CapacityLimiter: a token lent to a task that has ended, and left its wait behind, comes back at once", async () => {
  await virtually(async () => {
    const limiter = new CapacityLimiter(1);
    await withTaskGroup(async (group) => {
      await limiter.acquire();
      for (let number = 0; number < 3; number++) await group.spawn(() => void limiter.acquire());
      const waiter = group.spawn(() => limiter.with(() => "served"));
      await waitAllTasksBlocked();
      limiter.release();
      assert.equal(await waiter, "served");
    });
    assert.deepEqual(limiter.statistics(), idle);
  });
});

test("CapacityLimiter.with() releases when its function returns, throws or is cancelled", async () => {
  await virtually(async () => {
    const limiter = new CapacityLimiter(1);
    assert.equal(await limiter.with(() => 42), 42);
    await assert.rejects(
      limiter.with(() => {
        throw new Error("inside");
      }),
      /inside/,
    );
    assert.equal(await moveOnAfter(10, () => limiter.with(sleepForever)), undefined);
    await limiter.with(() => limiter.release());
    await limiter.with(() => {
      limiter.release();
      return limiter.acquire();
    });
    assert.equal(limiter.borrowed, 1);
    limiter.release();
    assert.equal((currentTask() as TaskNode).endWatcher, undefined);
    await assert.rejects(limiter.with(5 as never), TypeError);
    assert.deepEqual(limiter.statistics(), idle);
  });
});

test("K9b a cancelled CapacityLimiter.acquire() or with() that nobody awaits is not reported", async () => {
  await virtually(async () => {
    const limiter = new CapacityLimiter(0);
    await moveOnAfter(10, () => {
      void limiter.acquire("x");
      void limiter.with(() => 1);
      return sleepForever();
    });
    assert.equal(limiter.statistics().waiting, 0);
  });
});

test("CapacityLimiter rejects totals that make no sense", () => {
  const limiter = new CapacityLimiter(2);
  for (const total of [-1, 1.5, Number.NaN, "2" as never]) {
    assert.throws(() => new CapacityLimiter(total), RangeError);
    assert.throws(() => (limiter.total = total), RangeError);
  }
  assert.equal(limiter.total, 2);
});

test("CapacityLimiter outside of every task needs the borrower to be named", async () => {
  const limiter = new CapacityLimiter(1);
  const message = "Cannot acquire capacity limiter (0 of 1 borrowed) outside of any task: wanted a borrower";
  await assert.rejects(limiter.acquire(), { name: "InvalidStateError", message });
  await assert.rejects(limiter.with(assert.fail), InvalidStateError);
  assert.throws(() => limiter.tryAcquire(), InvalidStateError);
  assert.throws(() => limiter.release(), /code outside of any task has no token$/);
  await limiter.acquire("x");
  const next = limiter.acquire("y");
  limiter.release("x");
  await next;
  limiter.release("y");
  assert.deepEqual(limiter.statistics(), idle);
});
