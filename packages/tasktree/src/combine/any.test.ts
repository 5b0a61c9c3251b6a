import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  abandonOnCancel,
  any,
  CancelledError,
  checkpoint,
  currentTask,
  failAfter,
  isCancelled,
  moveOnAfter,
  now,
  race,
  shield,
  sleep,
  sleepForever,
  suppressedErrors,
  TaskLocal,
  WorkCancelledError,
  withCancelScope,
} from "../index.ts";

function after<T>(ms: number, value: T): () => Promise<T> {
  return async () => (await sleep(ms), value);
}

function failing(error: unknown, ms = 0): () => Promise<never> {
  return async () => {
    await sleep(ms);
    throw error;
  };
}

const errors = [new Error("zero"), new Error("one"), new Error("two")] as const;

test("B1f a failure in the step before the decision is passed over by any()", async () => {
  await virtually(async () => {
    assert.equal(await any([failing(errors[0], 10), after(10, "value"), failing(errors[1], 10)]), "value");
    const thrower = () => {
      throw errors[0];
    };
    assert.equal(await any([thrower, () => "value", thrower]), "value");
  });
});

test("B1f any() gives the first value, and passes over what failed before", async () => {
  await virtually(async () => {
    assert.equal(await any([after(30, "slow"), failing(errors[0]), after(10, "quick")]), "quick");
    assert.equal(now(), 10);
    assert.equal(await any([() => undefined]), undefined);
    assert.equal(await any(new Set([failing(errors[0], 5), after(20, "last")])), "last");
  });
});

test("B1f when each of any()'s functions failed it rejects with an AggregateError of all, in list order", async () => {
  await virtually(async () => {
    const thrower = () => {
      throw errors[1];
    };
    for (const options of [{}, { limit: 1 }, { limit: 2 }]) {
      const error = await rejection(any([failing(errors[0], 20), thrower, failing(errors[2], 10)], options));
      assert.ok(error instanceof AggregateError);
      assert.deepEqual(error.errors, errors);
      assert.equal(error.message, "All 3 functions failed, the first with Error: zero");
    }
  });
});

test("B1f any() counts what was cancelled by itself as failed, with its WorkCancelledError", async () => {
  await virtually(async () => {
    const cut = async () => {
      currentTask()!.cancel();
      await sleepForever();
    };
    for (const limit of [Infinity, 1]) {
      const error = await rejection(any([cut, failing(errors[1])], { limit }));
      assert.ok(error instanceof AggregateError);
      assert.ok(error.errors[0] instanceof WorkCancelledError);
      assert.ok((error.errors[0].cause as object) instanceof CancelledError);
      assert.equal(error.errors[1], errors[1]);
      assert.equal(await any([cut, after(5, "value")], { limit }), "value");
    }
  });
});

test("B1f any() of nothing rejects at once with an AggregateError of nothing, as Promise.any does", async () => {
  for (const jobs of [[], new Set<() => number>()]) {
    const error = await rejection(any(jobs));
    assert.ok(error instanceof AggregateError);
    assert.deepEqual(error.errors, []);
  }
});

test("B1f the losers of any() are cancelled, and have ended when it settles", async () => {
  await virtually(async () => {
    const ended: string[] = [];
    const loser = (name: string, ms: number) => async () => {
      try {
        await sleepForever();
      } catch (error) {
        assert.ok(isCancelled(error));
        await sleep(ms);
        ended.push(name);
        throw error;
      }
    };
    assert.equal(await any([loser("slow", 20), after(10, "won"), loser("quick", 10)]), "won");
    assert.deepEqual(ended, ["quick", "slow"]);
  });
});

test("B1f any() tries at most `limit` at a time, the next when one has failed, and none after the decision", async () => {
  await virtually(async () => {
    const started: number[] = [];
    const job = (number: number, end: () => unknown) => async () => {
      started.push(number);
      await sleep(10);
      return end();
    };
    const fail = () => {
      throw errors[0];
    };
    const jobs = [job(0, fail), job(1, fail), job(2, () => "value"), job(3, fail), job(4, fail)];
    assert.equal(await any(jobs, { limit: 2 }), "value");
    assert.deepEqual(started, [0, 1, 2, 3]);
    assert.equal(now(), 20);
  });
});

