import assert from "node:assert/strict";
import test from "node:test";
import { rejection } from "../../test/rejection.ts";
import { randomFrom } from "../../test/random.ts";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  currentScope,
  failAfter,
  moveOnAfter,
  now,
  run,
  shield,
  sleep,
  sleepForever,
  suppressedErrors,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { nearestDeadline } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";
import { retry, type RetryOptions } from "./index.ts";

/** Fails `times` times, then gives "done"; `at` are the times of the attempts, counted from now. */
function failing(times: number): { fn: (attempt: number) => Promise<string>; at: number[]; errors: Error[] } {
  const begin = now();
  const at: number[] = [];
  const errors: Error[] = [];
  const fn = async (attempt: number): Promise<string> => {
    at.push(now() - begin);
    assert.equal(attempt, at.length);
    if (attempt > times) return "done";
    errors.push(new Error(`failure ${attempt}`));
    throw errors.at(-1);
  };
  return { fn, at, errors };
}

// --- attempts and pauses

test("retry() gives the first value, after pauses that double up to max", () =>
  virtually(async () => {
    const { fn, at } = failing(6);
    assert.equal(await retry(fn, { attempts: 7, base: 100, max: 1000, jitter: "none" }), "done");
    assert.deepEqual(at, [0, 100, 300, 700, 1500, 2500, 3500]);
  }));

test("retry() takes a factor, and a base above max is max", () =>
  virtually(async () => {
    const third = failing(3);
    await retry(third.fn, { base: 10, factor: 3, jitter: "none" });
    assert.deepEqual(third.at, [0, 10, 40, 130]);
    const even = failing(3);
    await retry(even.fn, { base: 500, max: 50, jitter: "none" });
    assert.deepEqual(even.at, [0, 50, 100, 150]);
    const flat = failing(2);
    await retry(flat.fn, { base: 7, factor: 1, jitter: "none" });
    assert.deepEqual(flat.at, [0, 7, 14]);
  }));

test("E1 retry() gives up after attempts, four unless said otherwise, with the last error and the earlier ones on it", () =>
  virtually(async () => {
    for (const [options, wanted] of [
      [{}, 4],
      [{ attempts: 1 }, 1],
      [{ attempts: 2 }, 2],
    ] as [RetryOptions, number][]) {
      const { fn, errors } = failing(Infinity);
      const error = await rejection(retry(fn, options));
      assert.equal(errors.length, wanted);
      assert.equal(error, errors.at(-1));
      assert.deepEqual(suppressedErrors(error), errors.slice(0, -1));
    }
  }));

test("retry() does not list an error on itself, and gives a thrown primitive as an AggregateError of all", () =>
  virtually(async () => {
    const same = new Error("same");
    assert.equal(await rejection(retry(() => Promise.reject(same))), same);
    assert.deepEqual(suppressedErrors(same), []);
    const error = await rejection(retry((attempt) => Promise.reject(attempt), { attempts: 3 }));
    assert.ok(error instanceof AggregateError);
    assert.deepEqual(error.errors, [3, 1, 2]);
    assert.equal(await rejection(retry(() => Promise.reject("one"), { attempts: 1 })), "one");
  }));

test("retry() keeps a hundred errors of as many attempts as it takes", () =>
  virtually(async () => {
    const { fn, errors } = failing(Infinity);
    const error = await rejection(retry(fn, { attempts: 250, base: 0 }));
    assert.deepEqual(suppressedErrors(error), errors.slice(149, 249));
  }));

test("retry() also tries again what throws synchronously, and takes plain values", () =>
  virtually(async () => {
    let calls = 0;
    const thrower = (): number => {
      if (++calls < 3) throw new Error("sync");
      return calls;
    };
    assert.equal(await retry(thrower), 3);
  }));

// --- jitter

test("retry() with full jitter waits between 0 and the bound, all of it used", () =>
  virtually(async () => {
    for (const [random, wanted] of [
      [0, [0, 0, 0]],
      [0.5, [50, 100, 200]],
      [1, [100, 200, 400]],
    ] as [number, number[]][]) {
      const delays: number[] = [];
      await retry(failing(3).fn, { random: () => random, onRetry: ({ delay }) => delays.push(delay) });
      assert.deepEqual(delays, wanted);
    }
  }));

