/** Lines, alarms and turns, driven by hand. What deadlines and sleeps promise (D1, D4) is in timeouts.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { collectGarbage } from "../../test/collect-garbage.ts";
import { randomFrom } from "../../test/random.ts";
import { rejection } from "../../test/rejection.ts";
import {
  checkpoint,
  isCancelled,
  moveOnAfter,
  now,
  run,
  Semaphore,
  sleep,
  sleepForever,
  sleepUntil,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { WaitList } from "../lowlevel.ts";
import { Alarm, Clock, hostClock, type AlarmOwner, type ClockDriver } from "./clock.ts";

/** A driver that does nothing by itself. */
class Driver implements ClockDriver {
  time = 0;
  over = false;
  readonly armed: number[] = [];
  readonly held: boolean[] = [];
  turns = 0;

  now(): number {
    return this.time;
  }

  arm(tick: number): void {
    this.armed.push(tick);
  }

  hold(alive: boolean): void {
    this.held.push(alive);
  }

  turnIsOver(): boolean {
    return this.over;
  }

  newTurn(): void {
    this.turns++;
  }
}

/** A driver on which a run's time goes on only when the test says so. */
class RunDriver extends Driver {
  #clock: Clock | undefined = undefined;

  override arm(tick: number, clock?: Clock): void {
    super.arm(tick);
    this.#clock = clock;
  }

  /** Lets `ms` pass without anybody's turn, then rings once; waits for what that wakes. */
  async stall(ms: number): Promise<void> {
    this.time += ms;
    this.#clock?.advance();
    await settled();
  }
}

/** Some turns of the event loop. */
async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Alarms that note when they ring. */
class Bells implements AlarmOwner {
  readonly rung: string[] = [];
  readonly #names = new Map<Alarm, string>();
  readonly #clock: Clock;
  then: ((name: string) => void) | undefined = undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set(name: string, deadline: number, holds = true): Alarm {
    const alarm = new Alarm(this, holds);
    this.#names.set(alarm, name);
    this.#clock.set(alarm, deadline);
    return alarm;
  }

  ring(alarm: Alarm): void {
    const name = this.#names.get(alarm)!;
    this.rung.push(name);
    this.then?.(name);
  }
}

function setUp(): { driver: Driver; clock: Clock; bells: Bells } {
  const driver = new Driver();
  const clock = new Clock(driver);
  return { driver, clock, bells: new Bells(clock) };
}

test("alarms ring in the order of their milliseconds, and in one millisecond in the order of setting", () => {
  const { driver, clock, bells } = setUp();
  bells.set("c", 30);
  bells.set("a1", 10);
  bells.set("b", 20);
  bells.set("a2", 9.5);
  bells.set("a3", 10);
  driver.time = 25;
  clock.advance();
  assert.deepEqual(bells.rung, ["a1", "a2", "a3", "b"]);
  driver.time = 30;
  clock.advance();
  assert.deepEqual(bells.rung.slice(4), ["c"]);
  assert.equal(clock.nextTick, undefined);
});

test("whatever is set, moved and taken back, what is left rings at its time and in order", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = randomFrom(seed);
    const { driver, clock, bells } = setUp();
    const expected: { name: string; tick: number; order: number }[] = [];
    const alarms: Alarm[] = [];
    let order = 0;
    for (let i = 0; i < 3000; i++) {
      const deadline = random(10_000) / 4;
      const tick = Math.ceil(deadline);
      const which = random(4);
      const old = alarms.length === 0 ? undefined : random(alarms.length);
      if (old !== undefined && which === 0) {
        clock.clear(alarms[old]!);
        expected[old]!.tick = Infinity;
      } else if (old !== undefined && which === 1) {
        clock.set(alarms[old]!, deadline);
        Object.assign(expected[old]!, { tick, order: order++ });
      } else {
        alarms.push(bells.set(String(i), deadline));
        expected.push({ name: String(i), tick, order: order++ });
      }
    }
    while (clock.nextTick !== undefined) {
      driver.time = clock.nextTick + random(50);
      clock.advance();
    }
    const due = expected.filter(({ tick }) => tick !== Infinity);
    due.sort((a, b) => a.tick - b.tick || a.order - b.order);
    assert.deepEqual(
      bells.rung,
      due.map(({ name }) => name),
      `seed ${seed}`,
    );
    assert.equal(clock.holding, 0);
  }
});