test("B1f any() cancelled from outside rejects with that cancellation when all have ended", async () => {
  await virtually(async () => {
    let ended = 0;
    const job = async () => {
      try {
        await sleepForever();
      } finally {
        await sleep(5);
        ended++;
      }
    };
    await withCancelScope(async (scope) => {
      setTimeout(() => scope.cancel(), 1);
      assert.ok(isCancelled(await rejection(any([job, failing(errors[0]), job]))));
    });
    assert.equal(ended, 2);
    let called = false;
    await withCancelScope(async (scope) => {
      scope.cancel();
      await any([() => (called = true)]);
    });
    assert.equal(called, false);
    const late = await rejection(
      moveOnAfter(1, () =>
        any([
          async () => {
            try {
              await sleepForever();
            } finally {
              throw errors[1];
            }
          },
        ]),
      ),
    );
    assert.equal(late, errors[1]);
  });
});

test("B1f a value that any() has given is not lost to a cancellation that comes after it", async () => {
  await virtually(async () => {
    const value = await withCancelScope(async (scope) => {
      const value = await any([failing(errors[0]), after(1, "value")]);
      scope.cancel();
      return value;
    });
    assert.equal(value, "value");
  });
});

type Contest = <T>(
  jobs: Iterable<() => T | PromiseLike<T>>,
  options?: { onLoser?: (value: T) => unknown },
) => Promise<T>;

