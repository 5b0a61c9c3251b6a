import assert from "node:assert/strict";
import { test } from "node:test";
import { virtually } from "../../../test/virtual.ts";
import { sleep } from "../../index.ts";
import { now } from "../../lowlevel.ts";
import { Heartbeat, type Beating } from "./heartbeat.ts";

class Peer implements Beating {
  heard = false;
  progress = 0;
  paused = false;
  pings = 0;
  answers = false;
  flushed: () => void = () => {};

  ping(flushed: () => void): void {
    this.pings++;
    this.flushed = flushed;
    if (!this.answers) return;
    flushed();
    this.heard = true;
  }
}

const options = { pingInterval: 30, pingTimeout: 20 };

test("Heartbeat: a peer that is silent is asked, and dead if it does not answer in time", async () => {
  await virtually(async () => {
    const peer = new Peer();
    const start = now();
    let died: number | undefined;
    new Heartbeat(peer, options, () => (died = now() - start));
    await sleep(31);
    assert.equal(peer.pings, 1);
    peer.flushed();
    peer.progress++; // what goes out after the question is no answer
    await sleep(1000);
    assert.equal(died, 51);
    assert.equal(peer.pings, 1);
  });
});

test("Heartbeat: a peer that answers, or says anything else, lives", async () => {
  await virtually(async () => {
    const peer = new Peer();
    peer.answers = true;
    let died = false;
    const heartbeat = new Heartbeat(peer, options, () => (died = true));
    await sleep(1000);
    assert.deepEqual([peer.pings, died], [20, false]);
    for (let round = 0; round < 20; round++) {
      peer.heard = true;
      await sleep(25);
    }
    assert.deepEqual([peer.pings, died], [20, false]);
    peer.answers = false;
    heartbeat.stop();
    await sleep(1000);
    assert.equal(died, false);
  });
});

test("Heartbeat: while its messages wait here nothing is held against a peer that cannot be heard", async () => {
  await virtually(async () => {
    const peer = new Peer();
    peer.paused = true;
    let died = false;
    new Heartbeat(peer, options, () => (died = true));
    await sleep(10_000);
    assert.deepEqual([peer.pings, died], [0, false]);
    peer.paused = false;
    await sleep(1000);
    assert.deepEqual([peer.pings, died], [1, true]);
  });
});

test("Heartbeat: a peer that takes what was sent before the question has time, and one that takes nothing has none", async () => {
  await virtually(async () => {
    const peer = new Peer();
    let died = false;
    new Heartbeat(peer, options, () => (died = true));
    await sleep(30);
    for (let round = 0; round < 10; round++) {
      peer.progress++;
      await sleep(20);
      assert.equal(died, false);
    }
    await sleep(20);
    assert.equal(died, true);
    assert.equal(peer.pings, 1);
  });
});
