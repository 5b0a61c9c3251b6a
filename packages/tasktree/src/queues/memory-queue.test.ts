/** Order, waiting, closing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { queueConformance } from "../../test/queue-conformance.ts";
import { randomFrom } from "../../test/random.ts";
import { virtually } from "../../test/virtual.ts";
import { checkpoint, ClosedError, EndOfStream, moveOnAfter, now, sleep, withTaskGroup } from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";
import { MemoryQueue, type Lease, type MemoryQueueOptions } from "./index.ts";

queueConformance("MemoryQueue", (options) => new MemoryQueue(options));

const idle = {
  ready: 0,
  delayed: 0,
  leased: 0,
  done: 0,
  rejected: 0,
  dropped: 0,
  waitingPuts: 0,
  waitingTakes: 0,
  waitingJoins: 0,
};

/** Takes and acknowledges everything that is ready. */
function drained<T>(queue: MemoryQueue<T>): T[] {
  const items: T[] = [];
  for (let lease = queue.tryTake(); lease !== undefined; lease = queue.tryTake()) {
    items.push(lease.item);
    void lease.ack();
  }
  return items;
}

// --- order

test("MemoryQueue gives the oldest, the newest or the smallest first", () => {
  const byAge = new MemoryQueue<number>();
  const newest = new MemoryQueue<number>({ order: "lifo" });
  const smallest = new MemoryQueue<number>({ order: (a, b) => a - b });
  for (const queue of [byAge, newest, smallest]) for (const item of [5, 1, 4, 1, 3]) queue.tryPut(item);
  assert.deepEqual(drained(byAge), [5, 1, 4, 1, 3]);
  assert.deepEqual(drained(newest), [3, 1, 4, 1, 5]);
  assert.deepEqual(drained(smallest), [1, 1, 3, 4, 5]);
});

test("MemoryQueue with a comparison gives what is equal in the order it came, also what came back", async () => {
  const queue = new MemoryQueue<string>({ order: (a, b) => a.length - b.length });
  for (const item of ["aa", "b", "cc", "d", "e"]) queue.tryPut(item);
  const [b, d] = [queue.tryTake()!, queue.tryTake()!];
  await d.retry();
  await b.retry();
  assert.deepEqual(drained(queue), ["b", "d", "e", "aa", "cc"]);
});

test("Q2 MemoryQueue: what comes back keeps its place in every order; after a delay it comes as if new", async () => {
  await virtually(async () => {
    for (const [order, expected] of [
      ["fifo", "a b c d | b c a"],
      ["lifo", "d c b a | a c b"],
    ] as const) {
      const queue = new MemoryQueue<string>({ order });
      for (const item of ["a", "b", "c", "d"]) queue.tryPut(item);
      const held = [queue.tryTake()!, queue.tryTake()!, queue.tryTake()!];
      for (const at of [1, 2, 0]) await held[at]!.retry();
      const first = drained(queue);
      queue.tryPut("a", { delay: 10 });
      queue.tryPut("b");
      queue.tryPut("c");
      await sleep(10);
      assert.equal(`${first.join(" ")} | ${drained(queue).join(" ")}`, expected);
    }
  });
});

test("MemoryQueue does what a sorted list does, in any sequence of calls", async () => {
  for (const order of ["fifo", "lifo", (a: number, b: number) => (a % 7) - (b % 7)] as const) {
    const random = randomFrom(11);
    const queue = new MemoryQueue<number>({ order });
    const before = (a: number, b: number) =>
      order === "fifo" ? a - b : order === "lifo" ? b - a : order(a, b) === 0 ? a - b : order(a, b);
    let model: number[] = [];
    const held: Lease<number>[] = [];
    for (let step = 0; step < 2000; step++) {
      const call = random(10);
      if (call < 4) {
        queue.tryPut(step);
        model = [...model, step].sort(before);
      } else if (call < 7) {
        const lease = queue.tryTake();
        assert.equal(lease?.item, model.shift());
        if (lease !== undefined) held.push(lease);
      } else if (held.length > 0) {
        const [lease] = held.splice(random(held.length), 1);
        if (call === 7) {
          await lease!.ack();
        } else {
          await (call === 8 ? lease!.retry() : lease![Symbol.asyncDispose]());
          model = [...model, lease!.item].sort(before);
        }
      }
      assert.deepEqual([queue.size, queue.statistics().leased], [model.length, held.length]);
    }
  }
});

