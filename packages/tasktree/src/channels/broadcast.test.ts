import assert from "node:assert/strict";
import { test } from "node:test";
import { collected } from "../../test/collected.ts";
import { randomFrom } from "../../test/random.ts";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  Broadcast,
  BrokenError,
  CancelledError,
  checkpoint,
  ClosedError,
  EndOfStream,
  select,
  sleep,
  withCancelScope,
  withTaskGroup,
  type Subscription,
  type WhenFull,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

const idle = { subscribers: 0, full: 0, publishing: 0 };

test("H3 Broadcast gives every subscriber what was published after it subscribed", async () => {
  await virtually(async () => {
    const broadcast = new Broadcast<number>();
    await broadcast.publish(0);
    using early = broadcast.subscribe({ capacity: 9, whenFull: "wait" });
    await broadcast.publish(1);
    using late = broadcast.subscribe({ capacity: 9, whenFull: "fail" });
    assert.equal(broadcast.tryPublish(2), true);
    assert.equal(broadcast.subscribers, 2);
    broadcast.close();
    assert.deepEqual([await collected(early), await collected(late)], [[1, 2], [2]]);
  });
});

test("H3 Broadcast hands an item to subscribers that wait, whatever their policy, and buffers nothing for them", async () => {
  await virtually(async () => {
    const broadcast = new Broadcast<string>();
    await withTaskGroup(async (group) => {
      const subscriptions = (["wait", "drop oldest", "fail"] as const).map((whenFull) =>
        broadcast.subscribe({ capacity: 1, whenFull }),
      );
      const received = subscriptions.map((subscription) => group.spawn(() => subscription.receive()));
      await waitAllTasksBlocked();
      for (const text of ["a", "b"]) assert.ok(broadcast.tryPublish(text));
      for (const task of received) assert.equal(await task, "a");
      assert.deepEqual(
        subscriptions.map((subscription) => subscription.statistics()),
        subscriptions.map(() => ({ buffered: 1, receiving: 0, dropped: 0 })),
      );
      for (const subscription of subscriptions) subscription.close();
    });
    assert.deepEqual(broadcast.statistics(), idle);
  });
});

test('H3 Broadcast.publish() waits for the slowest subscriber that is to be waited for ("wait")', async () => {
  await virtually(async () => {
    const broadcast = new Broadcast<number>({ name: "prices" });
    using slow = broadcast.subscribe({ capacity: 1, whenFull: "wait" });
    using slower = broadcast.subscribe({ capacity: 1, whenFull: "wait" });
    await broadcast.publish(1);
    await withTaskGroup(async (group) => {
      const second = group.spawn(() => broadcast.publish(2));
      await waitAllTasksBlocked();
      assert.equal(broadcast.describe(), "broadcast 'prices' (2 of 2 subscribers full)");
      assert.deepEqual(broadcast.statistics(), { subscribers: 2, full: 2, publishing: 1 });
      assert.equal(await slow.receive(), 1);
      await waitAllTasksBlocked();
      assert.equal(second.status, "running");
      assert.equal(slow.tryReceive(), undefined);
      assert.deepEqual(slower.tryReceive(), { value: 1 });
      await second;
      assert.deepEqual([await slow.receive(), await slower.receive()], [2, 2]);
    });
  });
});

test('H3 a subscriber that is full loses its oldest item ("drop oldest"), which is counted', async () => {
  await virtually(async () => {
    const broadcast = new Broadcast<number>();
    using latest = broadcast.subscribe({ capacity: 2, whenFull: "drop oldest" });
    for (const item of [1, 2, 3, 4, 5]) await broadcast.publish(item);
    assert.equal(latest.dropped, 3);
    assert.deepEqual(latest.statistics(), { buffered: 2, receiving: 0, dropped: 3 });
    assert.deepEqual([await latest.receive(), await latest.receive()], [4, 5]);
    assert.equal(latest.tryReceive(), undefined);
  });
});

test('H3 a subscriber that is full is unsubscribed ("fail") and breaks after what it has buffered; the others go on', async () => {
  await virtually(async () => {
    const broadcast = new Broadcast<number>();
    using first = broadcast.subscribe({ capacity: 9, whenFull: "wait" });
    using slow = broadcast.subscribe({ capacity: 1, whenFull: "fail", name: "slow" });
    using last = broadcast.subscribe({ capacity: 9, whenFull: "wait" });
    await broadcast.publish(1);
    assert.equal(broadcast.subscribers, 3);
    await broadcast.publish(2);
    assert.equal(broadcast.subscribers, 2);
    assert.equal(await slow.receive(), 1);
    await assert.rejects(slow.receive(), BrokenError);
    assert.throws(() => slow.tryReceive(), /subscription 'slow' \(1 of 1 buffered\): it was too slow/);
    await assert.rejects(collected(slow), BrokenError);
    assert.deepEqual([first.tryReceive(), first.tryReceive()], [{ value: 1 }, { value: 2 }]);
    assert.deepEqual([last.tryReceive(), last.tryReceive()], [{ value: 1 }, { value: 2 }]);
  });
});

