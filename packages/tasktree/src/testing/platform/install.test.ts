import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { test } from "node:test";
import timers, { setTimeout as namedSetTimeout } from "node:timers";
import timersPromises, { setTimeout as namedSleep } from "node:timers/promises";
import { promisify } from "node:util";
import { rejection } from "../../../test/rejection.ts";
import { skipOn } from "../../../test/runtime.ts";
import {
  CancelledError,
  currentSignal,
  currentTask,
  moveOnAfter,
  now,
  sleep,
  sleepUntil,
  withTaskGroup,
} from "../../index.ts";
import { runVirtual, VirtualClock, type RunVirtualOptions } from "../index.ts";
import { installPlatform } from "./install.ts";

const realSetTimeout = globalThis.setTimeout;

function platform<T>(main: () => T | PromiseLike<T>, options: RunVirtualOptions = {}): Promise<T> {
  return runVirtual(main, { platform: true, ...options });
}

/** Sets timers, and gives what happened at which time when all that was to happen has. */
async function course(set: (log: (what: string) => void) => void, lasts = 1000): Promise<string[]> {
  const seen: string[] = [];
  await platform(async () => {
    set((what) => seen.push(`${what} ${now()}`));
    await sleep(lasts);
  });
  return seen;
}

test("platform timers go off by time, then in the order in which they were set", async () => {
  const seen = await course((log) => {
    setTimeout(log, 20, "c");
    setTimeout(log, 10, "a");
    setTimeout(log, 20, "d");
    timers.setTimeout(log, 10, "b");
  });
  assert.deepEqual(seen, ["a 10", "b 10", "c 20", "d 20"]);
});

test("in one millisecond deadlines come before sleepers, sleepers before platform timers, whatever was first", async () => {
  const seen = await course((log) => {
    setTimeout(log, 10, "timer");
    void sleep(10).then(() => log("sleeper"));
    void moveOnAfter(10, () => once(currentSignal(), "abort")).then(() => log("deadline"));
    currentSignal();
    setTimeout(log, 9, "before");
    setTimeout(log, 11, "after");
  });
  assert.deepEqual(seen.slice(0, 1), ["before 9"]);
  assert.deepEqual(seen.slice(1, 3).toSorted(), ["deadline 10", "sleeper 10"]);
  assert.deepEqual(seen.slice(3), ["timer 10", "after 11"]);
});

test("promise reactions come between two timers of one millisecond, an immediate after both", async () => {
  const seen = await course((log) => {
    for (const name of ["a", "b"]) {
      setTimeout(() => {
        log(name);
        setImmediate(() => log(`${name} immediate`));
        void Promise.resolve().then(() => log(`${name} reaction`));
      }, 10);
    }
  });
  assert.deepEqual(
    seen.map((what) => what.replace(" 10", "")),
    ["a", "a reaction", "b", "b reaction", "a immediate", "b immediate"],
  );
});

test("a timer's time is Node's: whole milliseconds from 1, and 1 for what is no such time", async () => {
  const times = [0, -5, Number.NaN, undefined, "7", 2.9, 2 ** 31] as number[];
  const seen = await course((log) => {
    for (const ms of times) setTimeout(log, ms, String(ms));
  });
  assert.deepEqual(seen, ["0 1", "-5 1", "NaN 1", "undefined 1", "2147483648 1", "2.9 2", "7 7"]);
});

test("a callback is called with its arguments, its timer as this, and in the contexts in which it was set", async () => {
  const storage = new AsyncLocalStorage<string>();
  await platform(async () => {
    const { promise, resolve } = Promise.withResolvers<unknown[]>();
    const timer = storage.run("request 7", () =>
      setTimeout(
        function (this: unknown, ...args: unknown[]) {
          resolve([this === timer, storage.getStore(), currentTask()?.name, ...args]);
        },
        5,
        "x",
        "y",
      ),
    );
    assert.deepEqual(await promise, [true, "request 7", "main", "x", "y"]);
  });
});

test("time moves for a platform timer that nobody but the platform knows of", async () => {
  await platform(async () => {
    await new Promise((resolve) => setTimeout(resolve, 3_600_000));
    assert.equal(now(), 3_600_000);
  });
});

