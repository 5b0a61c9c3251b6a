/** What every home of a queue must do, in memory, on disk or on a broker: `queueConformance("MemoryQueue", (options) => …)`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CancelledError,
  checkpoint,
  ClosedError,
  EndOfStream,
  InvalidStateError,
  moveOnAfter,
  now,
  sleep,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
} from "../src/index.ts";
import type { DeadLetter, Lease, Queue, QueueOptions } from "../src/queues/index.ts";
import { waitAllTasksBlocked } from "../src/testing/index.ts";
import { randomFrom } from "./random.ts";
import { virtually } from "./virtual.ts";

/** A new, empty queue; items are plain data. */
export type MakeQueue = <T>(options: QueueOptions<T>) => Queue<T> | Promise<Queue<T>>;

export interface QueueTraits {
  /** How a test is run: in virtual time, unless the home has a time of its own. */
  readonly run?: <T>(main: () => T | PromiseLike<T>) => Promise<T>;
  /** How far the home's time may be off that of the run, in milliseconds; default 0. */
  readonly skew?: number;
  /** Whether it knows a capacity; default true. */
  readonly bounded?: boolean;
}

const idle = { ready: 0, delayed: 0, leased: 0, waitingPuts: 0, waitingTakes: 0, waitingJoins: 0 };

/** The statistics without what only counts up. */
function stateOf(queue: Queue<unknown>): typeof idle {
  const { ready, delayed, leased, waitingPuts, waitingTakes, waitingJoins } = queue.statistics();
  return { ready, delayed, leased, waitingPuts, waitingTakes, waitingJoins };
}

async function takeAndAck<T>(queue: Queue<T>): Promise<T> {
  const lease = await queue.take();
  await lease.ack();
  return lease.item;
}

async function putAll<T>(queue: Queue<T>, items: readonly T[]): Promise<void> {
  for (const item of items) await queue.put(item);
}