test("F1a concurrent publishers go in the order they came, and all subscribers see the same order", async () => {
  await virtually(async () => {
    const broadcast = new Broadcast<number>();
    const subscriptions = [1, 2, 3].map((capacity) => broadcast.subscribe({ capacity, whenFull: "wait" }));
    const received: number[][] = subscriptions.map(() => []);
    await withTaskGroup(async (group) => {
      for (let item = 0; item < 8; item++) group.spawn(() => broadcast.publish(item));
      await waitAllTasksBlocked();
      for (const [at, subscription] of subscriptions.entries()) {
        group.spawn(async () => {
          for (let count = 0; count < 8; count++) received[at]!.push(await subscription.receive());
        });
      }
    });
    for (const items of received) assert.deepEqual(items, [0, 1, 2, 3, 4, 5, 6, 7]);
    for (const subscription of subscriptions) subscription.close();
    assert.deepEqual(broadcast.statistics(), idle);
  });
});

test("F1b Broadcast: room that a subscriber makes goes to the first waiting publisher at once", async () => {
  await virtually(async () => {
    const broadcast = new Broadcast<number>();
    using subscription = broadcast.subscribe({ capacity: 1, whenFull: "wait" });
    await broadcast.publish(1);
    await withTaskGroup(async (group) => {
      group.spawn(() => broadcast.publish(2));
      group.spawn(() => broadcast.publish(3));
      await waitAllTasksBlocked();
      void subscription.receive();
      assert.deepEqual(broadcast.statistics(), { subscribers: 1, full: 1, publishing: 1 });
      assert.deepEqual((await select({ subscription })).value, 2);
      assert.deepEqual(broadcast.statistics(), { subscribers: 1, full: 1, publishing: 0 });
      assert.deepEqual(subscription.tryReceive(), { value: 3 });
    });
    assert.equal(broadcast.statistics().full, 0);
  });
});

test("F1c Broadcast.tryPublish() succeeds only when every subscriber to be waited for has room, and nobody waits", async () => {
  await virtually(async () => {
    const broadcast = new Broadcast<number>();
    using subscription = broadcast.subscribe({ capacity: 1, whenFull: "wait" });
    using other = broadcast.subscribe({ capacity: 1, whenFull: "drop oldest" });
    assert.equal(broadcast.tryPublish(1), true);
    assert.equal(broadcast.tryPublish(2), false);
    await withTaskGroup(async (group) => {
      group.spawn(() => broadcast.publish(3));
      await waitAllTasksBlocked();
      assert.deepEqual(subscription.tryReceive(), { value: 1 });
      assert.equal(broadcast.tryPublish(4), false);
      assert.deepEqual(subscription.tryReceive(), { value: 3 });
      assert.equal(broadcast.tryPublish(5), true);
    });
    assert.deepEqual([subscription.tryReceive(), other.tryReceive()], [{ value: 5 }, { value: 5 }]);
    assert.equal(other.dropped, 2);
  });
});

test("C3a Broadcast.publish() cut on entry or while it waits gives the item to no subscriber", async () => {
  await virtually(async () => {
    const broadcast = new Broadcast<number>();
    using free = broadcast.subscribe({ capacity: 9, whenFull: "wait" });
    using full = broadcast.subscribe({ capacity: 1, whenFull: "wait" });
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(broadcast.publish(0), CancelledError);
    });
    await broadcast.publish(1);
    for (const cut of [0, 1, 2]) {
      await withTaskGroup(async (group) => {
        const publishers = [10, 20, 30].map((item) => group.spawn(() => broadcast.publish(item)));
        await waitAllTasksBlocked();
        publishers[cut]!.cancel();
        assert.equal(broadcast.statistics().publishing, 2);
        assert.equal(free.statistics().buffered, 1);
        const left = [10, 20, 30].filter((_, at) => at !== cut);
        assert.deepEqual([full.tryReceive(), full.tryReceive()], [{ value: 1 }, { value: left[0] }]);
        assert.deepEqual(
          [1, 2].map(() => free.tryReceive()!.value),
          [1, left[0]],
        );
        full.tryReceive();
        free.tryReceive();
        await broadcast.publish(1);
      });
    }
    full.close();
    free.close();
    assert.deepEqual(broadcast.statistics(), idle);
  });
});