// --- waiting

test("F1b an item goes to the first taker at once, before that runs: nobody can come between", async () => {
  await virtually(async () => {
    const queue = new MemoryQueue<string>();
    const served: string[] = [];
    await withTaskGroup(async (group) => {
      group.spawn(async () => void served.push(`first in line: ${(await queue.take()).item}`));
      await waitAllTasksBlocked();
      queue.tryPut("a");
      assert.deepEqual(queue.statistics(), { ...idle, leased: 1 });
      assert.equal(queue.tryTake(), undefined);
      queue.tryPut("b");
      served.push(`came later: ${(await queue.take()).item}`);
    });
    assert.deepEqual(served, ["first in line: a", "came later: b"]);
  });
});

test("F1b what comes back, or becomes due, goes to the first taker at once", async () => {
  await virtually(async () => {
    const queue = new MemoryQueue<string>({ leaseMs: 50 });
    const taken: string[] = [];
    const take = async () => {
      const lease = await queue.take();
      taken.push(`${lease.item} at ${now()}`);
      await lease.ack();
    };
    for (const item of ["retried", "returned", "expired"]) queue.tryPut(item);
    const [retried, returned] = [queue.tryTake()!, queue.tryTake()!, queue.tryTake()!];
    queue.tryPut("delayed", { delay: 30 });
    await withTaskGroup(async (group) => {
      for (let taker = 0; taker < 4; taker++) {
        group.spawn(take);
        await waitAllTasksBlocked();
      }
      void retried.retry();
      void returned[Symbol.asyncDispose]();
      assert.equal(queue.statistics().waitingTakes, 2);
    });
    assert.deepEqual(taken, ["retried at 0", "returned at 0", "delayed at 30", "expired at 50"]);
  });
});

test("F1a a loop and a take() stand in one line", async () => {
  await virtually(async () => {
    const queue = new MemoryQueue<string>();
    const served: Record<string, string> = {};
    await withTaskGroup(async (group) => {
      for (const name of ["one", "two", "three", "four"]) {
        group.spawn(async () => {
          const taken =
            name === "one" || name === "three"
              ? await queue.take()
              : (await queue[Symbol.asyncIterator]().next()).value!;
          served[name] = taken.item;
        });
        await waitAllTasksBlocked();
      }
      for (const item of ["a", "b", "c", "d"]) queue.tryPut(item);
    });
    assert.deepEqual(served, { one: "a", two: "b", three: "c", four: "d" });
  });
});

test("F1c tryTake() and tryPut() succeed only when nobody waits", async () => {
  await virtually(async () => {
    const queue = new MemoryQueue<string>({ capacity: 1 });
    assert.equal(queue.tryTake(), undefined);
    assert.equal(queue.tryPut("a"), true);
    assert.equal(queue.tryPut("b"), false);
    await withTaskGroup(async (group) => {
      group.spawn(() => queue.put("b"));
      await waitAllTasksBlocked();
      const a = queue.tryTake();
      assert.equal(a?.item, "a");
      assert.deepEqual(queue.statistics(), { ...idle, ready: 1, leased: 1 });
      assert.equal(queue.tryPut("c"), false);
      assert.equal(queue.tryTake()?.item, "b");
    });
  });
});

test("F1a F1c MemoryQueue lets in those who put in the order they came, and nobody past one with a delay", async () => {
  await virtually(async () => {
    const queue = new MemoryQueue<string>({ capacity: 1 });
    queue.tryPut("a", { delay: 50 });
    await withTaskGroup(async (group) => {
      const late = group.spawn(() => queue.put("late", { delay: 10 }));
      await waitAllTasksBlocked();
      const next = group.spawn(() => queue.put("next"));
      await waitAllTasksBlocked();
      const taker = group.spawn(() => queue.take());
      await waitAllTasksBlocked();
      assert.deepEqual([late.status, next.status, queue.tryPut("no")], ["running", "running", false]);
      late.cancel();
      assert.equal((await taker).item, "next");
      assert.equal(now(), 0);
    });
    assert.equal((await queue.take()).item, "a");
    assert.equal(now(), 50);
  });
});