export function queueConformance(name: string, makeQueue: MakeQueue, traits: QueueTraits = {}): void {
  const { run = virtually, skew = 0, bounded = true } = traits;

  /** A test with a queue of its own, at the end of which nobody waits for it any more. */
  function queueTest(title: string, body: (queue: Queue<string>) => Promise<void>): void {
    queueTestWith(title, {}, body);
  }

  function queueTestWith<T = string>(
    title: string,
    options: QueueOptions<T>,
    body: (queue: Queue<T>) => Promise<void>,
  ): void {
    test(`${name}: ${title}`, async () => {
      await run(async () => {
        await using queue = await makeQueue(options);
        await body(queue);
        const { waitingPuts, waitingTakes, waitingJoins } = queue.statistics();
        assert.deepEqual([waitingPuts, waitingTakes, waitingJoins], [0, 0, 0]);
      });
    });
  }

  function notEarlier(since: number, ms: number): void {
    assert.ok(now() - since >= ms - skew, `${now() - since} ms in place of ${ms}`);
  }

  // --- put and take

  queueTest("items come out in the order they went in", async (queue) => {
    await putAll(queue, ["a", "b", "c"]);
    assert.equal(queue.size, 3);
    assert.deepEqual([await takeAndAck(queue), await takeAndAck(queue), await takeAndAck(queue)], ["a", "b", "c"]);
    assert.deepEqual(stateOf(queue), idle);
    assert.equal(queue.statistics().done, 3);
  });

  queueTestWith<unknown>("whatever is plain data is an item", {}, async (queue) => {
    const items = [null, 0, "", false, [1, [2]], { a: { b: "ü" } }];
    await putAll(queue, items);
    for (const item of items) assert.deepEqual(await takeAndAck(queue), item);
  });

  queueTest("take() waits until there is an item, and lends it", async (queue) => {
    await withTaskGroup(async (group) => {
      const taker = group.spawn(() => queue.take());
      await waitAllTasksBlocked();
      assert.equal(taker.status, "running");
      await queue.put("a");
      const lease = await taker;
      assert.deepEqual([lease.item, lease.attempt, lease.state], ["a", 1, "held"]);
      assert.deepEqual(stateOf(queue), { ...idle, leased: 1 });
      await lease.ack();
      assert.equal(lease.state, "acked");
      assert.deepEqual(stateOf(queue), idle);
    });
  });

  queueTest("F1a take() serves those who wait in the order they came", async (queue) => {
    const served: string[] = [];
    await withTaskGroup(async (group) => {
      for (const taker of ["first", "second", "third"]) {
        group.spawn(async () => {
          served.push(`${taker}: ${await takeAndAck(queue)}`);
        });
        await waitAllTasksBlocked();
      }
      await putAll(queue, ["a", "b", "c"]);
      await queue.join();
    });
    assert.deepEqual(served, ["first: a", "second: b", "third: c"]);
  });

  if (bounded) {
    queueTestWith("put() waits while the queue is full, first come first served", { capacity: 2 }, async (queue) => {
      await putAll(queue, ["a", "b"]);
      await withTaskGroup(async (group) => {
        const c = group.spawn(() => queue.put("c"));
        await waitAllTasksBlocked();
        const d = group.spawn(() => queue.put("d"));
        await waitAllTasksBlocked();
        assert.deepEqual([c.status, d.status, queue.size], ["running", "running", 2]);
        const lease = await queue.take();
        await c;
        await waitAllTasksBlocked();
        assert.equal(d.status, "running");
        await lease.ack();
        for (const item of ["b", "c", "d"]) assert.equal(await takeAndAck(queue), item);
      });
      assert.deepEqual(stateOf(queue), idle);
    });

    queueTestWith("Q2 a retry comes back into a full queue without waiting", { capacity: 1 }, async (queue) => {
      await queue.put("a");
      const lease = await queue.take();
      await queue.put("b");
      await lease.retry();
      assert.equal(queue.size, 2);
      assert.deepEqual([await takeAndAck(queue), await takeAndAck(queue)], ["a", "b"]);
    });

    queueTestWith("C3a put() cut while it waits for room adds nothing", { capacity: 1 }, async (queue) => {
      await queue.put("a");
      assert.equal(await moveOnAfter(20, () => queue.put("b").then(() => "put")), undefined);
      assert.equal(await takeAndAck(queue), "a");
      assert.deepEqual(stateOf(queue), idle);
    });

    queueTestWith("close() fails the puts that wait for room", { capacity: 1 }, async (queue) => {
      await queue.put("a");
      await withTaskGroup(async (group) => {
        const put = group.attempt(() => queue.put("b"));
        await waitAllTasksBlocked();
        await queue.close();
        await assert.rejects(Promise.resolve(put), ClosedError);
      });
      assert.equal(await takeAndAck(queue), "a");
      await assert.rejects(queue.take(), EndOfStream);
    });
  }

  queueTest("a delayed item is not there before its time, and lets others pass", async (queue) => {
    const started = now();
    await queue.put("late", { delay: 60 });
    await queue.put("at once");
    assert.deepEqual(stateOf(queue), { ...idle, ready: 1, delayed: 1 });
    assert.equal(await takeAndAck(queue), "at once");
    assert.equal(await takeAndAck(queue), "late");
    notEarlier(started, 60);
    assert.deepEqual(stateOf(queue), idle);
  });

  queueTest("delayed items wake who waits when their time has come, the earliest first", async (queue) => {
    const served: string[] = [];
    await withTaskGroup(async (group) => {
      for (const taker of ["first", "second"]) {
        group.spawn(async () => {
          served.push(`${taker}: ${await takeAndAck(queue)}`);
        });
        await waitAllTasksBlocked();
      }
      await queue.put("later", { delay: 90 });
      await queue.put("sooner", { delay: 40 });
    });
    assert.deepEqual(served, ["first: sooner", "second: later"]);
  });

  // --- cancellation

  queueTest("C3a put() and take() cut on entry have had no effect", async (queue) => {
    await queue.put("a");
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(queue.put("b"), CancelledError);
    });
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(queue.take(), CancelledError);
    });
    assert.deepEqual(stateOf(queue), { ...idle, ready: 1 });
    assert.equal(await takeAndAck(queue), "a");
  });

  queueTest("C3a take() cut while it waits takes nothing", async (queue) => {
    await withTaskGroup(async (group) => {
      const cut = group.spawn(() => queue.take());
      await waitAllTasksBlocked();
      const other = group.spawn(() => takeAndAck(queue));
      await waitAllTasksBlocked();
      cut.cancel();
      await queue.put("a");
      assert.equal(await other, "a");
      assert.equal((await cut.outcome()).status, "cancelled");
    });
    assert.deepEqual(stateOf(queue), idle);
  });

  queueTest("C2b take() and iterating throw in cleanup after a cancellation, and take nothing", async (queue) => {
    await queue.put("a");
    await withCancelScope(async (scope) => {
      scope.cancel();
      await checkpoint().catch(() => undefined);
      await checkpoint();
      await assert.rejects(queue.take(), CancelledError);
      await assert.rejects(Promise.resolve(queue[Symbol.asyncIterator]().next()), CancelledError);
      await queue.put("b");
    });
    assert.deepEqual([await takeAndAck(queue), await takeAndAck(queue)], ["a", "b"]);
  });

  for (const settle of ["ack", "retry", "reject", Symbol.asyncDispose] as const) {
    queueTest(`C3d ${String(settle)} of a lease begins also in a cancelled scope`, async (queue) => {
      await queue.put("a");
      const lease = await queue.take();
      await withCancelScope(async (scope) => {
        scope.cancel();
        await lease[settle]();
      });
      assert.equal(queue.statistics().leased, 0);
      assert.notEqual(lease.state, "held");
    });
  }

  // --- leases

  queueTest("Q2 a retried item comes again, in its place, with the next attempt number", async (queue) => {
    await putAll(queue, ["a", "b"]);
    const first = await queue.take();
    await first.retry();
    assert.equal(first.state, "retried");
    const second = await queue.take();
    assert.deepEqual([second.item, second.attempt], ["a", 2]);
    await second.ack();
    assert.equal(await takeAndAck(queue), "b");
  });

  queueTest("Q2 an item retried with a delay lets others pass, and is not there before its time", async (queue) => {
    await putAll(queue, ["a", "b"]);
    const started = now();
    await (await queue.take()).retry({ delay: 60 });
    assert.deepEqual(stateOf(queue), { ...idle, ready: 1, delayed: 1 });
    assert.equal(await takeAndAck(queue), "b");
    const again = await queue.take();
    notEarlier(started, 60);
    assert.deepEqual([again.item, again.attempt], ["a", 2]);
    await again.ack();
  });

  queueTest("Q1 a lease that is disposed of gives its item back, which counts as no attempt", async (queue) => {
    await putAll(queue, ["a", "b"]);
    let given: Lease<string>;
    {
      await using lease = await queue.take();
      given = lease;
    }
    assert.equal(given.state, "returned");
    const again = await queue.take();
    assert.deepEqual([again.item, again.attempt], ["a", 1]);
    await again.ack();
    await again[Symbol.asyncDispose]();
    assert.equal(again.state, "acked");
    assert.equal(await takeAndAck(queue), "b");
    assert.deepEqual(stateOf(queue), idle);
  });

  queueTest("Q1 a lease is settled once: afterwards it can do nothing any more", async (queue) => {
    for (const first of ["ack", "retry", "reject", Symbol.asyncDispose] as const) {
      await queue.put("a");
      const lease = await queue.take();
      await lease[first]();
      const before = queue.statistics();
      for (const second of ["ack", "retry", "reject"] as const)
        await assert.rejects(lease[second](), InvalidStateError);
      await assert.rejects(lease.extend(10), InvalidStateError);
      await lease[Symbol.asyncDispose]();
      assert.deepEqual(queue.statistics(), before);
      if (before.ready > 0) await takeAndAck(queue);
    }
  });

  const letters: DeadLetter<string>[] = [];
  queueTestWith(
    "Q1 what is rejected, or has been tried maxAttempts times, is a dead letter with the reason",
    { maxAttempts: 2, onReject: (letter) => letters.push(letter) },
    async (queue) => {
      const reason = new Error("no such address");
      await putAll(queue, ["a", "b"]);
      const a = await queue.take();
      await a.reject(reason);
      assert.equal(a.state, "rejected");
      await (await queue.take()).retry({ reason: new Error("first") });
      const b = await queue.take();
      await b.retry({ delay: 10, reason });
      assert.equal(b.state, "rejected");
      await queue.join();
      assert.deepEqual(
        letters.map(({ item, attempt }) => ({ item, attempt })),
        [
          { item: "a", attempt: 1 },
          { item: "b", attempt: 2 },
        ],
      );
      for (const letter of letters) assert.equal((letter.reason as Error).message, reason.message);
      assert.equal(queue.statistics().rejected, 2);
      assert.deepEqual(stateOf(queue), idle);
    },
  );

  queueTestWith(
    "Q1 a lease that has expired can do nothing, and its item comes again",
    { leaseMs: 60 },
    async (queue) => {
      await queue.put("a");
      const started = now();
      const lease = await queue.take();
      const again = await queue.take();
      notEarlier(started, 60);
      assert.deepEqual([again.item, again.attempt, lease.state], ["a", 2, "expired"]);
      for (const settle of ["ack", "retry", "reject"] as const) {
        await assert.rejects(lease[settle](), { code: "TASKTREE_INVALID_STATE", message: /expired/ });
      }
      await assert.rejects(lease.extend(100), InvalidStateError);
      await lease[Symbol.asyncDispose]();
      await again.ack();
      assert.deepEqual(stateOf(queue), idle);
    },
  );

  queueTestWith("extend() makes a lease last longer, and never shorter", { leaseMs: 80 }, async (queue) => {
    await queue.put("a");
    const started = now();
    const lease = await queue.take();
    await lease.extend(200);
    await lease.extend(10);
    const again = await queue.take();
    notEarlier(started, 200);
    assert.equal(again.attempt, 2);
    await again.extend(Infinity);
    assert.equal(await moveOnAfter(200, () => queue.take()), undefined);
    await again.ack();
  });

  const expired: DeadLetter<string>[] = [];
  queueTestWith(
    "Q1 a last lease that expires rejects its item",
    { leaseMs: 60, maxAttempts: 1, onReject: (letter) => expired.push(letter) },
    async (queue) => {
      await queue.put("a");
      const lease = await queue.take();
      assert.equal(await moveOnAfter(200, () => queue.take()), undefined);
      assert.deepEqual([lease.state, expired.length, expired[0]?.item], ["expired", 1, "a"]);
      assert.ok(expired[0]?.reason instanceof TimeoutError);
      await queue.join();
    },
  );

  // --- join

  queueTest("Q3 join() returns at once where nothing was put, or all is done", async (queue) => {
    await queue.join();
    await queue.put("a");
    await takeAndAck(queue);
    await queue.join();
  });

  queueTest("Q3 join() waits until every item is acknowledged or rejected, not for a retry", async (queue) => {
    await putAll(queue, ["a", "b"]);
    await withTaskGroup(async (group) => {
      const joined = group.spawn(() => queue.join());
      const [a, b] = [await queue.take(), await queue.take()];
      await a.retry({ delay: 20 });
      await b.ack();
      await waitAllTasksBlocked();
      assert.equal(joined.status, "running");
      const again = await queue.take();
      await waitAllTasksBlocked();
      assert.equal(joined.status, "running");
      await again.reject();
      await joined;
    });
  });

  queueTest("join() can be cut, and has no effect", async (queue) => {
    await queue.put("a");
    assert.equal(await moveOnAfter(20, () => queue.join().then(() => "joined")), undefined);
    await takeAndAck(queue);
    await queue.join();
  });

  // --- close

  queueTest("Q3 close() ends put(); what is there may still be taken, then there is the end", async (queue) => {
    await putAll(queue, ["a", "b"]);
    await queue.close();
    await queue.close();
    await assert.rejects(queue.put("c"), ClosedError);
    const items: string[] = [];
    for await (await using lease of queue) {
      items.push(lease.item);
      await lease.ack();
    }
    assert.deepEqual(items, ["a", "b"]);
    await assert.rejects(queue.take(), EndOfStream);
    await queue.join();
  });

  queueTest("Q3 after close() takers wait for what others hold: it may come back", async (queue) => {
    await queue.put("a");
    const lease = await queue.take();
    await withTaskGroup(async (group) => {
      const first = group.spawn(() => takeAndAck(queue));
      await waitAllTasksBlocked();
      const second = group.attempt(() => queue.take());
      const loop = group.spawn(async () => {
        for await (const _ of queue) assert.fail("taken");
      });
      await waitAllTasksBlocked();
      await queue.close();
      await waitAllTasksBlocked();
      assert.equal(first.status, "running");
      await lease.retry();
      assert.equal(await first, "a");
      await assert.rejects(Promise.resolve(second), EndOfStream);
      await loop;
    });
  });

  queueTest("close() begins also in a cancelled scope", async (queue) => {
    await withCancelScope(async (scope) => {
      scope.cancel();
      await queue.close();
    });
    await assert.rejects(queue.put("a"), ClosedError);
  });

  queueTest(
    "Q3 close({ now: true }) hands nothing out any more, and leaves what is held to its holder",
    async (queue) => {
      await putAll(queue, ["a", "b", "c"]);
      const [a, b] = [await queue.take(), await queue.take()];
      await withTaskGroup(async (group) => {
        const joined = group.spawn(() => queue.join());
        await waitAllTasksBlocked();
        await queue.close({ now: true });
        assert.equal(queue.size, 0);
        await assert.rejects(queue.take(), EndOfStream);
        await assert.rejects(queue.put("d"), ClosedError);
        await waitAllTasksBlocked();
        assert.equal(joined.status, "running");
        await a.ack();
        await b.retry();
        await joined;
        await assert.rejects(queue.take(), EndOfStream);
      });
      assert.equal(queue.statistics().done, 1);
    },
  );

  queueTest("Q3 close({ now: true }) ends those who wait for an item", async (queue) => {
    await withTaskGroup(async (group) => {
      const taker = group.attempt(() => queue.take());
      const loop = group.spawn(async () => {
        for await (const _ of queue) assert.fail("taken");
      });
      await waitAllTasksBlocked();
      await queue.close({ now: true });
      await assert.rejects(Promise.resolve(taker), EndOfStream);
      await loop;
    });
  });

  // --- draining

  queueTest("C11c iterating ends when the scope drains, take() goes on", async (queue) => {
    await putAll(queue, ["a", "b"]);
    const worked: string[] = [];
    await withTaskGroup(async (group) => {
      const busy = group.spawn(async () => {
        for await (await using lease of queue) {
          worked.push(lease.item);
          group.drain(1000);
          await lease.ack();
        }
        return "ended";
      });
      assert.equal(await busy, "ended");
      assert.deepEqual(worked, ["a"]);
      assert.equal(await takeAndAck(queue), "b");
    });
  });

  queueTest("C11c iterating that waits for an item ends when the scope drains, and takes nothing", async (queue) => {
    await withTaskGroup(async (group) => {
      const loop = group.spawn(async () => {
        for await (const _ of queue) assert.fail("taken");
        return "ended";
      });
      await waitAllTasksBlocked();
      group.drain(1000);
      assert.equal(await loop, "ended");
      await queue.put("a");
      assert.equal(await takeAndAck(queue), "a");
    });
  });

  // --- all together

  test(`${name}: C3a C3b however workers are cut and fail, every item is acknowledged once and none is lost`, async () => {
    for (let seed = 1; seed <= 8; seed++) {
      await run(async () => {
        const random = randomFrom(seed);
        await using queue = await makeQueue<number>(bounded ? { capacity: 1 + random(4) } : {});
        const acked: number[] = [];
        const put: number[] = [];
        const work = async () => {
          for await (await using lease of queue) {
            await sleep(random(3));
            const fate = random(4);
            if (fate === 0) await lease.retry({ delay: random(3) });
            else if (fate === 1) continue;
            else await lease.ack().then(() => acked.push(lease.item));
          }
        };
        await withTaskGroup(async (group) => {
          const workers = Array.from({ length: 4 }, () => group.spawn(work));
          const putters = Array.from({ length: 4 }, (_, putter) =>
            group.spawn(async () => {
              for (let number = 0; number < 8; number++) {
                const item = 100 * putter + number;
                await queue.put(item, { delay: random(2) * random(5) });
                put.push(item);
                await sleep(random(3));
              }
            }),
          );
          for (let turn = 0; turn < 12; turn++) {
            await sleep(1);
            workers[random(4)]!.cancel();
            if (random(4) === 0) putters[random(4)]!.cancel();
            workers.push(group.spawn(work));
          }
          for (const putter of putters) await putter.outcome();
          await queue.close();
          await queue.join();
        });
        const byNumber = (a: number, b: number) => a - b;
        assert.deepEqual(acked.sort(byNumber), put.sort(byNumber), `seed ${seed}`);
        assert.deepEqual(stateOf(queue), idle, `seed ${seed}`);
      });
    }
  });
}