test("time does not jump while code goes from immediate to immediate", async () => {
  await platform(async () => {
    setTimeout(() => {}, 5).unref();
    void sleep(10);
    for (let turn = 0; turn < 50; turn++) {
      await new Promise<void>((resolve) => {
        setImmediate(() => resolve());
      });
    }
    for (let turn = 0; turn < 50; turn++) await timersPromises.setImmediate();
    assert.equal(now(), 0);
  });
});

test("setInterval goes on until it is cleared, also by itself and by its number", async () => {
  const seen = await course((log) => {
    const first = setInterval(() => {
      log("tick");
      if (now() >= 30) clearInterval(first);
    }, 10);
    const second = setInterval(log, 7, "tock");
    setTimeout(() => clearTimeout(Number(second)), 15);
  });
  assert.deepEqual(seen, ["tock 7", "tick 10", "tock 14", "tick 20", "tick 30"]);
});

test("a timer that another one clears in the same millisecond does not go off", async () => {
  const seen = await course((log) => {
    setTimeout(() => clearTimeout(second), 10);
    const second = setTimeout(log, 10, "second");
    setTimeout(log, 10, "third");
    setTimeout(log, 11, "fourth");
  });
  assert.deepEqual(seen, ["third 10", "fourth 11"]);
});

test("a timer has ref, unref, hasRef, refresh, close, a number and a disposer, as Node's has", async () => {
  const seen = await course((log) => {
    const timer = setTimeout(log, 10, "refreshed");
    assert.equal(timer.hasRef(), true);
    assert.equal(timer.unref(), timer);
    assert.equal(timer.hasRef(), false);
    assert.equal(timer.ref().hasRef(), true);
    setTimeout(() => assert.equal(timer.refresh(), timer), 6);
    setTimeout(() => timer.refresh(), 20);
    const closed = setTimeout(log, 10, "closed");
    assert.equal(closed.close(), closed);
    closed.refresh();
    {
      using _disposed = setTimeout(log, 10, "disposed");
    }
    const number = Number(setTimeout(log, 10, "numbered"));
    assert.ok(number > 0);
    clearTimeout(String(number));
    assert.notEqual(number, Number(setTimeout(log, 15, "other")));
  });
  assert.deepEqual(seen, ["other 15", "refreshed 16", "refreshed 30"]);
});

test("timers without ref go off when time goes by, and do not make it go", async () => {
  await platform(async () => {
    const seen: number[] = [];
    const interval = setInterval(() => seen.push(now()), 10).unref();
    await new Promise((resolve) => realSetTimeout(resolve, 20));
    assert.deepEqual(seen, []);
    await sleep(25);
    assert.deepEqual(seen, [10, 20]);
    clearInterval(interval);
  });
});

test("clearTimeout takes what is no timer, and the timers of others", async () => {
  const outer = setTimeout(() => assert.fail("was cleared"), 5);
  await platform(() => {
    clearTimeout(undefined);
    clearTimeout(null as never);
    clearTimeout(2 ** 50);
    clearTimeout({} as never);
    clearTimeout(outer);
  });
  let inner: NodeJS.Timeout | undefined;
  await platform(
    async () => {
      inner = setTimeout(() => assert.fail("was cleared"), 5);
    },
    { leaks: false },
  );
  clearTimeout(inner);
  await timersPromises.setTimeout(10);
});

test("what a callback throws fails the task in which its timer was set", async () => {
  const error = new Error("boom");
  let other = "runs";
  const failing = platform(() =>
    withTaskGroup(async (group) => {
      group.spawn(async () => {
        setTimeout(() => {
          throw error;
        }, 10);
        await sleep(20);
      });
      try {
        await sleep(100);
      } catch (reason) {
        other = `${(reason as Error).name} at ${now()}`;
        throw reason;
      }
    }),
  );
  assert.equal(await rejection(failing), error);
  assert.equal(other, "AbortError at 10");
});