test("MemoryQueue: an item that somebody waits for needs no room", async () => {
  await virtually(async () => {
    const queue = new MemoryQueue<string>({ capacity: 1 });
    queue.tryPut("later", { delay: 50 });
    await withTaskGroup(async (group) => {
      const waiting = group.spawn(() => queue.put("waits for a taker"));
      await waitAllTasksBlocked();
      assert.equal((await queue.take()).item, "waits for a taker");
      await waiting;
      const taker = group.spawn(() => queue.take());
      await waitAllTasksBlocked();
      assert.equal(queue.tryPut("a", { delay: 10 }), false);
      assert.equal(queue.tryPut("a"), true);
      assert.equal((await taker).item, "a");
      assert.equal(now(), 0);
    });
  });
});

test("C3a MemoryQueue.take() cut in the step in which an item comes: the item goes to the next, or stays", async () => {
  await virtually(async () => {
    const queue = new MemoryQueue<string>();
    await withTaskGroup(async (group) => {
      const first = group.spawn(() => queue.take());
      const second = group.spawn(() => queue.take());
      await waitAllTasksBlocked();
      first.cancel();
      queue.tryPut("a");
      assert.equal((await second).item, "a");
      const loop = group.spawn(() => queue[Symbol.asyncIterator]().next());
      await waitAllTasksBlocked();
      loop.cancel();
      queue.tryPut("b");
      assert.deepEqual(queue.statistics(), { ...idle, ready: 1, leased: 1 });
    });
  });
});

test("C3b an item lent in the step before its taker is cut is that taker's", async () => {
  for (const iterate of [false, true]) {
    await virtually(async () => {
      const queue = new MemoryQueue<string>();
      let given: Lease<string> | undefined;
      await withTaskGroup(async (group) => {
        const taker = group.spawn(async () => {
          given = iterate ? (await queue[Symbol.asyncIterator]().next()).value : await queue.take();
          await checkpoint();
        });
        await waitAllTasksBlocked();
        queue.tryPut("a");
        taker.cancel();
        assert.equal((await taker.outcome()).status, "cancelled");
      });
      assert.equal(given?.state, "held");
      await given[Symbol.asyncDispose]();
      assert.deepEqual(queue.statistics(), { ...idle, ready: 1 });
    });
  }
});

test("C3b a put() let in in the step before it is cut has put its item", async () => {
  await virtually(async () => {
    const queue = new MemoryQueue<string>({ capacity: 1 });
    queue.tryPut("a");
    await withTaskGroup(async (group) => {
      const putter = group.spawn(async () => {
        await queue.put("b");
        return "put";
      });
      await waitAllTasksBlocked();
      assert.equal(queue.tryTake()?.item, "a");
      putter.cancel();
      assert.equal(await putter, "put");
    });
    assert.equal(queue.tryTake()?.item, "b");
  });
});

test("C3a MemoryQueue.put() cut in the step in which there is room adds nothing, and lets the next one in", async () => {
  await virtually(async () => {
    const queue = new MemoryQueue<string>({ capacity: 1 });
    queue.tryPut("a");
    await withTaskGroup(async (group) => {
      const cut = group.spawn(() => queue.put("b"));
      await waitAllTasksBlocked();
      const next = group.spawn(() => queue.put("c"));
      await waitAllTasksBlocked();
      cut.cancel();
      queue.tryTake();
      await next;
    });
    assert.deepEqual(drained(queue), ["c"]);
  });
});

test("C3a C3b takers and putters cut in whatever order: no item is lost or given twice", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = randomFrom(seed);
    await virtually(async () => {
      const queue = new MemoryQueue<number>({
        capacity: 1 + random(3),
        leaseMs: random(2) === 0 ? Infinity : 4,
        order: (["fifo", "lifo", (a: number, b: number) => a - b] as const)[random(3)]!,
      });
      const put: number[] = [];
      const acked: number[] = [];
      const take = async () => {
        for await (await using lease of queue) {
          await sleep(random(5));
          // one that has expired belongs to another now
          if (lease.state === "held") await lease.ack().then(() => acked.push(lease.item));
        }
      };
      await withTaskGroup(async (group) => {
        const tasks = Array.from({ length: 16 }, (_, number) => {
          const [before, delay] = [random(5), random(2) * random(6)];
          return group.spawn(async () => {
            if (number % 4 === 0) return take();
            await sleep(before);
            await queue.put(number, { delay });
            put.push(number);
          });
        });
        for (let turn = 0; turn < 10; turn++) {
          await sleep(1);
          tasks[random(16)]!.cancel();
          if (random(2) === 0) for (let steps = random(4); steps > 0; steps--) await null;
        }
        const rest = group.spawn(take);
        await sleep(100);
        await queue.close();
        await rest;
      });
      const byNumber = (a: number, b: number) => a - b;
      assert.deepEqual(acked.sort(byNumber), put.sort(byNumber), `seed ${seed}`);
      assert.deepEqual(queue.statistics(), { ...idle, done: put.length }, `seed ${seed}`);
    });
  }
});