test("retry() with decorrelated jitter waits from base to three times the pause before, at most max", () =>
  virtually(async () => {
    const draws = randomFrom(7);
    for (let trial = 0; trial < 50; trial++) {
      const delays: number[] = [];
      await retry(failing(12).fn, {
        attempts: 13,
        base: 100,
        max: 5000,
        jitter: "decorrelated",
        random: () => draws(1001) / 1000,
        onRetry: ({ delay }) => delays.push(delay),
      });
      let last = 100;
      for (const delay of delays) {
        assert.ok(delay >= 100 && delay <= Math.min(5000, 3 * last), `${delay} after ${last}`);
        last = delay;
      }
    }
    const delays: number[] = [];
    await retry(failing(3).fn, {
      jitter: "decorrelated",
      random: () => 1,
      onRetry: ({ delay }) => delays.push(delay),
    });
    assert.deepEqual(delays, [300, 900, 2700]);
  }));

test("retry() draws its pauses from the run's own chance when nothing else is given", () =>
  virtually(async () => {
    const delays = new Set<number>();
    for (let trial = 0; trial < 40; trial++) {
      await retry(failing(1).fn, {
        onRetry: ({ delay }) => {
          assert.ok(delay >= 0 && delay <= 100);
          delays.add(delay);
        },
      });
    }
    assert.ok(delays.size > 5, `${delays.size} different pauses`);
  }));

// --- the callbacks

test("retry() stops where when() says so, and asks it before each pause", () =>
  virtually(async () => {
    const asked: unknown[] = [];
    const { fn, errors, at } = failing(Infinity);
    const when = async (error: unknown, attempt: number): Promise<boolean> => {
      asked.push([error, attempt]);
      return attempt < 2;
    };
    const error = await rejection(retry(fn, { when, jitter: "none" }));
    assert.deepEqual(asked, [
      [errors[0], 1],
      [errors[1], 2],
    ]);
    assert.equal(error, errors[1]);
    assert.deepEqual(suppressedErrors(error), [errors[0]]);
    assert.deepEqual(at, [0, 100]);
  }));

test("retry() waits as long as delay() says, beyond max too, and computes where it says nothing", () =>
  virtually(async () => {
    const { fn, at } = failing(2);
    await retry(fn, { max: 150, jitter: "none", delay: (_, attempt) => (attempt === 1 ? 60_000 : undefined) });
    assert.deepEqual(at, [0, 60_000, 60_150]);
  }));

test("retry() tells delay() what it has computed, which may be taken as the least", () =>
  virtually(async () => {
    const { fn, at } = failing(3);
    await retry(fn, { jitter: "none", delay: (_, attempt, computed) => Math.max(computed, attempt === 1 ? 500 : 0) });
    assert.deepEqual(at, [0, 500, 700, 1100]);
  }));

test("retry() makes pauses of 0 as often as it is asked to, however the bound grows", () =>
  virtually(async () => {
    for (const options of [
      { base: 0 },
      { base: 0, factor: 1e300 },
      { max: 0 },
      { max: Infinity, random: () => 0 },
      { base: 0, max: Infinity, jitter: "decorrelated", random: () => 0 },
    ] as const) {
      const { fn, errors } = failing(Infinity);
      const error = await rejection(retry(fn, { attempts: 2000, ...options }));
      assert.equal(error, errors[1999]);
      assert.equal(now(), 0);
    }
  }));

test("retry() refuses what random() must not give, with the work's own error listed", () =>
  virtually(async () => {
    for (const [given, jitter] of [
      [-1, "full"],
      [2, "full"],
      [NaN, "full"],
      [1.5, "decorrelated"],
      ["1", "full"],
    ] as const) {
      const { fn, errors } = failing(Infinity);
      const error = await rejection(retry(fn, { jitter, random: () => given as number }));
      assert.match(String(error), /^RangeError: Cannot retry with .* from random\(\): wanted a number from 0 to 1$/);
      assert.deepEqual(suppressedErrors(error), [errors[0]]);
    }
  }));

