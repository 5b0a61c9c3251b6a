/** One task for many functions, as long as nobody can tell. */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { randomFrom } from "../../test/random.ts";
import { skipOn } from "../../test/runtime.ts";
import { collected } from "../../test/collected.ts";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  checkpoint,
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
  withTaskGroup,
  WorkCancelledError,
  type Task,
} from "../index.ts";
import { dumpTree } from "../core/dump.ts";
import { here } from "../lowlevel.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

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

/** The items of an async source: each after so many milliseconds. */
async function* after<T>(ms: number, items: Iterable<T>): AsyncGenerator<T> {
  for (const item of items) {
    if (ms > 0) await sleep(ms);
    yield item;
  }
}

test("X1a a function over an async source has the context in which its source gave it, and none of the function before", () =>
  virtually(async () => {
    const storage = new AsyncLocalStorage<number>();
    let given = 0;
    const items: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next() {
          storage.enterWith(given);
          return Promise.resolve({ done: given === 6, value: given++ });
        },
      }),
    };
    const seen: [before: number | undefined, after: number | undefined][] = [];
    const look = async (item: number): Promise<void> => {
      const before = storage.getStore();
      storage.enterWith(100 + item);
      await sleep(1);
      seen[item] = [before, storage.getStore()];
    };
    await collected(mapConcurrent(items, look, { limit: 2 }));
    assert.deepEqual(
      seen,
      Array.from({ length: 6 }, (_, item) => [item, 100 + item]),
    );
  }));

test("B1e each function over an async source that asks has a task of its own, and the source is read in one other", () =>
  virtually(async () => {
    const readers = new Set<Task>();
    const tasks: Task[] = [];
    async function* items(): AsyncGenerator<number> {
      for (let at = 0; at < 20; at++) {
        readers.add(currentTask()!);
        if (at % 4 === 0) await sleep(1);
        yield at;
      }
    }
    const ask = async (at: number): Promise<void> => {
      if (at % 3 === 0) return;
      await sleep(at % 2);
      for (const task of tasks) task.cancel();
      tasks.push(currentTask()!);
      await sleep(1);
    };
    await collected(mapConcurrent(items(), ask, { limit: 1 }));
    assert.equal(tasks.length, 13);
    assert.equal(new Set(tasks).size, tasks.length);
    assert.equal(readers.size, 1);
    assert.ok(!tasks.includes([...readers][0]!));
  }));

test("B1a code that a function over an async source left behind is in none of the others' tasks", () =>
  virtually(async () => {
    const foreign = Promise.withResolvers<void>();
    const seen: (string | undefined)[] = [];
    const job = (at: number) => async (): Promise<void> => {
      if (at === 0) void foreign.promise.then(() => seen.push(currentTask()?.path));
      if (at === 2) foreign.resolve();
      await sleep(1);
    };
    await all(after(5, [0, 1, 2].map(job)), { limit: 1 });
    assert.deepEqual(seen, ["main"]);
  }));

test("B1e a task over an async source tells that it waits for another item, under the name of the one it has", () =>
  virtually(async () => {
    const jobs = [0, 1, 2].map((at) => Object.defineProperty(() => sleep(2), "name", { value: `job ${at}` }));
    await withTaskGroup(async (group) => {
      group.spawn(() => all(after(5, jobs), { limit: 3 }));
      await sleep(6);
      assert.match(dumpTree(here().root), /^ *job 0 waits for a time$/m);
      await sleep(2);
      assert.match(dumpTree(here().root), /^ *all waits for another item of all$/m);
      await sleep(3);
      const dump = dumpTree(here().root);
      assert.match(dump, /^ *job 1 waits for a time$/m);
      assert.doesNotMatch(dump, /another item/);
    });
  }));

test("B1e what comes in the step that cancels it is disposed of, also where a task waits for another item", () =>
  virtually(async () => {
    let disposed = 0;
    const seen: number[] = [];
    await withCancelScope(async (scope) => {
      async function* items() {
        for (let at = 0; at < 3; at++) {
          await sleep(5);
          if (at === 2) scope.cancel();
          yield { at, [Symbol.dispose]: () => void disposed++ };
        }
      }
      await collected(mapConcurrent(items(), ({ at }) => seen.push(at), { limit: 3 }));
    });
    assert.deepEqual([seen, disposed], [[0, 1], 1]);
  }));

