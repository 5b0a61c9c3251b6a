/** Receiving what there is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import { CancelledError, Channel, ClosedError, EndOfStream, withCancelScope, withTaskGroup } from "../index.ts";
import { waitAllTasksBlocked } from "../testing/index.ts";

test("F1a Channel.receiveMany() takes what is buffered, then what waiting senders bring, in order and at most so many", () =>
  virtually(async () => {
    const channel = new Channel<number>(2);
    await withTaskGroup(async (group) => {
      for (let item = 0; item < 6; item++) group.spawn(() => channel.send(item));
      await waitAllTasksBlocked();
      assert.deepEqual(await channel.receiveMany(3), [0, 1, 2]);
      const { buffered, sending } = channel.statistics();
      assert.deepEqual([buffered, sending], [2, 1]);
      assert.deepEqual(await channel.receiveMany(), [3, 4, 5]);
    });
    assert.equal(channel.size, 0);
  }));

test("Channel.receiveMany() of capacity 0 takes the items of all who wait to send", () =>
  virtually(async () => {
    const channel = new Channel<string>(0);
    await withTaskGroup(async (group) => {
      for (const item of ["a", "b", "c"]) group.spawn(() => channel.send(item));
      await waitAllTasksBlocked();
      assert.deepEqual(await channel.receiveMany(), ["a", "b", "c"]);
    });
  }));

test("Channel.receiveMany() waits for an item, and gives with it what has come until it goes on", () =>
  virtually(async () => {
    const channel = new Channel<number>(5);
    await withTaskGroup(async (group) => {
      const some = group.spawn(() => channel.receiveMany(3));
      await waitAllTasksBlocked();
      assert.equal(channel.statistics().receiving, 1);
      for (let item = 0; item < 4; item++) channel.trySend(item);
      assert.deepEqual(await some, [0, 1, 2]);
      assert.deepEqual(channel.tryReceive(), { value: 3 });
    });
  }));

test("H1 Channel.receiveMany() gives what is buffered in a closed channel, then comes the end, or its cause", () =>
  virtually(async () => {
    const channel = new Channel<number>(2);
    await channel.send(1);
    channel.close();
    assert.deepEqual(await channel.receiveMany(), [1]);
    await assert.rejects(channel.receiveMany(), EndOfStream);
    const broken = new Channel<number>(2);
    await withTaskGroup(async (group) => {
      const waiting = group.spawn(() => rejection(broken.receiveMany()));
      await waitAllTasksBlocked();
      const cause = new Error("why");
      broken.close(cause);
      assert.equal(await waiting, cause);
    });
  }));

test("H1 an end that is closed while its receiveMany() waits rejects it; what was handed over is given, and no more taken", () =>
  virtually(async () => {
    const channel = new Channel<number>(3);
    const [first, second] = [channel.receiver(), channel.receiver()];
    await withTaskGroup(async (group) => {
      const waiting = group.spawn(() => rejection(first.receiveMany()));
      const given = group.spawn(() => second.receiveMany());
      await waitAllTasksBlocked();
      first.close();
      assert.ok((await waiting) instanceof ClosedError);
      const third = channel.receiver();
      channel.trySend(1);
      channel.trySend(2);
      second.close();
      assert.deepEqual(await given, [1]);
      assert.deepEqual(await third.receiveMany(), [2]);
      await assert.rejects(second.receiveMany(), ClosedError);
    });
  }));

test("C3a a receiveMany() that is cut has taken nothing, and its place in line is gone", () =>
  virtually(async () => {
    const channel = new Channel<number>(1);
    for (const when of ["before", "during"]) {
      await withCancelScope(async (scope) => {
        if (when === "before") scope.cancel();
        else queueMicrotask(() => scope.cancel());
        if (when === "before") channel.trySend(1);
        assert.ok((await rejection(channel.receiveMany())) instanceof CancelledError);
      });
      assert.equal(channel.statistics().receiving, 0);
      if (when === "before") assert.deepEqual(channel.tryReceive(), { value: 1 });
    }
  }));

test("C3b a receiveMany() that was handed an item just before it was cancelled returns it", () =>
  virtually(async () => {
    const channel = new Channel<number>(1);
    let got: number[] | undefined;
    await withCancelScope(async (scope) => {
      queueMicrotask(() => {
        channel.trySend(1);
        scope.cancel();
      });
      got = await channel.receiveMany();
    });
    assert.deepEqual(got, [1]);
  }));

test("C2b receiveMany() is intake: it throws at every call in a told node", () =>
  virtually(async () => {
    const channel = new Channel<number>(2);
    await channel.send(1);
    await withCancelScope(async (scope) => {
      scope.cancel();
      for (let call = 0; call < 3; call++)
        assert.ok((await rejection(channel.receiveMany())) instanceof CancelledError);
    });
    assert.equal(channel.size, 1);
  }));

test("Channel.receiveMany() refuses numbers that are no counts", () =>
  virtually(async () => {
    const channel = new Channel<number>(2, { name: "rows" });
    for (const max of [0, -1, 1.5, NaN]) await assert.rejects(channel.receiveMany(max), RangeError);
    await assert.rejects(channel.receiveMany(0), {
      message:
        "Cannot receive 0 items from channel 'rows' (0 of 2 buffered) at a time: wanted a whole number from 1, or Infinity",
    });
  }));
