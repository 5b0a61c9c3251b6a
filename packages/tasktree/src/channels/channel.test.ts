/** Handing items over. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { collected } from "../../test/collected.ts";
import { randomFrom } from "../../test/random.ts";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  CancelledError,
  Channel,
  checkpoint,
  EndOfStream,
  moveOnAfter,
  run,
  select,
  shield,
  sleep,
  withCancelScope,
  withTaskGroup,
  type ChannelStatistics,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

const idle: ChannelStatistics = { buffered: 0, sending: 0, receiving: 0, senders: 0, receivers: 0, dropped: 0 };

test("Channel passes items in order, buffers as many as it was told, and then send() waits", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(2);
    await channel.send(1);
    await channel.send(2);
    assert.equal(channel.size, 2);
    await withTaskGroup(async (group) => {
      const third = group.spawn(() => channel.send(3));
      await waitAllTasksBlocked();
      assert.equal(third.status, "running");
      assert.deepEqual(channel.statistics(), { ...idle, buffered: 2, sending: 1 });
      assert.equal(await channel.receive(), 1);
      await third;
      assert.deepEqual([await channel.receive(), await channel.receive()], [2, 3]);
    });
    assert.deepEqual(channel.statistics(), idle);
  });
});

test("Channel of capacity 0 makes each send() wait for its receiver", async () => {
  await virtually(async () => {
    const channel = new Channel<string>(0);
    assert.equal(channel.trySend("nobody waits"), false);
    await withTaskGroup(async (group) => {
      const sending = group.spawn(() => channel.send("first"));
      await waitAllTasksBlocked();
      assert.equal(sending.status, "running");
      assert.equal(channel.size, 0);
      assert.deepEqual(channel.tryReceive(), { value: "first" });
      await sending;
      const receiving = group.spawn(() => channel.receive());
      await waitAllTasksBlocked();
      assert.equal(channel.trySend("second"), true);
      assert.equal(await receiving, "second");
    });
    assert.deepEqual(channel.statistics(), idle);
  });
});

test("Channel of capacity Infinity never makes a sender wait", async () => {
  const channel = new Channel<number>(Infinity);
  for (let item = 0; item < 1000; item++) assert.ok(channel.trySend(item));
  channel.close();
  assert.equal((await collected(channel)).length, 1000);
});

test("Channel carries undefined like any item", async () => {
  await virtually(async () => {
    for (const capacity of [0, 1]) {
      const channel = new Channel<undefined>(capacity);
      await withTaskGroup(async (group) => {
        group.spawn(() => channel.send(undefined));
        await waitAllTasksBlocked();
        assert.deepEqual(channel.tryReceive(), { value: undefined });
        group.spawn(async () => assert.equal(await channel.receive(), undefined));
        await channel.send(undefined);
      });
      assert.deepEqual(channel.statistics(), idle);
    }
  });
});

test("Channel rejects capacities that make no sense", () => {
  for (const capacity of [-1, 1.5, Number.NaN, -Infinity, "2" as unknown as number]) {
    assert.throws(() => new Channel(capacity), RangeError);
  }
  assert.throws(() => new Channel(-1), /capacity -1: wanted a whole number from 0/);
});

test("F1a Channel serves senders, receivers and items in the order they came", async () => {
  for (const capacity of [0, 1, 3]) {
    await virtually(async () => {
      const channel = new Channel<number>(capacity);
      const received: number[] = [];
      await withTaskGroup(async (group) => {
        for (let item = 0; item < 6; item++) group.spawn(() => channel.send(item));
        await waitAllTasksBlocked();
        for (let count = 0; count < 6; count++) received.push(await channel.receive());
        for (let receiver = 0; receiver < 6; receiver++) {
          group.spawn(async () => received.push(10 * receiver + (await channel.receive())));
        }
        await waitAllTasksBlocked();
        for (let item = 0; item < 6; item++) await channel.send(item);
      });
      assert.deepEqual(received, [0, 1, 2, 3, 4, 5, 0, 11, 22, 33, 44, 55]);
    });
  }
});

test("F1b an item sent goes to the first waiting receiver at once: who comes later cannot take it", async () => {
  await virtually(async () => {
    const channel = new Channel<string>(4);
    await withTaskGroup(async (group) => {
      const first = group.spawn(() => channel.receive());
      await waitAllTasksBlocked();
      assert.ok(channel.trySend("for the first"));
      assert.equal(channel.size, 0);
      assert.equal(channel.tryReceive(), undefined);
      await channel.send("for the second");
      assert.equal(await channel.receive(), "for the second");
      assert.equal(await first, "for the first");
    });
  });
});

test("F1b a place that gets free goes to the first waiting sender at once, by receive() and tryReceive()", async () => {
  for (const how of ["receive", "tryReceive"] as const) {
    await virtually(async () => {
      const channel = new Channel<number>(1);
      await channel.send(1);
      await withTaskGroup(async (group) => {
        group.spawn(() => channel.send(2));
        group.spawn(() => channel.send(3));
        await waitAllTasksBlocked();
        void channel[how]();
        assert.deepEqual(channel.statistics(), { ...idle, buffered: 1, sending: 1 });
        assert.deepEqual([await channel.receive(), await channel.receive()], [2, 3]);
      });
    });
  }
});

test("F1c Channel.trySend() succeeds only when there is room and no earlier sender waits", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(1);
    assert.ok(channel.trySend(1));
    assert.equal(channel.trySend(2), false);
    await withTaskGroup(async (group) => {
      group.spawn(() => channel.send(2));
      await waitAllTasksBlocked();
      assert.deepEqual(channel.tryReceive(), { value: 1 });
      assert.equal(channel.trySend(3), false);
      assert.equal(await channel.receive(), 2);
      assert.ok(channel.trySend(3));
    });
  });
});

test("F1c Channel.tryReceive() succeeds only when there is an item, and nobody waited for it", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(1);
    assert.equal(channel.tryReceive(), undefined);
    await withTaskGroup(async (group) => {
      const waiting = group.spawn(() => channel.receive());
      await waitAllTasksBlocked();
      await channel.send(1);
      assert.equal(channel.tryReceive(), undefined);
      assert.equal(await waiting, 1);
    });
  });
});

test("C3a Channel.send() and receive() cut on entry send and take nothing", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(2);
    await channel.send(1);
    const cuts: unknown[] = [];
    await withCancelScope(async (scope) => {
      scope.cancel();
      cuts.push(await rejection(channel.send(2)));
    });
    await withCancelScope(async (scope) => {
      scope.cancel();
      cuts.push(await rejection(channel.receive()));
    });
    await withCancelScope(async (scope) => {
      scope.cancel();
      cuts.push(await rejection(channel[Symbol.asyncIterator]().next()));
    });
    assert.ok(cuts.length === 3 && cuts.every((error) => error instanceof CancelledError));
    assert.deepEqual(channel.statistics(), { ...idle, buffered: 1 });
  });
});

test("C3a Channel.send() cut while it waits leaves no item, from the front, the middle and the end", async () => {
  for (const capacity of [0, 1]) {
    for (const cut of [0, 1, 2]) {
      await virtually(async () => {
        const channel = new Channel<number>(capacity);
        if (capacity === 1) await channel.send(-1);
        await withTaskGroup(async (group) => {
          const tasks = [0, 1, 2].map((item) => group.spawn(() => channel.send(item)));
          await waitAllTasksBlocked();
          tasks[cut]!.cancel();
          assert.equal(channel.statistics().sending, 2);
          await tasks[cut]!.outcome();
          const left = [-1, 0, 1, 2].filter((item) => item !== cut && (item >= 0 || capacity === 1));
          for (const item of left) assert.equal(await channel.receive(), item);
        });
        assert.deepEqual(channel.statistics(), idle);
      });
    }
  }
});

test("C3a Channel.receive() cut while it waits takes no item, from the front, the middle and the end", async () => {
  for (const cut of [0, 1, 2]) {
    await virtually(async () => {
      const channel = new Channel<number>(0);
      const received: number[] = [];
      await withTaskGroup(async (group) => {
        const tasks = [0, 1, 2].map((number) =>
          group.spawn(async () => received.push(10 * number + (await channel.receive()))),
        );
        await waitAllTasksBlocked();
        tasks[cut]!.cancel();
        assert.equal(channel.statistics().receiving, 2);
        assert.deepEqual([channel.trySend(1), channel.trySend(2), channel.trySend(3)], [true, true, false]);
      });
      const served = [0, 1, 2].filter((number) => number !== cut);
      assert.deepEqual(received, [10 * served[0]! + 1, 10 * served[1]! + 2]);
      assert.deepEqual(channel.statistics(), idle);
    });
  }
});

test("C3b an item handed over before the receiver is cancelled is received", async () => {
  await virtually(async () => {
    const channel = new Channel<string>(0);
    const received: string[] = [];
    await withTaskGroup(async (group) => {
      for (const iterate of [false, true]) {
        const receiver = group.spawn(async () => {
          if (iterate) for await (const item of channel) received.push(item);
          else received.push(await channel.receive());
          await checkpoint();
        });
        await waitAllTasksBlocked();
        assert.ok(channel.trySend(iterate ? "b" : "a"));
        receiver.cancel();
        assert.equal((await receiver.outcome()).status, "cancelled");
      }
    });
    assert.deepEqual(received, ["a", "b"]);
    assert.deepEqual(channel.statistics(), idle);
  });
});

test("C3b an item taken before its sender is cancelled was sent", async () => {
  await virtually(async () => {
    const channel = new Channel<string>(0);
    let sent = false;
    await withTaskGroup(async (group) => {
      const sender = group.spawn(async () => {
        await channel.send("a");
        sent = true;
        await checkpoint();
      });
      await waitAllTasksBlocked();
      assert.deepEqual(channel.tryReceive(), { value: "a" });
      sender.cancel();
      assert.equal((await sender.outcome()).status, "cancelled");
    });
    assert.ok(sent);
  });
});

test("C2b Channel.receive() and iterating throw at every call in cleanup, where send() works", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(2);
    await channel.send(1);
    let iterated = 0;
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(checkpoint(), CancelledError);
      await channel.send(2);
      for (let call = 0; call < 2; call++) {
        await assert.rejects(channel.receive(), CancelledError);
        await assert.rejects(channel[Symbol.asyncIterator]().next(), CancelledError);
        await assert.rejects(select({ channel }), CancelledError);
        iterated++;
      }
      assert.equal(await shield(() => channel.receive(), { timeout: 10 }), 1);
      assert.equal(await moveOnAfter(10, () => channel.receive()), 2);
    });
    assert.equal(iterated, 2);
    assert.deepEqual(channel.statistics(), idle);
  });
});

test("C3a C3b whatever is sent, received, tried and cancelled, no item is lost, doubled or out of order", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = randomFrom(seed);
    await virtually(async () => {
      const channel = new Channel<number>(random(4));
      const sent: number[] = [];
      const received: number[] = [];
      let next = 0;
      await withTaskGroup(async (group) => {
        const producers = Array.from({ length: 6 }, (_, producer) => {
          const sender = channel.sender();
          const pauses = Array.from({ length: 8 }, () => random(3));
          return group.spawn(async () => {
            using _end = sender;
            for (const pause of pauses) {
              const item = 1000 * producer + next++;
              if (producer % 3 === 0) await select({ sent: sender.sending(item) });
              else if (producer % 3 === 1) await sender.send(item);
              else if (!sender.trySend(item)) await channel.send(item);
              sent.push(item);
              await sleep(pause);
            }
          });
        });
        const consumers = Array.from({ length: 4 }, (_, consumer) => {
          const pause = random(3);
          return group.spawn(async () => {
            if (consumer === 0) for await (const item of channel) received.push(item);
            for (;;) {
              if (consumer === 1) received.push((await select({ item: channel })).value);
              else received.push(channel.tryReceive()?.value ?? (await channel.receive()));
              await sleep(pause);
            }
          });
        });
        for (let turn = 0; turn < 12; turn++) {
          await sleep(1);
          if (random(2) === 0) for (let steps = random(4); steps > 0; steps--) await null;
          [...producers, ...consumers][random(10)]!.cancel();
        }
        await sleep(100);
        for (const task of [...producers, ...consumers]) task.cancel();
        await all([...producers, ...consumers].map((task) => () => task.outcome()));
      }).catch((error: unknown) => {
        // consumers that were left when the last producer was done
        if (!(error instanceof EndOfStream)) throw error;
      });
      for (let left = leftIn(channel); left !== undefined; left = leftIn(channel)) received.push(left);
      assert.deepEqual(
        received.toSorted((a, b) => a - b),
        sent.toSorted((a, b) => a - b),
        `seed ${seed}`,
      );
      assert.deepEqual(channel.statistics(), idle, `seed ${seed}`);
    });
  }

  function leftIn(channel: Channel<number>): number | undefined {
    try {
      return channel.tryReceive()?.value;
    } catch {
      return undefined;
    }
  }
});

test("F1a whatever the capacity, one consumer gets each producer's items in order, and all of them", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = randomFrom(seed);
    await virtually(async () => {
      const channel = new Channel<{ producer: number; item: number }>(random(5));
      const next = [0, 0, 0];
      await withTaskGroup(async (group) => {
        for (const producer of [0, 1, 2]) {
          const sender = channel.sender();
          group.spawn(async () => {
            using _end = sender;
            for (let item = 0; item < 20; item++) {
              await sender.send({ producer, item });
              if (random(3) === 0) await sleep(random(2));
            }
          });
        }
        for await (const { producer, item } of channel) {
          assert.equal(item, next[producer]!++, `seed ${seed}`);
          if (random(4) === 0) await sleep(1);
        }
      });
      assert.deepEqual(next, [20, 20, 20]);
    });
  }
});

test("Channel: leaving a loop early does not close it, and the next loop goes on", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(3);
    for (const item of [1, 2, 3]) await channel.send(item);
    for await (const item of channel) if (item === 2) break;
    assert.equal(channel.isClosed, false);
    for await (const item of channel) {
      assert.equal(item, 3);
      break;
    }
    assert.deepEqual(channel.statistics(), idle);
  });
});

test("Channel: several consumers share the items between them", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(1);
    const received: number[][] = [[], [], []];
    await withTaskGroup(async (group) => {
      for (const mine of received) {
        const receiver = channel.receiver();
        group.spawn(async () => {
          using _end = receiver;
          for await (const item of receiver) {
            mine.push(item);
            await sleep(1);
          }
        });
      }
      for (let item = 0; item < 9; item++) await channel.send(item);
      channel.close();
    });
    assert.deepEqual(new Set(received.flat()), new Set([0, 1, 2, 3, 4, 5, 6, 7, 8]));
    assert.deepEqual(
      received.map((mine) => mine.length),
      [3, 3, 3],
    );
  });
});

test("Channel: an iterator's step that throws rejects, and steps may be asked for ahead", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(0);
    const items = channel[Symbol.asyncIterator]();
    const ahead = [items.next(), items.next(), items.next()];
    channel.trySend(1);
    channel.trySend(2);
    channel.close();
    assert.deepEqual(
      (await Promise.all(ahead)).map(({ value }) => value),
      [1, 2, undefined],
    );
    assert.equal((await items.next()).done, true);
  });
});

test("K9b what waits on a channel and is cut without being awaited is not reported", async () => {
  await run(
    async () => {
      const channel = new Channel<number>(0);
      await withCancelScope(async (scope) => {
        void channel.receive();
        void channel[Symbol.asyncIterator]().next();
        void select({ channel });
        await checkpoint();
        scope.cancel();
        void channel.send(1);
      });
      await sleep(1);
    },
    { host: false },
  );
});

test("F2 timers get their turn however busily tasks hand items to each other", async () => {
  for (const capacity of [0, 1, 100]) {
    await run(
      async () => {
        const channel = new Channel<number>(capacity);
        let rang = false;
        setTimeout(() => (rang = true), 1);
        const started = performance.now();
        await withTaskGroup(async (group) => {
          group.spawn(async () => {
            while (!rang && performance.now() - started < 2000) await channel.send(1);
            channel.close();
          });
          for await (const item of channel) assert.equal(item, 1);
        });
        assert.ok(rang);
      },
      { host: false },
    );
  }
});

test("Channel says in reports which side waits, and works outside of every task", async () => {
  const channel = new Channel<number>(1, { name: "jobs" });
  const received = channel.receive();
  assert.equal(channel.describe(), "channel 'jobs' (0 of 1 buffered)");
  assert.equal(channel.choice().line.owner.describe(), "an item of channel 'jobs' (0 of 1 buffered)");
  assert.equal(channel.sending(1).choice().line.owner.describe(), "room in channel 'jobs' (0 of 1 buffered)");
  await channel.send(7);
  assert.equal(await received, 7);
  assert.deepEqual(channel.statistics(), idle);
});