test("C3b what was published before the publisher is cancelled is published", async () => {
  await virtually(async () => {
    const broadcast = new Broadcast<number>();
    using subscription = broadcast.subscribe({ capacity: 1, whenFull: "wait" });
    await broadcast.publish(1);
    let published = false;
    await withTaskGroup(async (group) => {
      const publisher = group.spawn(async () => {
        await broadcast.publish(2);
        published = true;
        await checkpoint();
      });
      await waitAllTasksBlocked();
      subscription.tryReceive();
      publisher.cancel();
      assert.equal((await publisher.outcome()).status, "cancelled");
    });
    assert.ok(published);
    assert.deepEqual(subscription.tryReceive(), { value: 2 });
  });
});

test("C3a C3b Subscription.receive() cut on entry or in line takes nothing; what was given before a cancellation is received", async () => {
  await virtually(async () => {
    const broadcast = new Broadcast<number>();
    using subscription = broadcast.subscribe({ capacity: 1, whenFull: "wait" });
    await broadcast.publish(1);
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(subscription.receive(), CancelledError);
      await assert.rejects(subscription[Symbol.asyncIterator]().next(), CancelledError);
    });
    assert.deepEqual(broadcast.statistics(), { subscribers: 1, full: 1, publishing: 0 });
    assert.equal(await subscription.receive(), 1);
    await withTaskGroup(async (group) => {
      const cut = group.spawn(() => subscription.receive());
      const given = group.spawn(() => subscription.receive());
      await waitAllTasksBlocked();
      cut.cancel();
      assert.ok(broadcast.tryPublish(2));
      given.cancel();
      assert.equal(await given, 2);
    });
    assert.deepEqual(subscription.statistics(), { buffered: 0, receiving: 0, dropped: 0 });
  });
});

test("C2b Subscription.receive() throws in cleanup, where publish() works", async () => {
  await virtually(async () => {
    const broadcast = new Broadcast<number>();
    using subscription = broadcast.subscribe({ capacity: 2, whenFull: "wait" });
    let published = false;
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(checkpoint(), CancelledError);
      await broadcast.publish(1);
      published = true;
      await assert.rejects(subscription.receive(), CancelledError);
      await assert.rejects(subscription[Symbol.asyncIterator]().next(), CancelledError);
      await assert.rejects(select({ subscription }), CancelledError);
    });
    assert.ok(published);
    assert.equal(subscription.statistics().buffered, 1);
  });
});

test("H3 a subscription that closes while a publisher waits for it frees the publisher", async () => {
  await virtually(async () => {
    const broadcast = new Broadcast<number>();
    const forgetful = broadcast.subscribe({ capacity: 1, whenFull: "wait" });
    using other = broadcast.subscribe({ capacity: 9, whenFull: "wait" });
    await broadcast.publish(1);
    await withTaskGroup(async (group) => {
      for (const item of [2, 3]) group.spawn(() => broadcast.publish(item));
      await waitAllTasksBlocked();
      forgetful.close();
      forgetful.close();
    });
    broadcast.close();
    assert.deepEqual(await collected(other), [1, 2, 3]);
  });
});

test("H3 a subscription that was closed drops what it has and rejects who waits and who comes", async () => {
  await virtually(async () => {
    const broadcast = new Broadcast<number>();
    const subscription = broadcast.subscribe({ capacity: 2, whenFull: "fail" });
    await withTaskGroup(async (group) => {
      for (let count = 0; count < 2; count++) group.spawn(() => assert.rejects(subscription.receive(), ClosedError));
      await waitAllTasksBlocked();
      subscription.close();
    });
    const buffered = broadcast.subscribe({ capacity: 2, whenFull: "wait" });
    await broadcast.publish(1);
    buffered[Symbol.dispose]();
    await assert.rejects(buffered.receive(), ClosedError);
    assert.throws(() => buffered.tryReceive(), ClosedError);
    await broadcast.publish(2);
    assert.deepEqual(broadcast.statistics(), idle);
  });
});