test("MemoryQueue.put() with a delay that has to wait for room counts it from then", async () => {
  await virtually(async () => {
    const queue = new MemoryQueue<string>({ capacity: 1 });
    queue.tryPut("a");
    await withTaskGroup(async (group) => {
      group.spawn(() => queue.put("b", { delay: 20 }));
      await sleep(50);
      queue.tryTake();
      assert.deepEqual(queue.statistics(), { ...idle, delayed: 1, leased: 1 });
      assert.equal((await queue.take()).item, "b");
      assert.equal(now(), 70);
    });
  });
});

// --- closing

test("Q3 MemoryQueue.close({ now: true }) drops what is not held, counted as done, and later what comes back", async () => {
  await virtually(async () => {
    const queue = new MemoryQueue<string>({ leaseMs: 50 });
    for (const item of ["a", "b", "c", "d"]) queue.tryPut(item);
    queue.tryPut("late", { delay: 10 });
    const [a, b, c] = [queue.tryTake()!, queue.tryTake()!, queue.tryTake()!];
    await withTaskGroup(async (group) => {
      const joined = group.spawn(() => queue.join());
      await waitAllTasksBlocked();
      void queue.close();
      void queue.close({ now: true });
      assert.deepEqual(queue.statistics(), { ...idle, leased: 3, dropped: 2, waitingJoins: 1 });
      await a.retry();
      await b[Symbol.asyncDispose]();
      await queue.close({ now: true });
      await waitAllTasksBlocked();
      assert.equal(joined.status, "running");
      await sleep(50);
      assert.equal(c.state, "expired");
      await joined;
    });
    assert.deepEqual(queue.statistics(), { ...idle, dropped: 5 });
    assert.equal(queue.tryTake(), undefined);
  });
});

test("MemoryQueue.tryPut() throws ClosedError after close(), with the queue's name", async () => {
  const queue = new MemoryQueue<string>({ name: "mail" });
  await queue.close();
  assert.throws(() => queue.tryPut("a"), ClosedError);
  await assert.rejects(queue.put("a"), { message: "Cannot put into queue 'mail': it is closed" });
  await assert.rejects(queue.take(), EndOfStream);
  assert.equal(queue.tryTake(), undefined);
});

test("MemoryQueue: `await using` closes it now", async () => {
  let left: MemoryQueue<string>;
  {
    await using queue = new MemoryQueue<string>();
    queue.tryPut("a");
    left = queue;
  }
  assert.deepEqual(left.statistics(), { ...idle, dropped: 1 });
  await assert.rejects(left.take(), EndOfStream);
});

test("C11c a loop over a queue ends with what it holds when its scope drains, however many wait", async () => {
  await virtually(async () => {
    const queue = new MemoryQueue<number>();
    for (let number = 0; number < 10; number++) queue.tryPut(number);
    let done = 0;
    await withTaskGroup(async (group) => {
      const workers = Array.from({ length: 3 }, () =>
        group.spawn(async () => {
          for await (await using lease of queue) {
            await sleep(10);
            done++;
            await lease.ack();
          }
        }),
      );
      await sleep(15);
      group.drain(1000);
      for (const worker of workers) await worker;
      assert.equal(now(), 20);
    });
    assert.equal(done, 6);
    assert.deepEqual(queue.statistics(), { ...idle, ready: 4, done: 6 });
  });
});

test("C11c an item put in the step in which the scope drains is not taken by the loop, nor lost", async () => {
  for (const order of ["put first", "drain first"]) {
    await virtually(async () => {
      const queue = new MemoryQueue<string>();
      await withTaskGroup(async (group) => {
        const loop = group.spawn(() => queue[Symbol.asyncIterator]().next());
        await waitAllTasksBlocked();
        if (order === "put first") queue.tryPut("a");
        group.drain(1000);
        if (order === "drain first") queue.tryPut("a");
        assert.equal((await loop).value?.item, order === "put first" ? "a" : undefined);
      });
      assert.equal(queue.size, order === "put first" ? 0 : 1);
    });
  }
});

