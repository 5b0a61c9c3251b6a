/** What becomes of what was taken: leases, time, dead letters. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { program, runFile } from "../../test/child.ts";
import { collectGarbage } from "../../test/collect-garbage.ts";
import { virtually } from "../../test/virtual.ts";
import {
  CancelledError,
  ClosedError,
  InvalidStateError,
  now,
  race,
  sleep,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";
import { MemoryQueue, type DeadLetter } from "./index.ts";

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

// --- leases and time

test("C3d MemoryQueue settles leases and closes before the call returns, also in a cancelled scope", async () => {
  const queue = new MemoryQueue<string>();
  for (const item of ["a", "b", "c", "d"]) queue.tryPut(item);
  const [a, b, c, d] = [queue.tryTake()!, queue.tryTake()!, queue.tryTake()!, queue.tryTake()!];
  await withCancelScope(async (scope) => {
    scope.cancel();
    void a.ack();
    void b.retry();
    void c.reject();
    void d[Symbol.asyncDispose]();
    void queue.close();
  });
  assert.deepEqual(queue.statistics(), { ...idle, ready: 2, done: 1, rejected: 1 });
  assert.throws(() => queue.tryPut("e"), ClosedError);
  assert.deepEqual([a.state, b.state, c.state, d.state], ["acked", "retried", "rejected", "returned"]);
});

test("MemoryQueue: a lease may outlive the task that took it", async () => {
  await virtually(async () => {
    const [left, right] = [new MemoryQueue<string>(), new MemoryQueue<string>()];
    right.tryPut("a");
    const lease = await race([() => left.take(), () => right.take()]);
    assert.equal(lease.state, "held");
    await lease.ack();
    assert.deepEqual(left.statistics(), idle);
    assert.deepEqual(right.statistics(), { ...idle, done: 1 });
  });
});

test("Q1 MemoryQueue: a lease ends by the time, whether or not somebody waits and has seen to it", async () => {
  await virtually(async () => {
    const queue = new MemoryQueue<string>({ leaseMs: 50, maxAttempts: 2 });
    queue.tryPut("a");
    const lease = await queue.take();
    await sleep(49);
    assert.equal(lease.state, "held");
    await sleep(1);
    await assert.rejects(lease.ack(), {
      name: "InvalidStateError",
      message: "Cannot ack an item of queue: the lease has expired, and the item has gone back",
    });
    assert.equal(queue.size, 1);
    const again = queue.tryTake();
    assert.equal(again?.attempt, 2);
    await sleep(50);
    assert.deepEqual(queue.statistics(), { ...idle, rejected: 1 });
  });
});

test("MemoryQueue watches time only while somebody waits, and then until the next that is due", async () => {
  const clock = await virtually(async () => {
    const queue = new MemoryQueue<string>({ leaseMs: 1000 });
    queue.tryPut("a");
    queue.tryPut("b");
    queue.tryPut("late", { delay: 5000 });
    const [a, b] = [queue.tryTake()!, queue.tryTake()!];
    const times: number[] = [];
    await withTaskGroup(async (group) => {
      const taker = group.spawn(async () => {
        await queue.take();
        times.push(now());
      });
      await sleep(10);
      await a.ack();
      await b.extend(3000);
      taker.cancel();
      await taker.outcome();
    });
    // Nobody waits: time does not go on by itself.
    await waitAllTasksBlocked();
    times.push(now());
    assert.equal((await queue.take()).item, "b");
    times.push(now());
    assert.deepEqual(times, [10, 3010]);
    return now();
  });
  assert.equal(clock, 3010);
});

test("MemoryQueue keeps the process alive for a delayed item that somebody waits for, and for nothing else", async () => {
  const waits = await runFile(program("queues.ts"), ["a delayed item is waited for"]);
  assert.deepEqual(waits, { code: 0, stdout: "late\n", stderr: "" });
  const left = await runFile(program("queues.ts"), ["nobody waits for a delayed item"]);
  assert.deepEqual(left, { code: 0, stdout: "left\n", stderr: "" });
});

test("R3b a lease that is left behind is named with its task in the deadlock report", async () => {
  const { code, stderr } = await runFile(program("queues.ts"), ["a lease is left behind"]);
  assert.equal(code, 70, stderr);
  assert.match(stderr, /waits for all items of queue 'jobs' \(0 ready, 1 leased\) to be done, held by task 'leaky'$/m);
});

test("MemoryQueue does not keep what is settled until it would have expired", async () => {
  await virtually(async () => {
    const queue = new MemoryQueue<object>({ leaseMs: 3_600_000 });
    const items: WeakRef<object>[] = [];
    for (let number = 0; number < 5000; number++) {
      queue.tryPut({ number });
      const lease = queue.tryTake()!;
      items.push(new WeakRef(lease.item));
      await lease.ack();
    }
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    const alive = items.filter((item) => item.deref() !== undefined).length;
    assert.ok(alive < 2500, `${alive} of 5000 alive`);
    assert.equal(queue.statistics().done, 5000);
  });
});

// --- dead letters

test("Q1 MemoryQueue: onReject is called before the call returns, and may put the item back", async () => {
  await virtually(async () => {
    const letters: DeadLetter<string>[] = [];
    const queue: MemoryQueue<string> = new MemoryQueue({
      onReject(letter) {
        letters.push(letter);
        queue.tryPut(`${letter.item} again`);
      },
    });
    queue.tryPut("a");
    await withTaskGroup(async (group) => {
      const joined = group.spawn(() => queue.join());
      const lease = await queue.take();
      void lease.reject("no");
      assert.deepEqual(letters, [{ item: "a", attempt: 1, reason: "no" }]);
      await waitAllTasksBlocked();
      assert.equal(joined.status, "running");
      await (await queue.take()).ack();
      await joined;
    });
  });
});

test("MemoryQueue: what onReject throws fails the task that made the queue, not the worker", async () => {
  const { code, stdout, stderr } = await runFile(program("queues.ts"), ["a dead letter is too much"]);
  assert.deepEqual([code, stdout, stderr], [0, "worked\nError: no room for dead letters true\n", ""]);
});

test("C3a Lease.extend() cut on entry has no effect", async () => {
  await virtually(async () => {
    const queue = new MemoryQueue<string>({ leaseMs: 50 });
    queue.tryPut("a");
    const lease = await queue.take();
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(lease.extend(1000), CancelledError);
    });
    await sleep(50);
    assert.equal(lease.state, "expired");
    await assert.rejects(lease.extend(10), InvalidStateError);
  });
});

test("Q1 Q3 MemoryQueue.join() sees the last lease expire, though nobody takes", async () => {
  await virtually(async () => {
    for (const closing of ["open", "closed", "closed now"]) {
      const letters: DeadLetter<string>[] = [];
      const queue = new MemoryQueue<string>({
        leaseMs: 50,
        maxAttempts: 1,
        onReject: (letter) => letters.push(letter),
      });
      await queue.put("item");
      await queue.take();
      const start = now();
      if (closing !== "open") await queue.close({ now: closing === "closed now" });
      await queue.join();
      assert.equal(now() - start, 50);
      assert.equal(letters.length, 1);
      assert.deepEqual(queue.statistics(), { ...idle, rejected: 1 });
    }
  });
});