test("B1e a function over an async source that fails, or cancels itself, at once, ends it all, in whatever task it is", () =>
  virtually(async () => {
    for (const last of [0, 1, 2]) {
      const fail = (at: number): number => {
        if (at < last) return at;
        throw new Error(`item ${at}`);
      };
      await assert.rejects(collected(mapConcurrent(after(1, [0, 1, 2]), fail, { limit: 2 })), {
        message: `item ${last}`,
      });
      const quit = async (at: number): Promise<void> => {
        if (at < last) return;
        currentTask()!.cancel();
        await sleep(1);
      };
      await assert.rejects(collected(mapConcurrent(after(1, [0, 1, 2]), quit, { limit: 2 })), WorkCancelledError);
    }
  }));

test("B1e an async source is read as there is room, closed once where it was left, and has at most the limit in work", async () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = randomFrom(seed);
    const [size, most, ordered] = [random(12), 1 + random(4), random(2) === 0];
    const [leaveAt, cancelAt, pause] = [random(20), random(2) === 0 ? random(30) : Infinity, random(4)];
    const seen = { taken: 0, closed: 0, ended: false, running: 0, most: 0 };
    const got: number[] = [];
    async function* items(): AsyncGenerator<number> {
      try {
        while (seen.taken < size) {
          if (random(2) === 0) await sleep(random(4));
          assert.ok(seen.taken <= got.length + most, `seed ${seed}: read without room`);
          yield seen.taken++;
        }
        seen.ended = true;
      } finally {
        seen.closed++;
        if (random(2) === 0) await sleep(random(3));
      }
    }
    const work = async (item: number): Promise<number> => {
      seen.most = Math.max(seen.most, ++seen.running);
      try {
        if (random(2) === 0) await sleep(random(5));
        if (random(6) === 0) currentSignal();
        if (random(6) === 0) await withCancelScope(() => sleep(1));
      } finally {
        seen.running--;
      }
      return item;
    };
    await virtually(async () => {
      await withCancelScope(async (scope) => {
        scope.deadline = cancelAt;
        for await (const item of mapConcurrent(items(), work, { limit: most, ordered })) {
          if (got.push(item) === leaveAt) break;
          if (pause > 0) await sleep(random(pause));
        }
      });
      const all = Array.from({ length: size }, (_, item) => item);
      const inOrder = ordered ? got : got.toSorted((a, b) => a - b);
      const whole = seen.ended && got.length === size;
      assert.ok(whole || got.length === leaveAt || cancelAt !== Infinity, `seed ${seed}: stopped at ${got.length}`);
      if (ordered || whole) assert.deepEqual(inOrder, all.slice(0, got.length), `seed ${seed}`);
      assert.equal(new Set(got).size, got.length);
      assert.ok(seen.most <= most, `seed ${seed}: ${seen.most} at a time`);
      assert.deepEqual([seen.running, seen.closed], [0, seen.taken > 0 || whole ? 1 : seen.closed], `seed ${seed}`);
      await waitAllTasksBlocked();
      const { children } = currentScope() as unknown as { children?: { size: number } };
      assert.equal(children?.size ?? 0, 0, `seed ${seed}: something was left open`);
    });
  }
});

test("K9 a function over an async source that fails at once is not reported as unhandled, however long the turn has lasted", async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  const failure = new Error("failure");
  async function* items(): AsyncGenerator<number> {
    yield 0;
    await sleep(1);
    for (const end = performance.now() + 30; performance.now() < end;);
    for (let asked = 0; asked < 9; asked++) void checkpoint(); // not each looks at the time
    yield 1;
  }
  process.on("unhandledRejection", note);
  try {
    const fail = (item: number): Promise<number> => (item === 0 ? Promise.resolve(0) : Promise.reject(failure));
    const work = run(() => collected(mapConcurrent(items(), fail, { limit: 1 })), { host: false });
    await assert.rejects(work, (error) => error === failure);
    await new Promise((resolve) => setTimeout(resolve, 10));
  } finally {
    process.off("unhandledRejection", note);
  }
  assert.deepEqual(unhandled, []);
});

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