test("Broadcast.close() ends subscriptions after what they have buffered, and rejects publishers", async () => {
  await virtually(async () => {
    for (const cause of [undefined, new Error("the feed broke"), null]) {
      const broadcast = new Broadcast<number>();
      const full = broadcast.subscribe({ capacity: 1, whenFull: "wait" });
      const empty = broadcast.subscribe({ capacity: 9, whenFull: "wait" });
      await broadcast.publish(1);
      empty.tryReceive();
      await withTaskGroup(async (group) => {
        const error = group.spawn(() => rejection(broadcast.publish(2)));
        const end = group.spawn(() => rejection(empty.receive()));
        await waitAllTasksBlocked();
        broadcast.close(cause);
        broadcast.close(new Error("only the first call counts"));
        assert.ok((await error) instanceof ClosedError);
        assert.equal(((await error) as Error).cause, cause);
        if (cause === undefined) assert.ok((await end) instanceof EndOfStream);
        else assert.equal(await end, cause);
      });
      assert.deepEqual(broadcast.statistics(), idle);
      await assert.rejects(broadcast.publish(3), ClosedError);
      assert.throws(() => broadcast.tryPublish(3), ClosedError);
      assert.throws(() => broadcast.subscribe({ capacity: 1, whenFull: "wait" }), ClosedError);
      assert.equal(await full.receive(), 1);
      if (cause === undefined) assert.deepEqual(await collected(full), []);
      else assert.equal(await rejection(collected(full)), cause);
      full.close();
      await assert.rejects(full.receive(), ClosedError);
      assert.deepEqual(broadcast.statistics(), idle);
    }
  });
});

test("Broadcast.subscribe() rejects options that make no sense", () => {
  const broadcast = new Broadcast<number>();
  for (const capacity of [0, -1, 1.5, Number.NaN, undefined as unknown as number]) {
    assert.throws(() => broadcast.subscribe({ capacity, whenFull: "wait" }), RangeError);
  }
  for (const whenFull of ["drop", undefined] as unknown as WhenFull[]) {
    assert.throws(() => broadcast.subscribe({ capacity: 1, whenFull }), TypeError);
  }
  assert.equal(broadcast.subscribers, 0);
});

test("C3a C3b whatever is published, received and cancelled, all subscribers see one order, and none of theirs is missing", async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = randomFrom(seed);
    await virtually(async () => {
      const broadcast = new Broadcast<number>();
      const published = new Set<number>();
      const steady: { subscription: Subscription<number>; received: number[] }[] = [];
      const stretches: number[][] = [];
      let next = 0;
      await withTaskGroup(async (group) => {
        for (let count = 0; count < 3; count++) {
          const subscription = broadcast.subscribe({ capacity: 1 + random(3), whenFull: "wait" });
          const received: number[] = [];
          steady.push({ subscription, received });
          group.spawn(async () => {
            for await (const item of subscription) {
              received.push(item);
              if (random(2) === 0) await sleep(random(2));
            }
          });
        }
        for (const whenFull of ["wait", "fail", "drop oldest"] as const) {
          group.spawn(async () => {
            for (let round = 0; round < 4; round++) {
              await sleep(random(4));
              using passing = broadcast.subscribe({ capacity: 1 + random(2), whenFull });
              await sleep(random(4));
              const seen: number[] = [];
              for (let got = tryNext(passing); got !== undefined; got = tryNext(passing)) seen.push(got.value);
              stretches.push(seen);
            }
          });
        }
        const publishers = Array.from({ length: 5 }, () =>
          group.spawn(async () => {
            for (let count = 0; count < 6; count++) {
              const item = next++;
              if (random(3) > 0 || !broadcast.tryPublish(item)) await broadcast.publish(item);
              published.add(item);
              await sleep(random(3));
            }
          }),
        );
        for (let turn = 0; turn < 8; turn++) {
          await sleep(1);
          for (let steps = random(4); steps > 0; steps--) await null;
          if (random(2) === 0) publishers[random(5)]!.cancel();
        }
        await sleep(200);
        broadcast.close();
      });
      for (const { received } of steady) {
        assert.deepEqual(received, steady[0]!.received, `seed ${seed}`);
        assert.deepEqual(new Set(received), published, `seed ${seed}`);
        assert.equal(received.length, published.size, `seed ${seed}`);
      }
      // Those who came and went have seen a stretch of it.
      const order = steady[0]!.received;
      for (const seen of stretches.filter(({ length }) => length > 0)) {
        const from = order.indexOf(seen[0]!);
        assert.deepEqual(seen, order.slice(from, from + seen.length), `seed ${seed}`);
      }
      assert.deepEqual(broadcast.statistics(), idle, `seed ${seed}`);
    });
  }

  function tryNext(subscription: Subscription<number>): { readonly value: number } | undefined {
    try {
      return subscription.tryReceive();
    } catch (error) {
      assert.ok(error instanceof BrokenError);
      return undefined;
    }
  }
});

test("Subscription.name is the name it was given, or undefined", () => {
  const broadcast = new Broadcast<number>();
  const names = ["prices", undefined].map((name) => {
    using subscription = broadcast.subscribe({
      capacity: 1,
      whenFull: "wait",
      ...(name === undefined ? {} : { name }),
    });
    return subscription.name;
  });
  assert.deepEqual(names, ["prices", undefined]);
});