// --- reports, arguments

test("MemoryQueue says what it has, and who holds what is waited for", async () => {
  await virtually(async () => {
    const queue = new MemoryQueue<string>({ name: "jobs" });
    assert.equal(queue.describe(), "queue 'jobs' (0 ready, 0 leased)");
    queue.tryPut("a");
    queue.tryPut("b");
    queue.tryPut("c", { delay: 10 });
    await withTaskGroup(async (group) => {
      const worker = group.spawn(
        async () => {
          await queue.take();
        },
        { name: "worker" },
      );
      await worker;
      assert.deepEqual([...queue.holders()], [worker]);
      assert.equal(queue.describe(), "queue 'jobs' (1 ready, 1 delayed, 1 leased)");
    });
    assert.equal(new MemoryQueue().describe(), "queue (0 ready, 0 leased)");
  });
});

test("MemoryQueue rejects options that make no sense, and names them", async () => {
  const wrong: [MemoryQueueOptions<string>, RegExp][] = [
    [{ capacity: 0 }, /^RangeError: Cannot use 0 as capacity of queue: wanted a whole number from 1, or Infinity$/],
    [{ capacity: 1.5 }, /^RangeError/],
    [{ capacity: Number.NaN }, /^RangeError/],
    [{ capacity: "3" as never }, /^TypeError: Cannot use "3" as capacity/],
    [{ leaseMs: 0, name: "jobs" }, /^RangeError: Cannot use 0 as leaseMs of queue 'jobs'/],
    [{ leaseMs: Number.NaN }, /^RangeError/],
    [{ maxAttempts: 0 }, /^RangeError: Cannot use 0 as maxAttempts/],
    [{ onReject: "log" as never }, /^TypeError: Cannot use "log" as onReject/],
    [{ order: "random" as never }, /^TypeError: Cannot use "random" as order/],
  ];
  for (const [options, message] of wrong) assert.throws(() => new MemoryQueue(options), message);

  const queue = new MemoryQueue<string>();
  for (const delay of [-1, Number.NaN, Infinity]) {
    await assert.rejects(queue.put("a", { delay }), RangeError);
    assert.throws(() => queue.tryPut("a", { delay }), RangeError);
  }
  queue.tryPut("a");
  const lease = await queue.take();
  await assert.rejects(lease.retry({ delay: -1 }), RangeError);
  await assert.rejects(lease.retry({ delay: "1" as never }), TypeError);
  await assert.rejects(lease.extend(Number.NaN), RangeError);
  await assert.rejects(lease.extend(-1), RangeError);
  assert.equal(lease.state, "held");
});

test("MemoryQueue: a comparison that throws for an item keeps it out", async () => {
  const queue = new MemoryQueue<{ size: number }>({ order: (a, b) => a.size - b.size });
  queue.tryPut({ size: 2 });
  await assert.rejects(queue.put(undefined as never), TypeError);
  assert.throws(() => queue.tryPut(null as never), TypeError);
  queue.tryPut({ size: 1 });
  assert.deepEqual(drained(queue), [{ size: 1 }, { size: 2 }]);
});

test("MemoryQueue works outside of every task, also with delays", async () => {
  const queue = new MemoryQueue<string>();
  const taking = queue.take();
  await queue.put("a", { delay: 5 });
  const lease = await taking;
  assert.equal(lease.item, "a");
  await lease.ack();
  assert.equal(await moveOnAfter(5, () => queue.take()), undefined);
  assert.deepEqual(queue.statistics(), { ...idle, done: 1 });
});

test("MemoryQueue: a comparison that throws is the matter of who puts, and no item is lost or doubled", async () => {
  await virtually(async () => {
    const order = (a: unknown, b: unknown): number => Math.sign((a as number) - (b as number));
    const queue = new MemoryQueue<unknown>({ order, capacity: 2 });
    await queue.put(2);
    await queue.put(1);
    await withTaskGroup(async (group) => {
      const putting = group.attempt(() => queue.put(5n));
      await waitAllTasksBlocked();
      const lease = await queue.take();
      assert.equal(lease.item, 1);
      await assert.rejects(Promise.resolve(putting), TypeError);
      await lease.ack();
    });
    await assert.rejects(queue.put(7n), TypeError);
    assert.deepEqual(drained(queue), [2]);
    assert.deepEqual(queue.statistics(), { ...idle, done: 2 });
  });
});