test("retry() tells onRetry of each pause, and waits for it", () =>
  virtually(async () => {
    const { fn, at, errors } = failing(2);
    const told: unknown[] = [];
    await retry(fn, {
      jitter: "none",
      onRetry: async (about) => {
        told.push(about);
        await sleep(1000);
      },
    });
    assert.deepEqual(told, [
      { error: errors[0], attempt: 1, delay: 100 },
      { error: errors[1], attempt: 2, delay: 200 },
    ]);
    assert.deepEqual(at, [0, 1100, 2300]);
  }));

test("retry() ends with what a callback throws, and the attempts' errors listed on that", () =>
  virtually(async () => {
    for (const name of ["when", "delay", "onRetry", "random"]) {
      const { fn, errors } = failing(Infinity);
      const thrown = new Error(name);
      let calls = 0;
      const error = await rejection(
        retry(fn, {
          [name]: () => {
            if (++calls === 2) throw thrown;
            return name === "when" ? true : name === "random" ? 1 : undefined;
          },
        }),
      );
      assert.equal(error, thrown);
      assert.deepEqual(suppressedErrors(error), errors);
      assert.equal(errors.length, 2);
    }
    const error = await rejection(retry(failing(1).fn, { delay: () => Number.NaN }));
    assert.ok(error instanceof RangeError);
  }));

// --- deadlines

test("E1 D1 retry() gives up at once when the next pause would not end before the nearest deadline", () =>
  virtually(async () => {
    const { fn, at, errors } = failing(Infinity);
    const error = await rejection(failAfter(1000, () => retry(fn, { attempts: 99, base: 400, jitter: "none" })));
    assert.equal(error, errors[1]);
    assert.deepEqual(suppressedErrors(error), [errors[0]]);
    assert.deepEqual([at, now()], [[0, 400], 400]);
  }));

test("D1 retry() counts the earliest deadline around, wherever it stands, but for what a shield hides", () =>
  virtually(async () => {
    const within = (fn: () => Promise<unknown>) =>
      failAfter(5000, () => failAfter(100, () => withTaskGroup(async () => failAfter(3000, fn))));
    const cut = failing(Infinity);
    assert.equal(await rejection(within(() => retry(cut.fn, { base: 200, jitter: "none" }))), cut.errors[0]);
    await moveOnAfter(100, async () => {
      const hidden = failing(2);
      const options = { base: 200, jitter: "none" } as const;
      assert.equal(await shield(() => retry(hidden.fn, options), { timeout: Infinity }), "done");
    });
  }));

test("nearestDeadline() is the earliest deadline around, in cleanup the end of grace, and Infinity without any", () =>
  virtually(async () => {
    assert.equal(nearestDeadline(), Infinity);
    const begin = now();
    await failAfter(500, async () => {
      assert.equal(nearestDeadline() - begin, 500);
      await failAfter(900, async () => assert.equal(nearestDeadline() - begin, 500));
      await failAfter(30, async () => assert.equal(nearestDeadline() - begin, 30));
      await shield(async () => assert.equal(nearestDeadline(), Infinity), { timeout: 10 });
    });
    await moveOnAfter(50, async () => {
      try {
        await sleepForever();
      } finally {
        assert.equal(nearestDeadline() - begin, 50 + 5000);
        await moveOnAfter(20, async () => assert.equal(nearestDeadline() - begin, 50 + 20));
      }
    });
  }));

test("retry() in cleanup after a cancellation tries again until grace is over", () =>
  virtually(async () => {
    const seen: number[] = [];
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        try {
          await sleepForever();
        } finally {
          const { fn, at } = failing(Infinity);
          await assert.rejects(retry(fn, { attempts: 99, base: 300, factor: 1, jitter: "none" }), /failure 4/);
          seen.push(...at);
        }
      },
      { grace: 1000 },
    );
    assert.deepEqual(seen, [0, 300, 600, 900]);
  }));

