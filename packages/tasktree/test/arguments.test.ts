/** What is no object with options is refused with an error that names it, everywhere alike. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as tasktree from "../src/index.ts";
import { addInstrument, bound, Timer } from "../src/lowlevel.ts";
import { MemoryQueue } from "../src/queues/index.ts";
import { BufferedReader, fromReadableStream, fromWritableStream, memoryStreamPair } from "../src/streams/index.ts";
import { runVirtual, Sequencer, SimulatedNetwork, tracked, VirtualClock, withLeakCheck } from "../src/testing/index.ts";
import { rejection } from "./rejection.ts";

const wrong = null as never;

const calls: Record<string, () => unknown> = {
  "make a mutex": () => new tasktree.Mutex(wrong),
  "make a semaphore": () => new tasktree.Semaphore(1, wrong),
  "make a capacity limiter": () => new tasktree.CapacityLimiter(1, wrong),
  "make a latch": () => new tasktree.Latch(wrong),
  "make a condition": () => new tasktree.Condition(undefined, wrong),
  "make a barrier": () => new tasktree.Barrier(1, wrong),
  "make a channel": () => new tasktree.Channel(1, wrong),
  "make a broadcast": () => new tasktree.Broadcast(wrong),
  subscribe: () => new tasktree.Broadcast().subscribe(wrong),
  "make a task local": () => new tasktree.TaskLocal(wrong),
  "make a queue": () => new MemoryQueue(wrong),
  "close queue": () => new MemoryQueue().close(wrong),
  "make streams": () => memoryStreamPair(wrong),
  "make a buffered reader": () => new BufferedReader(memoryStreamPair()[0], wrong),
  "read everything": () => new BufferedReader(memoryStreamPair()[0]).readAll(wrong),
  "read from a web stream": () => fromReadableStream(new ReadableStream(), wrong),
  "write to a web stream": () => fromWritableStream(new WritableStream(), wrong),
  "make a LimitExceededError": () => new tasktree.LimitExceededError("long", wrong),
  "make a clock": () => new VirtualClock(wrong),
  "make a sequencer": () => new Sequencer(wrong),
  "listen on 'a:1'": () => new SimulatedNetwork().host("a").listen(1, wrong),
  "run in virtual time": () => runVirtual(() => 1, wrong),
  select: () => tasktree.select({ late: tasktree.after(1) }, wrong),
  "run all": () => tasktree.all([], wrong),
  "open a scope in 'root'": () => tasktree.withTaskGroup(() => 1, wrong),
  "make a TimeoutError": () => new tasktree.TimeoutError("late", wrong),
  "make a CancelledError": () => new tasktree.CancelledError(wrong),
};

for (const [what, call] of Object.entries(calls)) {
  test(`null as options is refused: cannot ${what}`, async () => {
    const error = (await rejection(new Promise((resolve) => resolve(call())))) as Error;
    assert.equal(error.name, "TypeError");
    assert.equal(error.message, `Cannot ${what} with null: wanted an object with options`);
  });
}

test("What is no object, no function and no time is refused by those who want one", async () => {
  await assert.rejects(tasktree.select(wrong), /^TypeError: Cannot select from null: wanted an object with cases$/);
  assert.throws(() => addInstrument(wrong), /^TypeError: Cannot add null as instrument: wanted an object$/);
  assert.throws(() => bound(wrong), /^TypeError: Cannot bind null: wanted a function$/);
  assert.throws(() => tracked(wrong), /^TypeError: Cannot track null: wanted an object$/);
  assert.throws(() => new Timer(() => undefined).set(Number.NaN), RangeError);
  await assert.rejects(withLeakCheck(wrong), /^TypeError: Cannot check for leaks in '.*': null is not a function$/);
  await assert.rejects(new SimulatedNetwork().host("a").connect(wrong, 1), {
    name: "TypeError",
    message: "Cannot connect to null: wanted the name of a host",
  });
});
