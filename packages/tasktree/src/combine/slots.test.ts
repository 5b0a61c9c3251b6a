/** One task for many functions, as long as nobody can tell. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { skipOn } from "../../test/runtime.ts";
import { collected } from "../../test/collected.ts";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  currentScope,
  currentSignal,
  currentTask,
  mapConcurrent,
  Mutex,
  openTaskGroup,
  run,
  sleep,
  sleepForever,
  TaskLocal,
  withCancelScope,
  type Task,
} from "../index.ts";

const limit = 2;

function times<T>(count: number, fn: (at: number) => T): (() => T)[] {
  return Array.from({ length: count }, (_, at) => () => fn(at));
}

test("B1a each function of a limited all() that asks has a task of its own", () =>
  virtually(async () => {
    const tasks = await all(
      times(20, async (at) => {
        if (at % 3 === 0) return undefined;
        await sleep(at % 2);
        return { task: currentTask()! };
      }),
      { limit },
    );
    const seen = tasks.flatMap((asked) => asked?.task ?? []);
    assert.equal(new Set(seen).size, seen.length);
    for (const task of seen) assert.equal(task.status, "ok");
  }));

test("B1a what a function of a limited all() kept of its task, scope or signal does not reach the others", () =>
  virtually(async () => {
    const kept: (() => void)[] = [];
    const signals = new Set<AbortSignal>();
    const keep = [
      () => kept.push(currentTask()!.cancel.bind(currentTask()!)),
      () => kept.push(currentScope().cancel.bind(currentScope())),
      () => signals.add(currentSignal()),
    ];
    const values = await all(
      times(30, async (at) => {
        for (const cancel of kept.splice(0)) cancel();
        await sleep(1);
        keep[at % keep.length]!();
        return at;
      }),
      { limit },
    );
    assert.deepEqual(
      values,
      Array.from({ length: 30 }, (_, at) => at),
    );
    assert.equal(signals.size, 10);
  }));

test("B1a what a function of a limited all() leaves open ends with it", () =>
  virtually(async () => {
    const log: string[] = [];
    await all(
      times(6, async (at) => {
        log.push(`${at} begins`);
        if (at === 0) {
          void withCancelScope(() => sleepForever().finally(() => log.push("scope of 0 ends")));
          openTaskGroup().spawn(() => sleepForever().finally(() => log.push("group of 0 ends")));
        }
        await sleep(1);
      }),
      { limit: 1 },
    );
    assert.deepEqual(log.slice(0, 4), ["0 begins", "1 begins", "scope of 0 ends", "group of 0 ends"]);
  }));

test("B1a a mutex that a function of a limited all() leaves locked is broken, not the next one's", () =>
  virtually(async () => {
    const mutex = new Mutex();
    const outcomes = await all(
      times(4, async (at) => {
        if (at === 0) await mutex.acquire();
        else await sleep(1);
        return mutex.statistics().broken;
      }),
      { limit: 1 },
    );
    assert.deepEqual(outcomes, [false, true, true, true]);
  }));

test(
  "X1a what a function of a limited all() does to its context the next does not see",
  skipOn({ bun: "there `enterWith` of one store outlasts the `run` of another" }),
  () =>
    virtually(async () => {
      const storage = new AsyncLocalStorage<number>();
      const seen = await all(
        times(10, async (at) => {
          const before = storage.getStore();
          storage.enterWith(at);
          await sleep(at % 2);
          return [before, storage.getStore()];
        }),
        { limit },
      );
      assert.deepEqual(
        seen,
        Array.from({ length: 10 }, (_, at) => [undefined, at]),
      );
    }),
);

test("B1e who is told of tasks is told of one for each item, by name", async () => {
  const told: string[] = [];
  const taskSpawned = (task: Task): void => void told.push(task.name);
  await virtually(() => all({ a: () => 1, b: () => 2, c: () => 3 }, { limit: 1 }), { instruments: [{ taskSpawned }] });
  assert.deepEqual(told, ["main", "a", "b", "c"]);
  told.length = 0;
  const asked: string[] = [];
  const ask = (): void => void asked.push(currentTask()!.name);
  await virtually(() => collected(mapConcurrent([1, 2, 3], ask, { limit: 1 })), { instruments: [{ taskSpawned }] });
  assert.equal(new Set(asked).size, 3);
  assert.deepEqual(
    asked.filter((name) => !told.includes(name)),
    [],
  );
});

test("B1e a task of a limited all() has its function's name, also after its end; a number where that cannot be read", () =>
  virtually(async () => {
    const names: string[] = [];
    const ask = async (): Promise<{ task: Task }> => {
      const task = currentTask()!;
      names.push(task.name);
      return { task };
    };
    const unreadable = async (): Promise<unknown> => await ask();
    const nameless = {
      name: {
        get(): string {
          throw new Error("no name");
        },
      },
    };
    Object.defineProperties(unreadable, nameless);
    const kept = await all([() => 1, async () => await ask(), ask, unreadable, () => 1], { limit: 1 });
    assert.deepEqual(names, ["all[1]", "ask", "all[3]"]);
    const tasks = kept.slice(1, 4) as { task: Task }[];
    assert.deepEqual(
      tasks.map(({ task }) => task.name),
      names,
    );
    assert.deepEqual(await all([() => 1, Object.defineProperties(() => 2, nameless)], { limit: 1 }), [1, 2]);
  }));

test("B1e a function of a limited mapConcurrent() that cancels itself and returns has given its value", () =>
  virtually(async () => {
    const double = async (item: number): Promise<number> => {
      if (item === 2) currentTask()!.cancel();
      return item * 2;
    };
    assert.deepEqual(await collected(mapConcurrent([1, 2, 3, 4], double, { limit: 1 })), [2, 4, 6, 8]);
  }));

test("B1a code that a function of a limited all() left behind is in none of the others' tasks", () =>
  virtually(async () => {
    const foreign = Promise.withResolvers<void>();
    const seen: (string | undefined)[] = [];
    const local = new TaskLocal({ default: 0 });
    const leave = (): void => void foreign.promise.then(() => seen.push(currentTask()?.path));
    await all(
      times(4, async (at) => {
        if (at === 0) leave();
        if (at === 1) local.run(1, leave);
        if (at === 3) foreign.resolve();
        await sleep(1);
      }),
      { limit: 1 },
    );
    assert.deepEqual(seen, ["main", "main"]);
  }));

test("X1a a function of a limited all() has the context in which its source gave it", () =>
  virtually(async () => {
    const storage = new AsyncLocalStorage<number>();
    function* jobs(): Generator<() => Promise<number | undefined>> {
      for (let at = 0; at < 5; at++) {
        storage.enterWith(at);
        yield async () => (await sleep(1), storage.getStore());
      }
    }
    assert.deepEqual(await all(jobs(), { limit: 1 }), [4, 4, 4, 4, 4]);
    const seen: (number | undefined)[] = [];
    function* items(): Generator<number> {
      for (let at = 0; at < 5; at++) {
        storage.enterWith(at);
        yield at;
      }
    }
    const get = async (): Promise<number | undefined> => (await sleep(1), storage.getStore());
    for await (const value of mapConcurrent(items(), get, { limit: 1 })) seen.push(value);
    assert.deepEqual(seen, [0, 1, 2, 3, 4]);
  }));

test("F2 timers get their turn while one task calls function after function that never waits", async () => {
  const count = 200_000;
  let turns = 0;
  let seen = 0;
  const timer = setInterval(() => turns++, 1);
  try {
    const last = (at: number): void => void (at === count - 1 && (seen = turns));
    await run(() => all(times(count, last), { limit: 1 }), { host: false });
  } finally {
    clearInterval(timer);
  }
  assert.ok(seen > 0);
});