test("retry() fails an attempt that takes longer than timeout, and tries again", () =>
  virtually(async () => {
    let calls = 0;
    const slow = async (): Promise<number> => {
      if (++calls < 3) await sleepForever();
      return calls;
    };
    assert.equal(await retry(slow, { timeout: 50, base: 0 }), 3);
    assert.equal(now() > 0, true);
    const error = await rejection(retry(() => sleepForever(), { timeout: 50, attempts: 2 }));
    assert.ok(error instanceof TimeoutError);
    assert.ok(suppressedErrors(error)[0] instanceof TimeoutError);
  }));

// --- cancellation

test("E1 C6a retry() never tries a cancellation again: during an attempt, and in a pause", () =>
  virtually(async () => {
    for (const cutAt of [50, 120]) {
      let calls = 0;
      await withTaskGroup(async (group) => {
        const task = group.spawn(() =>
          retry(
            async () => {
              calls++;
              await sleep(100);
              throw new Error("failed");
            },
            { when: () => true, base: 1000, jitter: "none" },
          ),
        );
        await sleep(cutAt);
        task.cancel();
        assert.equal((await task.outcome()).status, "cancelled");
      });
      assert.equal(calls, 1);
    }
  }));

test("C6b retry() does not try again what failed because it was cut, whatever the error", () =>
  virtually(async () => {
    let calls = 0;
    const cleanupFailed = new Error("cleanup failed");
    const error = await rejection(
      withCancelScope(async (scope) => {
        await withTaskGroup(async (group) => {
          group.spawn(() =>
            retry(
              async () => {
                calls++;
                try {
                  await sleepForever();
                } finally {
                  throw cleanupFailed;
                }
              },
              { when: () => true },
            ),
          );
          await waitAllTasksBlocked();
          scope.cancel();
        });
      }),
    );
    assert.deepEqual([error, calls], [cleanupFailed, 1]);
  }));

test("retry() leaves an AbortError alone unless when() wants it", () =>
  virtually(async () => {
    const aborted = new DOMException("called off", "AbortError");
    let calls = 0;
    const fn = (): Promise<never> => {
      calls++;
      return Promise.reject(aborted);
    };
    assert.equal(await rejection(retry(fn)), aborted);
    assert.equal(calls, 1);
    assert.equal(await rejection(retry(fn, { when: () => true, attempts: 3 })), aborted);
    assert.equal(calls, 4);
  }));

test("C3c retry() calls its function in a cancelled scope, whose first checkpoint throws, and does not go on", () =>
  virtually(async () => {
    let calls = 0;
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(
        retry(() => {
          calls++;
          throw new Error("no checkpoint");
        }),
        CancelledError,
      );
    });
    assert.equal(calls, 1);
  }));

test("C3b retry() gives a value that came just as it was cancelled", () =>
  virtually(async () => {
    await withCancelScope(async (scope) => {
      const value = await retry(async () => {
        await sleep(10);
        scope.cancel();
        return "kept";
      });
      assert.equal(value, "kept");
    });
  }));

test("retry() works outside of any run, and its promise may be left alone when it is cancelled", async () => {
  let calls = 0;
  assert.equal(await retry(() => (++calls < 2 ? Promise.reject(new Error("x")) : calls), { base: 1 }), 2);
  await run(
    () =>
      withCancelScope(async () => {
        const scope = currentScope();
        void retry(() => sleepForever());
        scope.cancel();
      }),
    { host: false },
  );
});

test("retry() says what is wrong with its arguments", async () => {
  const fn = (): number => 1;
  await assert.rejects(retry("x" as never), /^TypeError: Cannot retry "x": wanted a function$/);
  await assert.rejects(retry(fn, null as never), TypeError);
  for (const [name, value] of [
    ["attempts", 0],
    ["attempts", 1.5],
    ["base", -1],
    ["max", Number.NaN],
    ["timeout", "5"],
    ["factor", 0.5],
    ["factor", Infinity],
    ["jitter", "some"],
  ] as const)
    await assert.rejects(retry(fn, { [name]: value }), new RegExp(`^RangeError: Cannot retry with ${name} `));
  for (const name of ["when", "delay", "onRetry", "random"])
    await assert.rejects(
      retry(fn, { [name]: 1 }),
      new RegExp(`^TypeError: Cannot retry with ${name} 1: wanted a funct`),
    );
});
