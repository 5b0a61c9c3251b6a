import assert from "node:assert/strict";
import { test } from "node:test";
import { randomFrom } from "../../test/random.ts";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  Barrier,
  BrokenError,
  CancelledError,
  checkpoint,
  moveOnAfter,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

const idle = { broken: false, waiting: 0 };

test("S4 Barrier.wait() waits until all parties are there, and then begins anew", async () => {
  await virtually(async () => {
    const barrier = new Barrier(3, { name: "round" });
    assert.deepEqual([barrier.parties, barrier.waiting, barrier.broken], [3, 0, false]);
    const rounds = [0, 0, 0];
    const party = (number: number) => async () => {
      for (let round = 0; round < 4; round++) {
        await sleep(number);
        rounds[number] = round;
        await barrier.wait();
        assert.deepEqual(rounds, [round, round, round]);
        await barrier.wait();
      }
    };
    await withTaskGroup(async (group) => {
      for (let number = 0; number < 3; number++) group.spawn(party(number));
      await waitAllTasksBlocked();
      assert.deepEqual([barrier.waiting, barrier.describe()], [1, "barrier 'round' (1 of 3 there)"]);
    });
    assert.deepEqual(barrier.statistics(), idle);
  });
});

test("F1a Barrier.wait() gives places in the order of arrival, and lets more than its parties pass in turns", async () => {
  await virtually(async () => {
    const barrier = new Barrier(3);
    const places = await all(Array.from({ length: 9 }, () => () => barrier.wait()));
    assert.deepEqual(places, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
    assert.deepEqual(barrier.statistics(), idle);
    const alone = new Barrier(1);
    assert.deepEqual([await alone.wait(), await alone.wait()], [0, 0]);
  });
});

test("F1b with the last party all go on at once: who comes after them begins a new turn", async () => {
  await virtually(async () => {
    const barrier = new Barrier(2);
    await withTaskGroup(async (group) => {
      const first = group.spawn(() => barrier.wait());
      const second = group.spawn(() => barrier.wait());
      assert.equal(barrier.waiting, 0);
      const third = group.spawn(() => barrier.wait());
      assert.equal(barrier.waiting, 1);
      assert.deepEqual([await first, await second], [0, 1]);
      third.cancel();
    });
    assert.deepEqual(barrier.statistics(), idle);
  });
});

test("C3a Barrier.wait() cut on entry does not count, also as the last party", async () => {
  await virtually(async () => {
    const barrier = new Barrier(2);
    await withTaskGroup(async (group) => {
      const first = group.spawn(() => barrier.wait());
      await withCancelScope(async (scope) => {
        scope.cancel();
        await assert.rejects(barrier.wait(), CancelledError);
      });
      assert.equal(barrier.waiting, 1);
      assert.equal(await barrier.wait(), 1);
      assert.equal(await first, 0);
    });
  });
});

test("C3a Barrier.wait() cut while it waits does not count, and leaves the barrier as it is", async () => {
  await virtually(async () => {
    const barrier = new Barrier(3);
    await withTaskGroup(async (group) => {
      const tasks = [0, 1].map(() => group.spawn(() => barrier.wait()));
      await waitAllTasksBlocked();
      tasks[0]!.cancel();
      assert.deepEqual(barrier.statistics(), { broken: false, waiting: 1 });
      const third = group.spawn(() => barrier.wait());
      await waitAllTasksBlocked();
      assert.equal(third.status, "running");
      assert.equal(await barrier.wait(), 2);
      assert.deepEqual([await tasks[1], await third], [0, 1]);
    });
    assert.deepEqual(barrier.statistics(), idle);
  });
});

test("C3b a party that is cancelled after the last one came has passed", async () => {
  await virtually(async () => {
    const barrier = new Barrier(2);
    let place: number | undefined;
    await withTaskGroup(async (group) => {
      const first = group.spawn(async () => {
        place = await barrier.wait();
        await checkpoint();
      });
      await waitAllTasksBlocked();
      const second = barrier.wait();
      first.cancel();
      assert.equal(await second, 1);
      assert.equal((await first.outcome()).status, "cancelled");
    });
    assert.equal(place, 0);
  });
});

test("C3a C3b whoever comes and is cancelled in whatever order, each turn has all its places once", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = randomFrom(seed);
    await virtually(async () => {
      const parties = 1 + random(4);
      const barrier = new Barrier(parties);
      const places: number[] = [];
      let cut = 0;
      await withTaskGroup(async (group) => {
        const tasks = Array.from({ length: 20 }, () => {
          const before = random(8);
          return group.spawn(async () => {
            await sleep(before);
            places.push(await barrier.wait());
          });
        });
        for (let turn = 0; turn < 8; turn++) {
          await sleep(1);
          for (let steps = random(3); steps > 0; steps--) await null;
          tasks[random(20)]!.cancel();
        }
        await sleep(10);
        for (const task of tasks) task.cancel();
        for (const task of tasks) if ((await task.outcome()).status === "cancelled") cut++;
      });
      assert.equal(places.length + cut, 20, `seed ${seed}`);
      assert.equal(places.length % parties, 0, `seed ${seed}`);
      assert.ok(cut < 8 + parties, `seed ${seed}`);
      for (let place = 0; place < parties; place++) {
        assert.equal(places.filter((other) => other === place).length, places.length / parties, `seed ${seed}`);
      }
      assert.deepEqual(barrier.statistics(), idle, `seed ${seed}`);
    });
  }
});

