import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { rejection } from "../../test/rejection.ts";
import { numbered } from "../../test/stream-conformance.ts";
import {
  BrokenError,
  CancelledError,
  ClosedError,
  InvalidStateError,
  moveOnAfter,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { openUdp } from "./index.ts";

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(1);
}

test("openUdp() sends and receives, and says from whom", async () => {
  await using a = await openUdp();
  await using b = await openUdp();
  await a.send(numbered(3), b);
  await a.send(new Uint8Array(0), b);
  assert.deepEqual(await b.receive(), { bytes: numbered(3), from: { host: "127.0.0.1", port: a.port } });
  assert.equal((await b.receive()).bytes.length, 0);
});

test("openUdp() holds as many datagrams as its buffer, and counts those that it drops", async () => {
  await using a = await openUdp();
  await using b = await openUdp({ buffer: 2 });
  for (let at = 0; at < 5; at++) await a.send(numbered(1, at), b);
  await until(() => b.statistics().dropped === 3);
  assert.deepEqual([(await b.receive()).bytes[0], (await b.receive()).bytes[0]], [0, 1]);
  assert.deepEqual(b.statistics(), { buffered: 0, dropped: 3, receiving: 0, sending: 0 });
});

test("C3a receive() cut while it waits takes nothing, and cut on entry neither", async () => {
  await using a = await openUdp();
  await using b = await openUdp();
  assert.equal(await moveOnAfter(5, () => b.receive()), undefined);
  assert.equal(b.statistics().receiving, 0);
  await a.send(numbered(2), b);
  await until(() => b.statistics().buffered === 1);
  for (const call of [() => b.receive(), () => b.send(numbered(1), a), () => openUdp()]) {
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(call(), CancelledError);
    });
  }
  assert.deepEqual((await b.receive()).bytes, numbered(2));
});

test("who waits in receive() gets a ClosedError when the socket is closed, and a loop ends", async () => {
  const socket = await openUdp();
  await withTaskGroup(async (group) => {
    const receiving = group.attempt(() => socket.receive());
    const looping = group.spawn(async () => {
      for await (const _ of socket) assert.fail("nobody has sent");
      return "over";
    });
    await until(() => socket.statistics().receiving === 2);
    await socket.close();
    await assert.rejects(Promise.resolve(receiving), ClosedError);
    assert.equal(await looping, "over");
  });
  await socket.close();
  await assert.rejects(socket.receive(), ClosedError);
  await assert.rejects(socket.send(numbered(1), { host: "127.0.0.1", port: 9 }), ClosedError);
  for await (const _ of socket) assert.fail("it is closed");
});

test("C11c a loop over a UDP socket ends when its scope drains, though more is there; receive() goes on", async () => {
  await using a = await openUdp();
  await using b = await openUdp();
  for (const first of [true, false]) {
    await withCancelScope(async (scope) => {
      if (first)
        await withTaskGroup(async (group) => {
          const looping = group.spawn(async () => {
            for await (const _ of b) assert.fail("nobody has sent");
          });
          await until(() => b.statistics().receiving === 1);
          scope.drain(60_000);
          await looping;
        });
      else scope.drain(60_000);
      await a.send(numbered(1), b);
      await until(() => b.statistics().buffered === 1);
      for await (const _ of b) assert.fail("it drains");
      assert.equal((await b.receive()).bytes.length, 1);
    });
  }
  assert.equal(b.statistics().receiving, 0);
});

test("a loop over a UDP socket gives what has come, then what comes", async () => {
  await using a = await openUdp();
  await using b = await openUdp();
  await a.send(numbered(1), b);
  await until(() => b.statistics().buffered === 1);
  const lengths: number[] = [];
  for await (const { bytes } of b) {
    lengths.push(bytes.length);
    if (lengths.length === 3) break;
    await a.send(numbered(1 + lengths.length), b);
  }
  assert.deepEqual(lengths, [1, 2, 3]);
});

test("what the system refuses rejects, with its error as the cause", async () => {
  await using socket = await openUdp();
  const tooLong = await rejection(socket.send(new Uint8Array(70_000), socket));
  assert.ok(tooLong instanceof BrokenError);
  assert.equal((tooLong.cause as NodeJS.ErrnoException).code, "EMSGSIZE");
  const taken = await rejection(openUdp({ port: socket.port }));
  assert.ok(taken instanceof InvalidStateError);
  assert.match(taken.message, /^Cannot receive at '127\.0\.0\.1:\d+': bind EADDRINUSE/);
});

test("arguments of UDP that make no sense are refused", async () => {
  for (const options of [{ port: -1 }, { port: 70_000 }, { buffer: 0 }])
    await assert.rejects(openUdp(options), RangeError);
  await assert.rejects(openUdp(null as never), TypeError);
  await using socket = await openUdp();
  await assert.rejects(socket.send("text" as never, socket), TypeError);
  await assert.rejects(socket.send(numbered(1), { host: "127.0.0.1", port: 0 }), RangeError);
  await assert.rejects(socket.send(numbered(1), undefined as never), TypeError);
});
