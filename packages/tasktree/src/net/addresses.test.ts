import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { rejection } from "../../test/rejection.ts";
import { virtually } from "../../test/virtual.ts";
import { BrokenError, moveOnAfter, sleep } from "../index.ts";
import { now } from "../lowlevel.ts";
import { byTurns, firstOf } from "./addresses.ts";
import { connectToFirst } from "./connect.ts";
import { listenTcp } from "./index.ts";

const ignore = (): void => {};

/** An attempt that is over after so many milliseconds; it tells when it began, and when it was cut. */
function attemptOf(events: string[], name: string, ms: number, failure?: Error) {
  return async (): Promise<string> => {
    events.push(`${name} begins at ${now()}`);
    let isOver = false;
    try {
      await sleep(ms);
      isOver = true;
    } finally {
      if (!isOver) events.push(`${name} is cut`);
    }
    if (failure !== undefined) throw failure;
    return name;
  };
}

test("addresses of the two families come by turns, beginning with the system's first", () => {
  const found = (...addresses: string[]) =>
    byTurns(addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })));
  assert.deepEqual(found("a:1", "a:2", "a:3", "b1"), ["a:1", "b1", "a:2", "a:3"]);
  assert.deepEqual(found("b1", "a:1", "b2", "a:2"), ["b1", "a:1", "b2", "a:2"]);
  assert.deepEqual(found("b1"), ["b1"]);
});

test("a slow address is not given up when the next one is tried: it wins if that one fails", async () => {
  await virtually(async () => {
    const events: string[] = [];
    const refused = new Error("refused");
    const attempts = [attemptOf(events, "slow", 1000), attemptOf(events, "dead", 10, refused)];
    assert.equal(await firstOf(attempts, ignore), "slow");
    assert.deepEqual([events, now()], [["slow begins at 0", "dead begins at 250"], 1000]);
  });
});

test("attempts begin 250 ms apart, or at once when one has failed; the first that succeeds cuts the others", async () => {
  await virtually(async () => {
    const events: string[] = [];
    const attempts = [
      attemptOf(events, "a", 10_000),
      attemptOf(events, "b", 100, new Error("refused")),
      attemptOf(events, "c", 300),
      attemptOf(events, "d", 10_000),
      attemptOf(events, "e", 10_000),
    ];
    assert.equal(await firstOf(attempts, ignore), "c");
    const begun = ["a begins at 0", "b begins at 250", "c begins at 350", "d begins at 600"];
    assert.deepEqual(events, [...begun, "a is cut", "d is cut"]);
  });
});

test("C3a all attempts are cut when the call is", async () => {
  await virtually(async () => {
    const events: string[] = [];
    const attempts = [attemptOf(events, "a", 10_000), attemptOf(events, "b", 10_000)];
    assert.equal(await moveOnAfter(400, () => firstOf(attempts, ignore)), undefined);
    assert.deepEqual(events.slice(2).toSorted(), ["a is cut", "b is cut"]);
  });
});

test("a host is connected to by the first of its addresses that answers", async () => {
  await using listener = await listenTcp({ port: 0 });
  const begin = (host: string) => connect({ host, port: listener.port! });
  const socket = await connectToFirst(["127.0.0.2", "127.0.0.1"], "two:1", begin);
  assert.equal(socket.remoteAddress, "127.0.0.1");
  socket.destroy();
});

test("a host of which no address answers: the error names all reasons, its cause has the code of the first", async () => {
  const listener = await listenTcp({ port: 0 });
  await listener.close();
  const begin = (host: string) => connect({ host, port: listener.port! });
  const error = await rejection(connectToFirst(["127.0.0.1", "127.0.0.1"], "two:1", begin));
  assert.ok(error instanceof BrokenError);
  assert.match(error.message, /^Cannot connect to 'two:1': connect ECONNREFUSED .*; connect ECONNREFUSED/);
  assert.equal((error.cause as NodeJS.ErrnoException).code, "ECONNREFUSED");
});
