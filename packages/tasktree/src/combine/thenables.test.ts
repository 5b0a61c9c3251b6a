/** Functions that return at once, or something with a `then` of its own, which may call back at any time and from anywhere. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { collected } from "../../test/collected.ts";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  allSettled,
  any,
  asCompleted,
  currentTask,
  mapConcurrent,
  outside,
  race,
  sleep,
  sleepForever,
  suppressedErrors,
} from "../index.ts";

type Job = () => unknown;

/** Something that can be awaited, and is no promise: its `then` calls back at once, or after a time from outside of every task. */
function thenable(outcome: { value?: unknown; error?: unknown }, ms?: number): PromiseLike<unknown> {
  const then = (onValue: (value: unknown) => void, onError: (error: unknown) => void): void => {
    const settle = (): void => {
      if ("error" in outcome) onError(outcome.error);
      else onValue(outcome.value);
    };
    if (ms === undefined) settle();
    else outside(() => void sleep(ms).then(settle));
  };
  return { then } as PromiseLike<unknown>;
}

/** Gives the value of `job` alone, or throws its error. */
const combinators: Record<string, (job: Job) => Promise<unknown>> = {
  race: (job) => race([job, sleepForever]),
  "race with onLoser": (job) => race([job, sleepForever], { onLoser: () => assert.fail("lost") }),
  any: (job) => any([job]).catch((error: AggregateError) => Promise.reject(error.errors[0])),
  all: async (job) => (await all([job]))[0],
  "all with a limit": async (job) => (await all([job, () => 1], { limit: 1 }))[0],
  "all of a record": async (job) => (await all({ job })).job,
  allSettled: async (job) => {
    const [settled] = await allSettled([job]);
    if (settled.status === "rejected") throw settled.reason;
    return settled.value;
  },
  asCompleted: async (job) => (await collected(asCompleted([job])))[0],
  mapConcurrent: async (job) => (await collected(mapConcurrent([0], job, { limit: 1 })))[0],
  "mapConcurrent without a limit": async (job) => (await collected(mapConcurrent([0], job, { limit: Infinity })))[0],
};

const error = new Error("on purpose");
const thrower = {
  then() {
    throw error;
  },
};
const unreadable = {
  get then(): never {
    throw error;
  },
};

for (const [name, combine] of Object.entries(combinators)) {
  test(`B1a ${name}: a function may return at once, or something with a then of its own that calls back at any time`, () =>
    virtually(async () => {
      const fine: Job[] = [
        () => "value",
        () => thenable({ value: "value" }),
        () => thenable({ value: "value" }, 5),
        () => thenable({ value: thenable({ value: "value" }, 5) }),
      ];
      for (const job of fine) assert.equal(await combine(job), "value");
      const failing: Job[] = [
        () => {
          throw error;
        },
        () => thenable({ error }),
        () => thenable({ error }, 5),
        () => thrower,
        () => unreadable,
        () => thenable({ value: thenable({ error }, 5) }),
      ];
      for (const job of failing) assert.equal(await rejection(combine(job)), error);
      assert.deepEqual(suppressedErrors(error), []);
    }));
}

type Contest = <T>(jobs: Iterable<() => T | PromiseLike<T>>, options?: { onLoser?: (value: T) => void }) => Promise<T>;

for (const [name, contest] of Object.entries({ race: race as Contest, any: any as Contest })) {
  test(`B1b ${name}(): who wins by a then that calls back from elsewhere has the others cancelled, and onLoser has its context`, () =>
    virtually(async () => {
      const log: unknown[] = [];
      const jobs: (() => Promise<string> | PromiseLike<string>)[] = [
        () => sleepForever().finally(() => log.push("cancelled")),
        () => thenable({ value: "won" }, 5) as PromiseLike<string>,
        () => thenable({ value: "late" }, 9) as PromiseLike<string>,
      ];
      const onLoser = (value: string): void => void log.push([value, currentTask()?.path]);
      assert.equal(await contest(jobs, { onLoser }), "won");
      assert.deepEqual(log, ["cancelled", ["late", "main"]]);
    }));

  test(`B1d ${name}(): a value at once, a then that calls back at once and a promise: the list decides where they take the same steps`, () =>
    virtually(async () => {
      const value = (): string => "at once";
      const promise = async (): Promise<string> => "promise";
      for (const [jobs, wanted] of [
        [[value, promise], "at once"],
        [[promise, value], "promise"],
      ] as const) {
        const lost: string[] = [];
        assert.equal(await contest(jobs, { onLoser: (value) => void lost.push(value) }), wanted);
        assert.equal(lost.length, 1);
      }
    }));
}

test("B1a a promise with a `then` of its own, which calls back from outside of every task, decides race and any, and is a value of all", () =>
  virtually(async () => {
    const fromOutside = AsyncLocalStorage.snapshot();
    const odd = async (): Promise<string> => "odd";
    const late = (): Promise<string> => {
      const promise = sleep(1).then(odd);
      const then = (...handlers: Parameters<Promise<string>["then"]>): Promise<unknown> =>
        outside(() => fromOutside(() => Promise.prototype.then.apply(promise, handlers)));
      return Object.assign(promise, { then }) as Promise<string>;
    };
    const cut: string[] = [];
    const loser = async (): Promise<string> => {
      try {
        return await sleepForever();
      } finally {
        cut.push(currentTask()!.name);
      }
    };
    assert.equal(await race([late, loser]), "odd");
    assert.equal(await any([late, loser]), "odd");
    assert.deepEqual(await all([late, late]), ["odd", "odd"]);
    assert.deepEqual(cut, ["loser", "loser"]);
  }));

for (const limit of [2, 3, Infinity]) {
  test(`B1a what is given at once comes in the order of the list, whether by a promise or not, with limit ${limit}`, () =>
    virtually(async () => {
      const jobs = [async () => "first", () => "second", () => Promise.resolve("third")];
      assert.deepEqual(await collected(asCompleted(jobs, { limit })), ["first", "second", "third"]);
      const call = (job: () => unknown): unknown => job();
      const mapped = await collected(mapConcurrent(jobs, call, { limit, ordered: false }));
      assert.deepEqual(mapped, ["first", "second", "third"]);
    }));
}
