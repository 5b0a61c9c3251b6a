/** What is left of processes when the program that opened them ends: each test runs a program of test/programs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { program, runFile, startFile, type Child } from "../../test/child.ts";
import { eventually, sleepMark, withMark, withProc } from "../../test/processes.ts";

async function started(how: string, mark: string): Promise<Child> {
  const child = startFile(program("processes.ts"), [how, mark]);
  await child.printed("ready");
  return child;
}

async function nothingIsLeft(mark: string): Promise<void> {
  await eventually(`no sleep ${mark} is left`, () => withMark(mark).length === 0);
}

test("P3a a program that is ended by TERM has ended the shell and its sleeps before", withProc, async () => {
  const mark = sleepMark();
  const child = await started("sleeps", mark);
  await eventually("the shell has started its sleeps", () => withMark(mark).length >= 3);
  child.kill("SIGTERM");
  const { code } = await child.ended;
  assert.deepEqual([code, withMark(mark)], [143, []]);
});

for (const [how, signal] of [
  ["without run", "SIGTERM"],
  ["without run", "SIGINT"],
  ["sleeps", "SIGKILL"],
] as const) {
  test(
    `P3a a program ${how === "sleeps" ? "under run" : how} that ${signal} kills leaves nothing`,
    withProc,
    async () => {
      const mark = sleepMark();
      const child = await started(how, mark);
      await eventually("the shell has started its sleeps", () => withMark(mark).length >= 3);
      child.kill(signal);
      await child.ended;
      await nothingIsLeft(mark);
    },
  );
}

test("P3a a program that calls process.exit() leaves nothing, nor is it held up", withProc, async () => {
  const mark = sleepMark();
  const child = await started("exits", mark);
  assert.equal((await child.ended).code, 3);
  await nothingIsLeft(mark);
});

test("a program that has closed its processes ends by itself; what inherits its stdout prints there", async () => {
  const { code, stdout, stderr } = await runFile(program("processes.ts"), ["done"]);
  assert.deepEqual([code, stdout, stderr], [0, "printed by a child\n", ""]);
});

test("P3a a process that was not told of when its program was killed is found", withProc, async () => {
  const mark = sleepMark();
  const child = await started("untold", mark);
  await eventually("it runs", () => withMark(mark).length === 2); // and the program
  child.kill("SIGKILL");
  await child.ended;
  await nothingIsLeft(mark);
});

test("P3a a program killed at any moment while it opens processes leaves nothing", withProc, async () => {
  for (let round = 0; round < 6; round++) {
    const mark = sleepMark();
    const child = await started("loop", mark);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
    child.kill("SIGKILL");
    await child.ended;
    await nothingIsLeft(mark);
  }
});

test("P3a signals do not end the watchdog; one that is killed is replaced", withProc, async () => {
  const mark = sleepMark();
  const child = await started("attacked", mark);
  assert.equal(withMark(mark).length, 3);
  child.kill("SIGKILL");
  await child.ended;
  await nothingIsLeft(mark);
});

test("P3b R2b a forced exit kills what does not end at TERM, also without the watchdog", withProc, async () => {
  const mark = sleepMark();
  const child = await started("stubborn", mark);
  const watchdogs = /ready (.+)/
    .exec(await outputOf(child))![1]!
    .split(" ")
    .map(Number);
  try {
    child.kill("SIGTERM");
    await child.printed("cancelled");
    child.kill("SIGTERM");
    const { code, stderr } = await child.ended;
    assert.equal(code, 143);
    assert.match(stderr, /gave up what is still alive/);
    await nothingIsLeft(mark);
  } finally {
    for (const pid of watchdogs) process.kill(pid, "SIGKILL");
  }
});

async function outputOf(child: Child): Promise<string> {
  await child.printed("\n");
  return child.stdout;
}
