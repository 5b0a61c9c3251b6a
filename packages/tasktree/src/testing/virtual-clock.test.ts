import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as realSleep } from "node:timers/promises";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  mapConcurrent,
  moveOnAfter,
  now,
  run,
  Semaphore,
  sleep,
  sleepForever,
  sleepUntil,
  withTaskGroup,
} from "../index.ts";
import { VirtualClock, waitAllTasksBlocked } from "./index.ts";

/** A run on a clock that the test moves, with what has happened in it. */
function driven(main: (log: (what: string) => void) => unknown) {
  const clock = new VirtualClock({ autoJump: false });
  const seen: string[] = [];
  const ended = run(() => main((what) => seen.push(`${what} at ${now()}`)), { clock });
  return { clock, seen, ended };
}

test("VirtualClock jumps to the next deadline when every task waits", async () => {
  const clock = new VirtualClock();
  const value = await run(
    async () => {
      await sleep(3_600_000);
      await sleep(0.5);
      return now();
    },
    { clock },
  );
  assert.equal(value, 3_600_001);
  assert.equal(clock.now(), 3_600_001);
});

test("VirtualClock wakes sleepers in order of their time, then of their coming", async () => {
  await virtually(async () => {
    const woken: string[] = [];
    await withTaskGroup((group) => {
      for (const [name, ms] of [
        ["c", 30],
        ["a", 10],
        ["b1", 20],
        ["b2", 20],
      ] as const) {
        group.spawn(async () => {
          await sleep(ms);
          woken.push(`${name} ${now()}`);
        });
      }
    });
    assert.deepEqual(woken, ["a 10", "b1 20", "b2 20", "c 30"]);
  });
});

test("VirtualClock jumps though somebody sleeps forever, whoever went to sleep first", async () => {
  await virtually(async () => {
    await withTaskGroup(async (group) => {
      group.spawn(sleepForever, { service: true });
      await sleep(10);
      const waiting = group.spawn(sleepForever);
      await waitAllTasksBlocked();
      await sleep(10);
      waiting.cancel();
    });
    assert.equal(now(), 20);
  });
});

test("VirtualClock stands still while a task runs, however many steps that takes", async () => {
  await virtually(async () => {
    await withTaskGroup((group) => {
      group.spawn(() => sleep(5));
      group.spawn(async () => {
        for (let step = 0; step < 30_000; step++) await (step % 10 === 0 ? sleep(0) : null);
        assert.equal(now(), 0);
      });
    });
  });
});

test("VirtualClock jumps while a task waits for the real world", async () => {
  await virtually(async () => {
    await withTaskGroup((group) => {
      group.spawn(() => sleep(1000));
      group.spawn(async () => {
        await realSleep(50);
        assert.equal(now(), 1000);
      });
    });
  });
});

test("VirtualClock starts at any finite number, and nowhere else", async () => {
  for (const start of [-1000, 0, 0.5, -0.5]) {
    const clock = new VirtualClock({ start });
    assert.equal(clock.now(), start);
    await run(() => sleep(10), { clock });
    assert.equal(clock.now(), Math.ceil(start + 10));
  }
  for (const [start, shown] of [
    [Number.NaN, "NaN"],
    [Infinity, "Infinity"],
    [-Infinity, "-Infinity"],
    ["5" as never, '"5"'],
  ] as const) {
    const message = `Cannot start a clock at ${shown}: wanted a finite number`;
    assert.throws(() => new VirtualClock({ start }), { name: "RangeError", message });
  }
});

test("VirtualClock begins where it is told to", async () => {
  const clock = new VirtualClock({ start: 500 });
  assert.equal(clock.now(), 500);
  await run(() => sleepUntil(600), { clock });
  assert.equal(clock.now(), 600);
});