for (const [name, contest] of [
  ["race", race as Contest],
  ["any", any as Contest],
] as const) {
  test(`B1c a loser's failed cleanup rejects ${name}(), also from a scope inside; the winner's value goes to onLoser`, async () => {
    await virtually(async () => {
      const cleanup = async () => {
        try {
          return await sleepForever();
        } finally {
          throw errors[1];
        }
      };
      for (const loser of [cleanup, () => failAfter(1000, cleanup), () => withCancelScope(() => all3(cleanup))]) {
        const lost: unknown[] = [];
        const error = await rejection(
          contest<unknown>([after(10, "connection"), loser], { onLoser: (value) => lost.push(value) }),
        );
        assert.equal(error, errors[1]);
        assert.deepEqual(lost, ["connection"]);
      }
    });

    async function all3<T>(job: () => Promise<T>): Promise<T> {
      return await failAfter(1000, () => failAfter(1000, job));
    }
  });

  test(`B1c failures of several losers of ${name}() are all told`, async () => {
    await virtually(async () => {
      const losers = errors.map((error) => async () => {
        try {
          await sleepForever();
        } finally {
          throw error;
        }
      });
      const error = await rejection(contest<unknown>([...losers, after(10, "value")]));
      assert.equal(error, errors[0]);
      assert.deepEqual(suppressedErrors(error), errors.slice(1));
    });
  });

  test(`B1d what fails in the step in which ${name}() is decided, or knows nothing of that, is passed over`, async () => {
    await virtually(async () => {
      const foreign = Promise.withResolvers<never>();
      const thrower = () => {
        throw errors[0];
      };
      const manySteps = async () => {
        for (let step = 0; step < 20; step++) await null;
        throw errors[0];
      };
      const own = async () => {
        await moveOnAfter(1, sleepForever); // was told of another cancellation, its own
        await foreign.promise;
      };
      assert.equal(await contest<unknown>([() => 1, thrower]), 1);
      assert.equal(await contest<unknown>([async () => 1, manySteps]), 1);
      assert.equal(await contest<unknown>([after(10, 1), failing(errors[0], 10)]), 1);
      const late = sleep(5).then(() => foreign.reject(errors[0]));
      assert.equal(await contest<unknown>([after(3, 1), own, () => foreign.promise]), 1);
      await late;
    });
  });

  test(`B1d of the values that are ready at once the first in the list wins ${name}(), the others go to onLoser`, async () => {
    await virtually(async () => {
      const ways: ((value: number) => () => number | Promise<number>)[] = [
        (value) => () => value,
        (value) => after(10, value),
      ];
      for (const make of ways) {
        const lost: number[] = [];
        assert.equal(await contest([1, 2, 3].map(make), { onLoser: (value) => lost.push(value) }), 1);
        assert.deepEqual(lost, [2, 3]);
      }
    });
  });

  test(`B1c onLoser of ${name}() gets what losers still return, in the caller's context; one that throws rejects`, async () => {
    await virtually(async () => {
      const local = new TaskLocal({ default: "none" });
      const seen: unknown[] = [];
      const stubborn = (value: number) => async () => {
        await sleepForever().catch(() => undefined);
        return value;
      };
      const onLoser = (value: number) => {
        seen.push(value, local.get(), currentTask()!.path);
        if (value === 3) throw errors[0];
      };
      assert.equal(await local.run("caller", () => contest([stubborn(1), after(10, 2)], { onLoser })), 2);
      assert.deepEqual(seen, [1, "caller", "main"]);
      const error = await rejection(contest([stubborn(3), stubborn(4), after(10, 5)], { onLoser }));
      assert.equal(error, errors[0]);
      assert.deepEqual(
        seen.filter((value) => typeof value === "number").sort((a, b) => a - b),
        [1, 3, 4, 5],
      );
    });
  });

  test(`B1c ${name}() awaits an onLoser that is asynchronous, and rejects with what it rejects with`, async () => {
    await virtually(async () => {
      const stubborn = (): Promise<number> => sleepForever().catch(() => 1);
      const log: unknown[] = [];
      const close = async (value: number): Promise<void> => {
        await shield(() => sleep(5), { timeout: 100 });
        log.push(`${value} closed`);
      };
      assert.equal(await contest([stubborn, after(10, 2)], { onLoser: (value) => void close(value) }), 2);
      assert.deepEqual(log, []);
      await sleep(10);
      assert.equal(await contest([stubborn, after(10, 2)], { onLoser: close }), 2);
      assert.deepEqual(log, ["1 closed", "1 closed"]);
      const onLoser = async (): Promise<void> => {
        await null;
        throw errors[0];
      };
      assert.equal(await rejection(contest([stubborn, after(10, 2)], { onLoser })), errors[0]);
    });
  });

  test(`B1c a value that came when ${name}() was already cancelled from outside goes to onLoser`, async () => {
    await virtually(async () => {
      const lost: unknown[] = [];
      const stubborn = async () => {
        await sleepForever().catch(() => undefined);
        return "late";
      };
      await moveOnAfter(10, () => contest([stubborn], { onLoser: (value) => lost.push(value) }));
      assert.deepEqual(lost, ["late"]);
    });
  });

  test(`B1b ${name}() in cleanup works, and its losers' cleanup too`, async () => {
    await virtually(async () => {
      const log: unknown[] = [];
      await withCancelScope(async (scope) => {
        scope.cancel();
        try {
          await checkpoint();
        } finally {
          const loser = async () => {
            try {
              await sleepForever();
            } finally {
              await sleep(1);
              log.push("cleaned");
            }
          };
          const late = failing(errors[0], 10); // as the winner: not told yet
          log.push(await contest<unknown>([after(10, "value"), loser, late]));
        }
      });
      assert.deepEqual(log, ["cleaned", "value"]);
    });
  });

  test(`${name}() rejects what is no iterable, no function and no option, before it calls any`, async () => {
    let called = false;
    const call = () => (called = true);
    const what = name === "race" ? "a race" : name;
    await assert.rejects(contest([call, Promise.resolve(true) as never]), {
      name: "TypeError",
      message: `Cannot run ${what}: item 1 is a promise, wanted a function`,
    });
    await assert.rejects(contest(Promise.resolve([call]) as never), {
      name: "TypeError",
      message: `Cannot run ${what} of a promise: wanted an iterable of functions`,
    });
    for (const jobs of [undefined, null, 5, "text", call, { call }])
      await assert.rejects(contest(jobs as never), TypeError);
    for (const options of [null, 5, "text", () => 1]) {
      await assert.rejects(contest([call], options as never), {
        name: "TypeError",
        message: /^Cannot run .* with .*: wanted an object with options$/,
      });
    }
    await assert.rejects(contest([call], { onLoser: 5 } as never), {
      name: "TypeError",
      message: `Cannot run ${what} with onLoser 5: wanted a function`,
    });
    assert.equal(called, false);
  });
}

test("B1c an abandoned loser's late value is not lost: onLate has it", async () => {
  await virtually(async () => {
    const foreign = Promise.withResolvers<string>();
    const late: string[] = [];
    const loser = () => abandonOnCancel(foreign.promise, { onLate: (value) => void late.push(value) });
    assert.equal(await any([loser, after(10, "value")]), "value");
    foreign.resolve("late");
    await sleep(1);
    assert.deepEqual(late, ["late"]);
  });
});

test("any() rejects a limit that makes no sense", async () => {
  for (const limit of [0, -1, 1.5, Number.NaN, "2"]) {
    await assert.rejects(any([() => 1], { limit } as never), RangeError);
  }
});
