/** Closing the sides of a channel, and its counted ends: rule H1. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { collected } from "../../test/collected.ts";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import {
  BrokenError,
  Channel,
  ClosedError,
  EndOfStream,
  select,
  withTaskGroup,
  type ChannelStatistics,
} from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

const idle: ChannelStatistics = { buffered: 0, sending: 0, receiving: 0, senders: 0, receivers: 0, dropped: 0 };

test("H1 Channel.close() ends the sending side: what is buffered can be received, then comes the end", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(2, { name: "jobs" });
    await channel.send(1);
    await channel.send(2);
    assert.equal(channel.isClosed, false);
    channel.close();
    channel.close(new Error("only the first call counts"));
    assert.equal(channel.isClosed, true);
    await assert.rejects(channel.send(3), ClosedError);
    assert.throws(() => channel.trySend(3), /Cannot send to channel 'jobs' \(2 of 2 buffered\): it is closed/);
    assert.throws(() => channel.sender(), ClosedError);
    assert.equal(await channel.receive(), 1);
    assert.deepEqual(channel.tryReceive(), { value: 2 });
    for (let call = 0; call < 2; call++) {
      await assert.rejects(channel.receive(), EndOfStream);
      assert.throws(() => channel.tryReceive(), EndOfStream);
    }
    assert.deepEqual(await collected(channel), []);
  });
});

test("H1 Channel.close() rejects waiting senders, whose items were not sent, and tells waiting receivers the end", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(1);
    await channel.send(1);
    await withTaskGroup(async (group) => {
      for (const item of [2, 3]) group.spawn(() => assert.rejects(channel.send(item), ClosedError));
      await waitAllTasksBlocked();
      channel.close();
    });
    assert.deepEqual(await collected(channel), [1]);

    const empty = new Channel<number>(1);
    await withTaskGroup(async (group) => {
      for (let count = 0; count < 2; count++) group.spawn(() => assert.rejects(empty.receive(), EndOfStream));
      group.spawn(async () => assert.deepEqual(await collected(empty), []));
      await waitAllTasksBlocked();
      empty.close();
    });
    assert.deepEqual(empty.statistics(), idle);
  });
});

test("H1 Channel.close(cause) gives receivers the cause itself once the buffer is empty, and senders a ClosedError with it", async () => {
  await virtually(async () => {
    for (const cause of [new Error("the source broke"), "a text", null]) {
      const channel = new Channel<number>(1);
      await withTaskGroup(async (group) => {
        const waiting = group.spawn(async () => assert.equal(await rejection(channel.receive()), cause));
        await waitAllTasksBlocked();
        channel.close(cause);
        await waiting;
      });
      const buffered = new Channel<number>(1);
      await buffered.send(1);
      buffered.close(cause);
      assert.equal(((await rejection(buffered.send(2))) as Error).cause, cause);
      const seen: number[] = [];
      const iterated = rejection(
        (async () => {
          for await (const item of buffered) seen.push(item);
        })(),
      );
      assert.equal(await iterated, cause);
      assert.deepEqual(seen, [1]);
      assert.equal(await rejection(buffered.receive()), cause);
    }
  });
});

test("H1 Channel.closeReceiving() breaks waiting and later sends, drops what is buffered, and rejects receiving", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(2);
    await channel.send(1);
    await channel.send(2);
    await withTaskGroup(async (group) => {
      group.spawn(() => assert.rejects(channel.send(3), BrokenError));
      await waitAllTasksBlocked();
      channel.closeReceiving();
      channel.closeReceiving();
    });
    assert.deepEqual(channel.statistics(), { ...idle, dropped: 2 });
    assert.equal(channel.isClosed, true);
    await assert.rejects(channel.send(4), BrokenError);
    assert.throws(() => channel.trySend(4), BrokenError);
    await assert.rejects(channel.receive(), ClosedError);
    assert.throws(() => channel.tryReceive(), ClosedError);
    assert.throws(() => channel.receiver(), ClosedError);
    await assert.rejects(collected(channel), ClosedError);
    channel.close();
    await assert.rejects(channel.send(4), ClosedError);

    const empty = new Channel<number>(0);
    await withTaskGroup(async (group) => {
      group.spawn(() => assert.rejects(empty.receive(), ClosedError));
      await waitAllTasksBlocked();
      empty.closeReceiving();
    });
    assert.deepEqual(empty.statistics(), idle);
  });
});

test("H1 Channel closes when all senders that were made have closed", async () => {
  await virtually(async () => {
    const channel = new Channel<string>(0);
    await withTaskGroup(async (group) => {
      for (const name of ["a", "b", "c"]) {
        const sender = channel.sender();
        group.spawn(async () => {
          using _end = sender;
          for (const number of [1, 2]) await sender.send(`${name}${number}`);
        });
      }
      assert.equal(channel.statistics().senders, 3);
      assert.deepEqual((await collected(channel)).sort(), ["a1", "a2", "b1", "b2", "c1", "c2"]);
    });
    assert.deepEqual(channel.statistics(), idle);
  });
});

test("H1 Channel stops receiving when all receivers that were made have closed", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(1);
    const receivers = [channel.receiver(), channel.receiver()];
    receivers.push(receivers[0]!.clone());
    assert.equal(channel.statistics().receivers, 3);
    await channel.send(1);
    for (const receiver of receivers.slice(0, 2)) {
      receiver.close();
      receiver.close();
    }
    assert.equal(channel.isClosed, false);
    await withTaskGroup(async (group) => {
      group.spawn(() => assert.rejects(channel.send(2), BrokenError));
      await waitAllTasksBlocked();
      receivers[2]![Symbol.dispose]();
    });
    assert.deepEqual(channel.statistics(), { ...idle, dropped: 1 });
  });
});

test("an end of a channel that was closed can be used no more, though others can", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(2);
    const [sender, receiver] = [channel.sender(), channel.receiver()];
    const [other, otherReceiver] = [sender.clone(), receiver.clone()];
    sender.close();
    sender.close();
    receiver.close();
    receiver.close();
    assert.deepEqual([sender.isClosed, other.isClosed, receiver.isClosed], [true, false, true]);
    await assert.rejects(sender.send(1), /Cannot send to channel \(0 of 2 buffered\): this sender is closed/);
    assert.throws(() => sender.trySend(1), ClosedError);
    await assert.rejects(select({ sent: sender.sending(1) }), ClosedError);
    assert.throws(() => sender.clone(), ClosedError);
    await other.send(1);
    await assert.rejects(receiver.receive(), ClosedError);
    assert.throws(() => receiver.tryReceive(), ClosedError);
    await assert.rejects(collected(receiver), ClosedError);
    await assert.rejects(select({ receiver }), ClosedError);
    assert.throws(() => receiver.clone(), ClosedError);
    assert.equal(await otherReceiver.receive(), 1);
    other.close();
    assert.deepEqual(await collected(otherReceiver), []);
    otherReceiver.close();
    await assert.rejects(sender.send(1), ClosedError);
  });
});

test("closing an end of a channel rejects what waits by it, also in select(), and leaves other waits in their order", async () => {
  await virtually(async () => {
    const channel = new Channel<number>(0);
    const [sender, other] = [channel.sender(), channel.sender()];
    await withTaskGroup(async (group) => {
      group.spawn(() => assert.rejects(sender.send(1), ClosedError));
      group.spawn(() => other.send(2));
      group.spawn(() => assert.rejects(select({ a: sender.sending(3), b: sender.sending(4) }), ClosedError));
      group.spawn(() => channel.send(5));
      group.spawn(() => assert.rejects(sender.send(6), ClosedError));
      await waitAllTasksBlocked();
      sender.close();
      assert.equal(channel.statistics().sending, 2);
      assert.deepEqual([await channel.receive(), await channel.receive()], [2, 5]);
    });
    const [receiver, another] = [channel.receiver(), channel.receiver()];
    const received: number[] = [];
    await withTaskGroup(async (group) => {
      group.spawn(() => assert.rejects(receiver.receive(), ClosedError));
      group.spawn(async () => received.push(1, await another.receive()));
      group.spawn(() => assert.rejects(select({ a: receiver, b: receiver }), ClosedError));
      group.spawn(async () => received.push(2, await channel.receive()));
      group.spawn(() => assert.rejects(collected(receiver), ClosedError));
      await waitAllTasksBlocked();
      receiver.close();
      assert.equal(channel.statistics().receiving, 2);
      await channel.send(10);
      await channel.send(20);
    });
    assert.deepEqual(received, [1, 10, 2, 20]);
    another.close();
    other.close();
    assert.deepEqual(channel.statistics(), idle);
  });
});

/** Milliseconds of processor time for each of so many senders, from making its end to closing it. */
async function timeToServe(many: number): Promise<number> {
  const start = process.cpuUsage();
  await virtually(async () => {
    const channel = new Channel<number>(0);
    await withTaskGroup(async (group) => {
      for (let number = 0; number < many; number++) {
        group.spawn(async () => {
          using sender = channel.sender();
          await sender.send(number);
        });
      }
      let sum = 0;
      for await (const number of channel) sum += number;
      assert.equal(sum, (many * (many - 1)) / 2);
    });
  });
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000 / many;
}

test("H1 closing one of 40,000 senders costs about as much as one of 1,000, though the others wait", async () => {
  await timeToServe(1000);
  const few = await timeToServe(1000);
  const many = await timeToServe(40_000);
  assert.ok(many < 8 * few, `${many} ms each against ${few} ms`);
});