test("an interval whose callback throws goes on, as on the platform", async () => {
  let count = 0;
  const failing = platform(async () => {
    const interval = setInterval(() => {
      if (++count === 1) throw new Error("boom");
      clearInterval(interval);
    }, 10);
    await sleep(100).catch(() => sleep(50));
  });
  await assert.rejects(failing, /boom/);
  assert.equal(count, 2);
});

test("setTimeout refuses what is no function as the platform does", async () => {
  await platform(() => {
    const none = undefined as unknown as () => void;
    assert.throws(() => setTimeout(none, 5), TypeError);
    assert.throws(() => setImmediate(none), TypeError);
  });
});

test("Date and performance.now() show the virtual time", async () => {
  const start = Date.UTC(2030, 0);
  await platform(
    async () => {
      assert.deepEqual([Date.now(), Number(new Date()), performance.now()], [start, start, start]);
      assert.equal(new Date().toISOString(), "2030-01-01T00:00:00.000Z");
      await sleep(1500);
      assert.equal(new Date().toISOString(), "2030-01-01T00:00:01.500Z");
      assert.equal((Date as () => string)(), new Date(start + 1500).toString());
    },
    { start },
  );
  const fractional = await platform(() => [Date.now(), performance.now()], { start: 0.5 });
  assert.deepEqual(fractional, [0, 0.5]);
  assert.ok(Date.now() > Date.UTC(2020, 0));
});

test("Date is otherwise the platform's", async () => {
  await platform(() => {
    class Day extends Date {
      get day(): string {
        return this.toISOString().slice(0, 10);
      }
    }
    assert.equal(new Day().day, "1970-01-01");
    assert.equal(new Day(2000, 5, 15, 12).getFullYear(), 2000);
    assert.ok(new Day() instanceof Day && new Day() instanceof Date);
    const date = new Date("2001-02-03T04:05:06Z");
    assert.ok(date instanceof Date);
    assert.equal(date.constructor, Date);
    assert.equal(date.getTime(), Date.UTC(2001, 1, 3, 4, 5, 6));
    assert.equal(Date.parse("2001-02-03T04:05:06Z"), date.getTime());
    assert.deepEqual([Date.name, Date.length], ["Date", 7]);
    assert.equal(structuredClone(date).getTime(), date.getTime());
  });
});

test("outside of the run the platform is as ever", async () => {
  const real = timersPromises.setTimeout(10, "real");
  const begun = Date.now();
  const seen: number[] = [];
  const run = platform(async () => {
    await sleep(10_000);
    await new Promise((resolve) => realSetTimeout(resolve, 30));
  });
  assert.ok(Date.now() - begun < 5000 && Date.now() >= begun);
  setTimeout(() => seen.push(Date.now()), 5);
  assert.equal(await real, "real");
  await run;
  assert.ok(seen[0]! >= begun);
});

test("two runs at a time have each their own time", async () => {
  const main = (ms: number) => async () => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    await sleep(ms);
    return [now(), Date.now()];
  };
  const times = await Promise.all([platform(main(1000)), platform(main(7), { start: 5000 }), platform(main(1))]);
  assert.deepEqual(times, [
    [2000, 2000],
    [5014, 5014],
    [2, 2],
  ]);
});

test("AbortSignal.timeout() goes by virtual time", async () => {
  await platform(async () => {
    const signal = AbortSignal.timeout(60_000);
    await sleep(59_999);
    assert.equal(signal.aborted, false);
    await once(signal, "abort");
    assert.equal(now(), 60_000);
    assert.ok(signal.reason instanceof DOMException);
    assert.equal(signal.reason.name, "TimeoutError");
    assert.throws(() => AbortSignal.timeout(-1));
    AbortSignal.timeout(1_000_000);
  });
});

test("setTimeout of node:timers/promises waits in virtual time, and gives its value", async () => {
  await platform(async () => {
    assert.equal(await timersPromises.setTimeout(1000, "value"), "value");
    await timersPromises.scheduler.wait(1000);
    assert.equal(await promisify(setTimeout)(1000, "promised"), "promised");
    assert.equal(await timersPromises.setTimeout(), undefined);
    assert.equal(now(), 3001);
  });
});