test("an alarm set anew rings once, at its new time", () => {
  const { driver, clock, bells } = setUp();
  const alarm = bells.set("moved", 10);
  clock.set(alarm, 20);
  driver.time = 15;
  clock.advance();
  assert.deepEqual(bells.rung, []);
  driver.time = 100;
  clock.advance();
  clock.advance();
  assert.deepEqual(bells.rung, ["moved"]);
});

test("an alarm taken back does not ring, not even by another that rings in its millisecond", () => {
  const { driver, clock, bells } = setUp();
  bells.set("first", 10);
  const second = bells.set("second", 10);
  bells.set("third", 10);
  bells.then = () => clock.clear(second);
  driver.time = 10;
  clock.advance();
  assert.deepEqual(bells.rung, ["first", "third"]);
});

test("an alarm set while others ring rings in the same round if it is due, after those of its millisecond", () => {
  const { driver, clock, bells } = setUp();
  bells.set("a", 10);
  bells.set("b", 10);
  bells.set("d", 12);
  bells.then = (name) => {
    if (name === "a") {
      bells.set("c", 10);
      bells.set("past", 3);
      bells.set("future", 13);
    }
  };
  driver.time = 12;
  clock.advance();
  assert.deepEqual(bells.rung, ["a", "b", "past", "c", "d"]);
  assert.equal(clock.nextTick, 13);
});

test("Infinity takes an alarm back", () => {
  const { clock, bells } = setUp();
  const alarm = bells.set("never", 10);
  clock.set(alarm, Infinity);
  assert.equal(clock.nextTick, undefined);
  assert.equal(alarm.deadline, Infinity);
  assert.equal(clock.holding, 0);
});

test("a driver that calls too early makes nothing ring, and is armed again", () => {
  const { driver, clock, bells } = setUp();
  bells.set("a", 10);
  assert.deepEqual(driver.armed, [10]);
  for (const early of [9, 9.999, 9.999_999]) {
    driver.time = early;
    clock.advance();
    assert.deepEqual(bells.rung, []);
    assert.equal(driver.armed.at(-1), 10);
  }
  driver.time = 10;
  clock.advance();
  assert.deepEqual(bells.rung, ["a"]);
});

test("a deadline between two milliseconds comes at the second, never before", () => {
  const { driver, clock, bells } = setUp();
  bells.set("a", 10.001);
  driver.time = 10.5;
  clock.advance();
  assert.deepEqual(bells.rung, []);
  assert.equal(clock.nextTick, 11);
  driver.time = 11;
  clock.advance();
  assert.deepEqual(bells.rung, ["a"]);
});

test("the driver is armed for the first millisecond alone, and again when that is over", () => {
  const { driver, clock, bells } = setUp();
  bells.set("c", 30);
  bells.set("b", 20);
  bells.set("a", 10);
  bells.set("late", 40);
  bells.set("same", 10);
  assert.deepEqual(driver.armed, [30, 20, 10]);
  driver.time = 10;
  clock.advance();
  assert.deepEqual(driver.armed, [30, 20, 10, 20]);
});

test("times beyond 2^31, and beyond 2^53, keep their order", () => {
  const { driver, clock, bells } = setUp();
  const times = [2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32, 2 ** 40, 2 ** 53, 2 ** 60, Number.MAX_VALUE];
  for (const time of times.toReversed()) bells.set(String(time), time);
  for (const time of times) {
    driver.time = time;
    clock.advance();
    assert.equal(bells.rung.at(-1), String(time));
  }
  assert.equal(bells.rung.length, times.length);
});

test("lines that everybody has left are swept away, and those in use are not", () => {
  const { driver, clock, bells } = setUp();
  // in use from the start, so that the lines after it are never the first
  bells.set("first", 1);
  const kept: number[] = [];
  const before = process.memoryUsage().heapUsed;
  for (let i = 2; i < 500_000; i++) {
    const alarm = bells.set("gone", i);
    if (i % 50_000 === 0) kept.push(i);
    else clock.clear(alarm);
  }
  // a line takes more than 200 bytes: 100 MB, were they all kept
  assert.ok(process.memoryUsage().heapUsed - before < 400e6);
  bells.rung.length = 0;
  assert.equal(clock.nextTick, 1);
  const seen: number[] = [];
  while (clock.nextTick !== undefined) {
    seen.push(clock.nextTick);
    driver.time = clock.nextTick;
    clock.advance();
  }
  assert.deepEqual(seen, [1, ...kept]);
});

