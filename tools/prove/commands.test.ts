/** That the commands see what is wrong: each is given something with a fault. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { currentSignal, run, sleep, sleepForever } from "tasktree";
import { command } from "../command.ts";
import { Caller, targets, wrongArguments } from "./arguments.ts";
import { cancelEverywhere } from "./cancel.ts";
import { readLcov } from "./coverage.ts";
import { differences } from "./determinism.ts";
import { failEverywhere } from "./fail.ts";
import { growth } from "./leaks.ts";
import { cancelledWaiters, nestedScopes, tasksInAGroup } from "./scale.ts";
import { early } from "./sleeps.ts";
import * as stage from "./stage.ts";
import { lateness } from "./starvation.ts";
import { timeOutEverywhere } from "./timeout.ts";

const short = { isShort: true, ms: 0, seed: 1 };

function program(main: () => Promise<void>) {
  return { name: "program", code: "", main };
}

async function asItShould(): Promise<void> {
  stage.enter("a");
  try {
    stage.mayFail("b");
    await sleep(10);
  } finally {
    stage.leave("a");
  }
}

async function forgetsToLeave(): Promise<void> {
  stage.enter("a");
  await sleep(10);
  stage.leave("a");
}

async function losesErrors(): Promise<void> {
  try {
    stage.mayFail("b");
  } catch {
    // without telling
  }
}

async function doublesErrors(): Promise<void> {
  try {
    stage.mayFail("b");
  } catch (error) {
    throw new AggregateError([error, error]);
  }
}

async function swallows(): Promise<void> {
  await sleep(10).catch(() => {
    throw new TypeError("something else");
  });
}

test("cancel finds what is not left, and timers that are left over", async () => {
  assert.deepEqual((await cancelEverywhere(program(asItShould), short)).faults, []);
  const unbalanced = await cancelEverywhere(program(forgetsToLeave), short);
  assert.match(unbalanced.faults.join(), /Entered and left differ at a \(\+1\)/);
  let timer: NodeJS.Timeout | undefined;
  const leaking = async (): Promise<void> => {
    timer = setTimeout(() => undefined, 1000);
    await sleep(10);
    clearTimeout(timer);
  };
  assert.match((await cancelEverywhere(program(leaking), short)).faults.join(), /LeakError/);
});

test("cancel comes to every place", async () => {
  const { places } = await cancelEverywhere(program(asItShould), short);
  const twice = await cancelEverywhere(
    program(async () => (await asItShould(), await asItShould())),
    short,
  );
  assert.ok(places >= 2 && twice.places >= places + 2, `${places} and ${twice.places} places`);
});

test("fail finds errors that are lost and errors that come twice", async () => {
  const fine = await failEverywhere(program(asItShould), short);
  assert.deepEqual([fine.places, fine.faults], [1, []]);
  assert.match((await failEverywhere(program(losesErrors), short)).faults.join(), /An error is lost/);
  assert.match((await failEverywhere(program(doublesErrors), short)).faults.join(), /An error came out 2 times/);
});

test("timeout finds what is not left, and errors of another kind", async () => {
  assert.deepEqual((await timeOutEverywhere(program(asItShould), short)).faults, []);
  assert.match((await timeOutEverywhere(program(forgetsToLeave), short)).faults.join(), /Entered and left differ/);
  assert.match((await timeOutEverywhere(program(swallows), short)).faults.join(), /something else/);
});

test("leaks finds what is kept", async () => {
  const kept: unknown[] = [];
  const keep = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done++) kept.push({ done, signal: currentSignal().aborted });
  };
  assert.ok((await growth(keep, 50_000)) > 2 ** 20);
});

test("starvation finds a timer that others keep from coming", async () => {
  const late = lateness(1);
  for (const began = performance.now(); performance.now() - began < 200;);
  const [first] = await late;
  // as much of the time as this thread has worked
  assert.ok(first! > 20, `late by ${first} ms`);
});

test("sleeps finds a sleep that ends early", async () => {
  const faults = await run(() => early([1000, 50_000], () => sleep(1)), { host: false });
  assert.equal(faults.length, 2);
});

test("scale counts what has ended as it should", async () => {
  for (const count of [1, 100]) {
    for (const body of [tasksInAGroup, nestedScopes, cancelledWaiters]) {
      assert.equal(await run(() => body(count), { host: false }), count, body.name);
    }
  }
});

test("determinism finds the programs that differ", () => {
  const on = new Map([
    ["node", { a: "1", b: "2", c: "3" }],
    ["bun", { a: "1", b: "4", c: "5" }],
    ["deno", { a: "1", b: "2", c: "3" }],
  ]);
  assert.deepEqual(differences(on, new Set(["c"])), ["b: 2 on node, 4 on bun"]);
});

test("arguments finds rejections that nobody handles", async () => {
  // Not here: the test runner listens to them too.
  const code = `
    import { Caller } from "./tools/prove/arguments.ts";
    using caller = new Caller();
    const call = () => void Promise.reject(new Error("lost"));
    console.log(await caller.call(() => ({ what: "call", call }), []));`;
  const { stdout } = await command(process.execPath, [
    "--conditions=@tasktree/source",
    "--input-type=module",
    "--eval",
    code,
  ]);
  assert.match(stdout, /^call\(\) leaves a rejection that nobody handles: Error: lost/);
});

test("arguments finds the engine's errors, and calls that don't end", async () => {
  using caller = new Caller(200);
  const fault = (call: (args: readonly unknown[]) => unknown, ...args: unknown[]): Promise<string | undefined> =>
    caller.call(() => ({ what: "call", call }), args);
  assert.equal(await fault(() => 1), undefined);
  assert.equal(await fault(() => sleepForever()), undefined);
  assert.equal(await fault(() => Promise.reject(new TypeError("Cannot do it"))), undefined);
  assert.match(
    (await fault(([value]) => (value as { a: number }).a, null))!,
    /^call\(null\) gives an error of the engine/,
  );
  assert.match((await fault(() => new Promise(() => undefined)))!, /does not end$/);
});

test("arguments calls the methods of everything that can be had", async () => {
  const names = new Set<string>();
  for (let round = 0; round < 40; round++) {
    for (const target of targets()) await run(async () => void names.add((await target()).what), { host: false });
  }
  for (const name of [
    "sleep of tasktree",
    "new Mutex of tasktree",
    "Mutex.acquire",
    "Task.cancel",
    "Lease.ack",
    "Channel.send",
  ]) {
    assert.ok(names.has(name), name);
  }
  assert.deepEqual((await wrongArguments({ ...short, seed: 2 })).faults, []);
});

test("coverage reads which lines and branches are not reached", () => {
  const lcov = "SF:/a/src/core/x.ts\nDA:1,5\nDA:2,0\nBRDA:3,0,0,0\nBRDA:3,0,1,7\nend_of_record\n";
  assert.deepEqual(readLcov(lcov), {
    gaps: [
      { file: "core/x.ts", line: 2, kind: "line" },
      { file: "core/x.ts", line: 3, kind: "branch" },
    ],
    lines: { found: 2, hit: 1 },
    branches: { found: 2, hit: 1 },
  });
});