test("setTimeout of node:timers/promises is cut by its signal before and while it waits, as on the platform", async () => {
  await platform(async () => {
    const controller = new AbortController();
    const reason = new Error("why");
    const { signal } = controller;
    const waiting = timersPromises.setTimeout(1000, undefined, { signal });
    const waited = rejection(waiting);
    await sleep(10);
    controller.abort(reason);
    for (const error of [await waited, await rejection(timersPromises.setTimeout(1000, undefined, { signal }))]) {
      const { name, code, cause } = error as Error & { code: string };
      assert.deepEqual([name, code, cause], ["AbortError", "ABORT_ERR", reason]);
    }
    assert.equal(now(), 10);
    await sleep(2000);
  });
});

test("setTimeout of node:timers/promises that a signal cuts just as it succeeds has its value", async () => {
  await platform(async () => {
    const controller = new AbortController();
    const waiting = timersPromises.setTimeout(10, "value", { signal: controller.signal });
    setTimeout(() => controller.abort(), 10);
    assert.equal(await waiting, "value");
    await sleep(1);
    assert.equal(controller.signal.aborted, true);
  });
});

test("setTimeout of node:timers/promises with the scope's signal is the scope's cancellation", async () => {
  await platform(async () => {
    const value = await moveOnAfter(10, () => timersPromises.setTimeout(1000, "late", { signal: currentSignal() }));
    assert.equal(value, undefined);
    assert.equal(now(), 10);
  });
});

test("a timer's promise without ref does not make time go, and comes when it goes by", async () => {
  await platform(async () => {
    let come: number | undefined;
    void timersPromises.setTimeout(5, undefined, { ref: false }).then(() => (come = now()));
    await new Promise((resolve) => realSetTimeout(resolve, 10));
    assert.equal(come, undefined);
    await sleep(10);
    assert.equal(come, 5);
  });
});

test("setInterval of node:timers/promises gives each time that came, and is over when the loop is left", async () => {
  await platform(async () => {
    const times: unknown[] = [];
    for await (const value of timersPromises.setInterval(10, "tick")) {
      times.push(`${value} ${now()}`);
      if (times.length === 1) await sleep(25);
      if (times.length === 4) break;
    }
    assert.deepEqual(times, ["tick 10", "tick 35", "tick 35", "tick 40"]);
  });
});

test("setInterval of node:timers/promises ends with its signal", async () => {
  await platform(async () => {
    const controller = new AbortController();
    const { signal } = controller;
    setTimeout(() => controller.abort(), 25);
    let count = 0;
    const loop = async () => {
      for await (const _ of timersPromises.setInterval(10, undefined, { signal })) count++;
    };
    await assert.rejects(loop(), { name: "AbortError", code: "ABORT_ERR" });
    assert.deepEqual([count, now()], [2, 25]);
    await assert.rejects(loop(), { name: "AbortError" });
  });
});

test(
  "named imports of node:timers and node:timers/promises follow",
  skipOn({ bun: "binds named imports of a built-in module for good", deno: "as Bun" }),
  async () => {
    const before = [namedSetTimeout, namedSleep];
    await platform(async () => {
      await namedSleep(1000);
      await new Promise((resolve) => namedSetTimeout(resolve, 1000));
      assert.equal(now(), 2000);
    });
    assert.deepEqual([namedSetTimeout, namedSleep], before);
  },
);

test("a patched function that somebody has kept passes on to the platform afterwards", async () => {
  const kept = await platform(() => ({ setTimeout, clearTimeout, Date }));
  assert.notEqual(kept.setTimeout, setTimeout);
  const fired = await new Promise((resolve) => kept.setTimeout(resolve, 1, "real"));
  assert.equal(fired, "real");
  kept.clearTimeout(setTimeout(() => assert.fail("was cleared"), 1));
  assert.ok(kept.Date.now() > Date.UTC(2020, 0) && Number(new kept.Date()) > Date.UTC(2020, 0));
  await timersPromises.setTimeout(5);
});