test("a line that was swept can be used again", () => {
  const { driver, clock, bells } = setUp();
  bells.set("first", 1);
  for (let i = 10; i < 5000; i++) clock.clear(bells.set("gone", i));
  for (let i = 10; i < 5000; i += 100) bells.set(String(i), i);
  driver.time = 5000;
  clock.advance();
  const expected = ["first"];
  for (let i = 10; i < 5000; i += 100) expected.push(String(i));
  assert.deepEqual(bells.rung, expected);
});

test("the driver holds the process while something that holds is set, and is told only of changes", () => {
  const { driver, clock, bells } = setUp();
  const quiet = bells.set("holds nothing", 10, false);
  assert.deepEqual(driver.held, []);
  const a = bells.set("a", 10);
  const b = bells.set("b", 20);
  assert.equal(clock.holding, 2);
  clock.clear(a);
  clock.clear(quiet);
  clock.clear(b);
  clock.clear(b);
  assert.equal(clock.holding, 0);
  assert.equal(driver.held.at(0), true);
  assert.equal(driver.held.at(-1), false);
});

test("in a turn that is over settling is put off, in order, until timers and I/O had theirs", async () => {
  const { driver, clock } = setUp();
  const log: string[] = [];
  const note = (what: string): void => void log.push(what);
  clock.inTurn(note, "at once");
  assert.deepEqual(log, ["at once"]);
  driver.over = true;
  clock.inTurn(note, "first");
  driver.over = false;
  clock.inTurn(note, "second, since others wait");
  assert.deepEqual(log, ["at once"]);
  await settled();
  assert.deepEqual(log, ["at once", "first", "second, since others wait"]);
  assert.ok(driver.turns > 0);
  assert.equal(clock.turnIsOver(), false);
});

