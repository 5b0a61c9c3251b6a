/** Real time is the subject here: each test blocks a process of its own, far longer than it takes to notice. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { program, runFile, startFile, type ChildOptions, type Ended } from "../../test/child.ts";
import { skipOn } from "../../test/runtime.ts";
import { watchEventLoop, type Stall } from "./index.ts";

const command = join(import.meta.dirname, "../cli/main.ts");
const blocks = program("blocks.ts");

const noLook = "no thread can look at a blocked one";
const noStack = skipOn({ bun: noLook, deno: noLook });

function debug(file: string, args: readonly string[] = [], options?: ChildOptions): Promise<Ended> {
  return runFile(command, ["run", "--debug", file, "--", ...args], options);
}

interface Told {
  readonly ms: number;
  readonly by: string;
  readonly stack: readonly string[];
}

/** What was told of a stall while it lasted, and how long it was in the end. Nothing else may have been printed. */
function told({ stderr }: Ended): { live: Told[]; end: number } {
  const [, reports = "", end = ""] =
    /^((?:tasktree: the event loop has been .*\n(?: {4}.*\n)*)*)tasktree: the event loop is free again after (\d+) ms\n$/.exec(
      stderr,
    ) ?? assert.fail(stderr);
  const live = [...reports.matchAll(/blocked for (\d+) ms (.*)\n((?: {4}.*\n)*)/g)].map(
    ([, ms, by = "", lines = ""]) => ({
      ms: Number(ms),
      by,
      stack: lines
        .trimEnd()
        .split("\n")
        .map((line) => line.trim()),
    }),
  );
  return { live, end: Number(end) };
}

test("R4 a blocked event loop is told while it lasts, with the task and the live stack", noStack, async () => {
  const { live, end } = told(await debug(blocks, ["1500"]));
  const { ms, by, stack } = live[0]!;
  assert.ok(ms > 100 && ms < 1500, `${ms} ms`);
  assert.equal(by, "by task 'main/worker'");
  // Of the stack only the program's own code.
  assert.deepEqual(
    stack.map((line) => /^at (\w+) \(.*blocks\.ts:\d+:\d+\)$/.exec(line)?.[1]),
    ["spin", "worker"],
  );
  assert.ok(end > 1400, `${end} ms`);
});

test("R4 a stall is told once, again when it lasts ten times as long, and at its end", noStack, async () => {
  const { live, end } = told(await debug(blocks, ["2500"]));
  assert.deepEqual(
    live.map(({ ms }) => ms > 1000),
    [false, true],
  );
  assert.ok(end >= live[1]!.ms);
});

test("R4 code that blocks in a native call is named when that returns", noStack, async () => {
  const { live, end } = told(await debug(blocks, ["600", "native"]));
  const { by, stack } = live.at(-1)!;
  assert.equal(by, "by task 'main/worker'");
  assert.match(stack.join("\n"), /^at waitInNativeCode /m);
  assert.ok(end > 500);
});

test("R4 a program that exits right after a stall keeps its exit code, and prints nothing else", noStack, async () => {
  const { code, stderr } = await debug(blocks, ["600", "exit"]);
  assert.equal(code, 3);
  assert.match(
    stderr,
    /^tasktree: the event loop has been blocked for \d+ ms by task 'main\/worker'\n(?: {4}at .*\n)+$/,
  );
});

test("R4 a stall is told at the latest when it is over, with --debug and with TASKTREE_DEBUG=1", async () => {
  const over = /^tasktree: the event loop (?:is free again after|was blocked for) (\d+) ms$/m;
  const option = await debug(blocks, ["1000"]);
  const variable = await runFile(command, ["run", blocks, "--", "1000"], { env: { TASKTREE_DEBUG: "1" } });
  for (const { code, stderr } of [option, variable]) {
    assert.equal(code, 0, stderr);
    assert.ok(Number(over.exec(stderr)?.[1]) > 900, stderr);
  }
  const neither = await runFile(command, ["run", blocks, "--", "1000"]);
  assert.equal(neither.stderr, "");
});

test("R4 a program that does not block prints nothing", async () => {
  const { code, stderr } = await debug(blocks);
  assert.deepEqual([code, stderr], [0, ""]);
});

test("R4 a process that was stopped for a while has not been blocked", noStack, async () => {
  const child = startFile(command, ["run", "--debug", blocks, "--", "1000", "wait"]);
  await child.printed("ready");
  child.kill("SIGSTOP");
  await setTimeout(500);
  child.kill("SIGCONT");
  const { code, stderr } = await child.ended;
  assert.deepEqual([code, stderr], [0, ""]);
});

test("R4 without access to the stack stalls are told when they are over, after one warning", noStack, async () => {
  const flags = {
    "--inspect=127.0.0.1:0": "an inspector is attached",
    "--permission --allow-worker --allow-fs-read=*": "wanted --allow-inspector",
  };
  for (const [NODE_OPTIONS, reason] of Object.entries(flags)) {
    const { stderr } = await debug(blocks, ["1000"], { env: { NODE_OPTIONS } });
    const lines = stderr.split("\n").filter((line) => line.startsWith("tasktree: "));
    assert.ok(lines[0]!.endsWith(`cannot be read (${reason})`), stderr);
    // A busy machine may add stalls of its own.
    const stalls = lines.slice(1).map((line) => /^tasktree: the event loop was blocked for (\d+) ms$/.exec(line)?.[1]);
    assert.ok(
      stalls.every((ms) => ms !== undefined),
      stderr,
    );
    assert.ok(
      stalls.some((ms) => Number(ms) >= 950),
      stderr,
    );
  }
});

test("R4 the watch does not keep a process alive, and a deadlock is still reported with --debug", async () => {
  const { code, stderr } = await debug(program("leaked-permit.ts"));
  assert.equal(code, 70, stderr);
  assert.match(stderr, /^Deadlock: /m);
});

test("R4 watchEventLoop() gives each stall to its report when it is over, until it is disposed", async () => {
  const { code, stdout, stderr } = await runFile(program("watches.ts"));
  assert.deepEqual([code, stderr], [0, ""]);
  const stalls = JSON.parse(stdout) as Stall[];
  assert.equal(stalls.length, 2, stdout);
  for (const { ms } of stalls) assert.ok(ms > 500 && ms < 50_000, stdout);
});

test("R4 watchEventLoop() gives task and stack to its report", noStack, async () => {
  const { stdout } = await runFile(program("watches.ts"));
  const stalls = JSON.parse(stdout) as Stall[];
  assert.deepEqual(
    stalls.map(({ task }) => task),
    ["first", "second"],
  );
  for (const { stack } of stalls) assert.match(stack[0]!, /^at spin \(.*watches\.ts:\d+:\d+\)$/);
});

test("R4 watchEventLoop() refuses what is no time", () => {
  for (const ms of [0, -1, NaN]) assert.throws(() => watchEventLoop({ ms }), RangeError);
});