test("what somebody else has put in place of the patches meanwhile stays there", async () => {
  const before = globalThis.setTimeout;
  let theirs: unknown;
  await platform(() => {
    const ours = globalThis.setTimeout;
    theirs = globalThis.setTimeout = ((...args: Parameters<typeof setTimeout>) => ours(...args)) as typeof setTimeout;
  });
  assert.equal(globalThis.setTimeout, theirs);
  await platform(async () => {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.equal(now(), 1000);
  });
  assert.equal(await new Promise((resolve) => setTimeout(resolve, 1, "real")), "real");
  globalThis.setTimeout = before;
});

test("installPlatform() refuses a clock that the platform goes by already, and may be undone in any order", () => {
  const before = globalThis.setTimeout;
  const clock = new VirtualClock();
  const first = installPlatform(clock, () => false);
  assert.throws(() => installPlatform(clock, () => false), {
    name: "InvalidStateError",
    message: "Cannot install the platform on this clock: it goes by it already",
  });
  const second = installPlatform(new VirtualClock(), () => false);
  first();
  assert.notEqual(globalThis.setTimeout, before);
  first();
  second();
  assert.equal(globalThis.setTimeout, before);
  installPlatform(clock, () => false)();
});

test("where two installations cover the same code, the last counts", async () => {
  await platform(async () => {
    const clock = new VirtualClock({ start: 5000, autoJump: false });
    const uninstall = installPlatform(clock, () => true);
    const seen: number[] = [];
    setTimeout(() => seen.push(Date.now()), 10);
    assert.deepEqual([Date.now(), clock.nextTick], [5000, 5010]);
    clock.jumpTo(clock.nextTick);
    assert.deepEqual(seen, [5010]);
    uninstall();
    assert.equal(Date.now(), 0);
  });
});

test("VirtualClock.jumpTo() lets one thing happen at a time, and nextTick tells whether there are more", () => {
  const clock = new VirtualClock({ autoJump: false });
  const seen: string[] = [];
  return runVirtual(() => {
    const uninstall = installPlatform(clock, () => true);
    setTimeout(() => seen.push("a"), 10);
    setTimeout(() => seen.push("b"), 10);
    setTimeout(() => seen.push("c"), 20);
    const course: unknown[] = [];
    while (clock.nextTick < Infinity) {
      clock.jumpTo(clock.nextTick);
      course.push([clock.now(), seen.join("")]);
    }
    uninstall();
    assert.deepEqual(course, [
      [10, "a"],
      [10, "ab"],
      [20, "abc"],
    ]);
  });
});

test("VirtualClock.advance() lets platform timers go off on its way", async () => {
  const clock = new VirtualClock({ autoJump: false });
  const seen: string[] = [];
  const uninstall = installPlatform(clock, (frame) => frame !== undefined);
  await runVirtual(
    () => {
      for (const ms of [5, 10, 10, 20]) setTimeout(() => seen.push(`${ms} at ${clock.now()}`), ms);
    },
    { leaks: false },
  );
  await clock.advance(10);
  assert.deepEqual(seen, ["5 at 5", "10 at 10", "10 at 10"]);
  await clock.advance(10);
  uninstall();
  assert.deepEqual(seen.slice(3), ["20 at 20"]);
});

test("many timers, most of them cleared, go off in order", async () => {
  await platform(async () => {
    const seen: number[] = [];
    let last: NodeJS.Timeout | undefined;
    for (let count = 0; count < 20_000; count++) {
      const ms = 1 + ((count * 7919) % 1000);
      const timer = setTimeout(() => seen.push(ms), ms);
      if (count % 100 !== 0) clearTimeout(timer);
      last = timer;
    }
    clearTimeout(last);
    await sleepUntil(1001);
    assert.equal(seen.length, 200);
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    );
  });
});

test("a timer set in cleanup after a cancellation still goes off", async () => {
  await platform(async () => {
    const left = await moveOnAfter(10, async () => {
      try {
        await sleep(100);
      } catch (error) {
        assert.ok(error instanceof CancelledError);
        await new Promise((resolve) => setTimeout(resolve, 30));
        throw error;
      }
    });
    assert.deepEqual([left, now()], [undefined, 40]);
  });
});