test("nothing is kept of what has been settled, though there are always others whose turn has not come", async () => {
  const { driver, clock } = setUp();
  driver.over = true;
  const settled: WeakRef<object>[] = [];
  let busy = true;
  const putOff = (): void => clock.inTurn(again, {});
  function again(value: object): void {
    settled.push(new WeakRef(value));
    if (busy) putOff();
  }
  for (let i = 0; i < 300; i++) putOff();
  while (settled.length < 20_000) await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  const kept = settled.filter((ref) => ref.deref() !== undefined).length;
  busy = false;
  while (clock.turnIsOver()) {
    driver.over = false;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(kept < 2000, `${kept} of ${settled.length} kept`);
});

// --- what follows for tasks

function driven(main: () => Promise<unknown>): { driver: RunDriver; ended: Promise<unknown> } {
  const driver = new RunDriver();
  return { driver, ended: run(main, { clock: driver, host: false }) };
}

test("D1 after a stall things happen millisecond by millisecond: a sleep that was due before the deadline has ended", async () => {
  const ends: boolean[] = [];
  const { driver, ended } = driven(() =>
    withTaskGroup((group) => {
      for (const [at, [slept, deadline]] of [
        [5, 6],
        [6, 5],
        [5, 5],
      ].entries() as Iterable<[number, [number, number]]>) {
        group.spawn(async () => {
          ends[at] = (await moveOnAfter(deadline, () => sleep(slept).then(() => true))) ?? false;
        });
      }
    }),
  );
  await settled();
  await driver.stall(100);
  await ended;
  assert.deepEqual(ends, [true, false, false]);
});

test("D4b a sleep is never early, however often its driver is", async () => {
  const woken: number[] = [];
  const { driver, ended } = driven(() =>
    withTaskGroup((group) => {
      for (const ms of [3, 0.1, 1.5, 10]) {
        group.spawn(async () => {
          await sleep(ms);
          woken.push(ms);
          assert.ok(now() >= ms, `${ms} at ${now()}`);
        });
      }
    }),
  );
  await settled();
  for (let i = 0; i < 120; i++) await driver.stall(0.1);
  await ended;
  assert.deepEqual(woken, [0.1, 1.5, 3, 10]);
});

test("X1b what a scope leaves waiting after its grace, before the alarm for that could ring, is cut and has left its line", async () => {
  const semaphore = new Semaphore(1);
  const log: string[] = [];
  const note =
    (what: string) =>
    (error?: unknown): void =>
      void log.push(`${what} ${isCancelled(error) ? String(error.reason) : "went on"}`);
  const { driver, ended } = driven(async () => {
    const permit = await semaphore.acquire();
    await withCancelScope(
      async (scope) => {
        scope.cancel("cut");
        await rejection(checkpoint());
        void sleep(60).then(note("sleep"), note("sleep"));
        void semaphore.acquire().then(note("permit"), note("permit"));
        // As if it had computed for so long that no timer had its turn.
        driver.time += 40;
      },
      { grace: 20 },
    );
    await settled();
    assert.deepEqual(log, ["permit cut", "sleep cut"]);
    assert.deepEqual(semaphore.statistics(), { free: 0, held: 1, waiting: 0 });
    permit.release();
    await driver.stall(100);
    assert.deepEqual(semaphore.statistics(), { free: 1, held: 0, waiting: 0 });
  });
  await ended;
});

test("X1b what a scope leaves waiting within its grace goes on, also cleanup that no checkpoint has told of its cancellation", async () => {
  const closing = new WaitList<string>({ describe: () => "to be closed" });
  const { driver, ended } = driven(async () => {
    let closed!: Promise<string>;
    let slept!: Promise<void>;
    await withCancelScope((scope) => {
      scope.cancel();
      closed = closing.wait(undefined, { exempt: true });
    });
    await withCancelScope(async (scope) => {
      scope.cancel();
      await rejection(checkpoint());
      slept = sleep(60);
    });
    closing.wake("closed");
    assert.equal(await closed, "closed");
    await driver.stall(100);
    await slept;
  });
  await ended;
});

test("sleepers leave their line when they are cut, and the clock holds nothing afterwards", async () => {
  const driver = new RunDriver();
  await run(
    async () => {
      await withCancelScope(async (scope) => {
        const sleeps = [sleep(10), sleep(10), sleepUntil(1e9), sleepForever()];
        scope.cancel();
        for (const one of sleeps) await rejection(one);
      });
    },
    { clock: driver, host: false },
  );
  assert.equal(driver.held.at(-1), false);
});

test("D4b on the machine's clock a sleep is never early", () =>
  run(
    async () => {
      await withTaskGroup((group) => {
        for (let ms = 0.25; ms < 20; ms += 0.25) {
          group.spawn(async () => {
            const before = performance.now();
            await sleep(ms);
            const slept = performance.now() - before;
            assert.ok(slept >= ms, `slept ${slept} of ${ms} ms`);
          });
        }
      });
    },
    { host: false },
  ));

test("D4a on the machine's clock times beyond 2^31 ms neither overflow Node's timers nor end at once", async () => {
  const warnings: string[] = [];
  const note = (warning: Error): void => void warnings.push(warning.name);
  process.on("warning", note);
  try {
    await run(
      async () => {
        for (const ms of [2 ** 31, 2 ** 31 + 1, 2 ** 32 + 5, 1e15]) {
          assert.equal(await moveOnAfter(5, () => sleep(ms).then(() => "slept")), undefined);
          assert.equal(await moveOnAfter(ms, () => sleep(1).then(() => "in time")), "in time");
        }
      },
      { host: false },
    );
    await settled();
  } finally {
    process.off("warning", note);
  }
  assert.deepEqual(warnings, []);
  assert.equal(hostClock.holding, 0);
});

test("D4b steps of the wall clock do not matter", async (t) => {
  const real = Date.now;
  let step = 0;
  t.mock.method(Date, "now", () => real() + step);
  await run(
    async () => {
      for (const by of [3_600_000, -3_600_000]) {
        const before = performance.now();
        const slept = await moveOnAfter(60_000, async () => {
          step += by;
          await sleep(5);
          return "slept";
        });
        assert.equal(slept, "slept");
        assert.ok(performance.now() - before >= 5);
        step += by;
        assert.equal(await moveOnAfter(5, () => sleepForever()), undefined);
      }
    },
    { host: false },
  );
});