test("S4 Barrier.reset() sends away whoever waits, and leaves it usable", async () => {
  await virtually(async () => {
    const barrier = new Barrier(3, { name: "round" });
    await withTaskGroup(async (group) => {
      const sent = [0, 1].map(() => group.spawn(() => rejection(barrier.wait())));
      await waitAllTasksBlocked();
      barrier.reset();
      assert.deepEqual(barrier.statistics(), idle);
      for (const error of await Promise.all(sent)) {
        assert.ok(error instanceof BrokenError);
        assert.equal(error.message, "Cannot wait for barrier 'round' (2 of 3 there): it was reset");
      }
    });
    assert.deepEqual(await all([0, 1, 2].map(() => () => barrier.wait())), [0, 1, 2]);
  });
});

test("S4 Barrier.abort() sends away whoever waits and whoever comes, until it is reset", async () => {
  await virtually(async () => {
    const barrier = new Barrier(2);
    await withTaskGroup(async (group) => {
      const sent = group.spawn(() => rejection(barrier.wait()));
      await waitAllTasksBlocked();
      barrier.abort();
      assert.match(String(await sent), /BrokenError: Cannot wait for barrier \(1 of 2 there\): it was aborted/);
    });
    assert.deepEqual(barrier.statistics(), { broken: true, waiting: 0 });
    assert.equal(barrier.broken, true);
    await assert.rejects(barrier.wait(), BrokenError);
    await assert.rejects(barrier.wait(), BrokenError);
    barrier.reset();
    assert.deepEqual(barrier.statistics(), idle);
    assert.deepEqual(await all([() => barrier.wait(), () => barrier.wait()]), [0, 1]);
  });
});

test("K9b a cancelled Barrier.wait() that nobody awaits is not reported", async () => {
  await virtually(async () => {
    const barrier = new Barrier(2);
    await moveOnAfter(10, () => {
      void barrier.wait();
      return sleepForever();
    });
    assert.deepEqual(barrier.statistics(), idle);
  });
});

test("Barrier rejects numbers of parties that make no sense", () => {
  for (const parties of [0, -1, 1.5, Number.NaN, Infinity, "2" as never]) {
    assert.throws(() => new Barrier(parties), RangeError);
  }
});

test("Barrier works outside of every task", async () => {
  const barrier = new Barrier(2);
  assert.deepEqual(await Promise.all([barrier.wait(), barrier.wait()]), [0, 1]);
});