test("VirtualClock.advance() moves on by that much, and what is due on the way happens at its time", async () => {
  const { clock, seen, ended } = driven(async (log) => {
    for (let count = 0; count < 3; count++) {
      await sleep(10);
      log("woken");
    }
    await moveOnAfter(15, sleepForever);
    log("moved on");
  });
  await clock.advance(5);
  assert.deepEqual(seen, []);
  await clock.advance(5);
  assert.deepEqual(seen, ["woken at 10"]);
  await clock.advance(25);
  assert.equal(clock.now(), 35);
  assert.deepEqual(seen.slice(1), ["woken at 20", "woken at 30"]);
  await clock.advance(10);
  assert.deepEqual(seen.slice(3), ["moved on at 45"]);
  await ended;
});

test("VirtualClock with autoJump: false does not move by itself", async () => {
  const { clock, seen, ended } = driven(async (log) => {
    await sleep(1);
    log("woken");
  });
  await realSleep(20);
  assert.deepEqual([clock.now(), ...seen], [0]);
  await clock.advance(1);
  await ended;
});

test("VirtualClock.advance(0) lets everybody who can run do so", async () => {
  const { clock, seen, ended } = driven(async (log) => {
    const semaphore = new Semaphore(1);
    await all(Array.from({ length: 5 }, (_, number) => () => semaphore.with(() => log(String(number)))));
    await sleep(10);
  });
  await clock.advance(0);
  assert.equal(seen.length, 5);
  await clock.advance(10);
  await ended;
});

test("VirtualClock.advance() never moves time back, though others have moved it on meanwhile", async () => {
  const { clock, seen, ended } = driven(async (log) => {
    await sleep(50);
    log("woken");
    await sleep(100);
  });
  const times = await Promise.all([100, 10, 0].map((ms) => clock.advance(ms).then(() => clock.now())));
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
  assert.equal(clock.now(), 100);
  assert.deepEqual(seen, ["woken at 50"]);
  await clock.advance(50);
  await ended;
});

test("VirtualClock.advance() does not undo a jump", async () => {
  const clock = new VirtualClock();
  const ended = run(() => sleep(1000), { clock });
  await clock.advance(1);
  assert.ok(clock.now() === 1 || clock.now() === 1000);
  await ended;
  assert.equal(clock.now(), 1000);
});

test("VirtualClock.advance() rejects a time that is not one", async () => {
  const clock = new VirtualClock();
  await assert.rejects(clock.advance(-1), RangeError);
  await assert.rejects(clock.advance(Number.NaN), RangeError);
  await assert.rejects(clock.advance(Infinity), RangeError);
  assert.equal(clock.now(), 0);
});

test("one VirtualClock may drive several runs, whose times agree", async () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const main = (name: string, ms: number) => async () => {
    for (let count = 0; count < 2; count++) {
      await sleep(ms);
      seen.push(`${name} ${now()}`);
    }
  };
  await Promise.all([run(main("a", 20), { clock }), run(main("b", 30), { clock })]);
  assert.deepEqual(seen, ["a 20", "b 30", "a 40", "b 60"]);
});

test("VirtualClock is free for the next run when one has ended", async () => {
  const clock = new VirtualClock();
  await run(() => moveOnAfter(1000, () => sleep(1)), { clock });
  await run(() => sleep(1), { clock });
  assert.equal(clock.now(), 2);
});

test("the same program on a VirtualClock does the same things in the same order, each time", async () => {
  const course = async () => {
    const seen: string[] = [];
    await virtually(async () => {
      const semaphore = new Semaphore(2);
      const work = async (n: number) => {
        using _permit = await semaphore.acquire();
        await sleep((n * 7) % 4);
        seen.push(`${n} at ${now()}`);
        return n;
      };
      for await (const n of mapConcurrent(Array(12).keys(), work, { limit: 4, ordered: false })) seen.push(`got ${n}`);
    });
    return seen;
  };
  const first = await course();
  for (let repeat = 0; repeat < 5; repeat++) assert.deepEqual(await course(), first);
});
