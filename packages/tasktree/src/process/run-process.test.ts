import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, sleepMark, withMark, withProc } from "../../test/processes.ts";
import { rejection } from "../../test/rejection.ts";
import {
  all,
  CancelledError,
  LimitExceededError,
  moveOnAfter,
  ProcessError,
  run,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { memoryStreamPair } from "../streams/index.ts";
import { runProcess } from "./index.ts";

function really<T>(main: () => Promise<T>): Promise<T> {
  return run(main, { host: false });
}

test("runProcess() gives what was printed, as text or as bytes", async () => {
  await really(async () => {
    const script = "printf 'gr\\303\\274n'; printf err >&2";
    const text = await runProcess("sh", ["-c", script]);
    assert.deepEqual(text, { exitCode: 0, signal: undefined, stdout: "grün", stderr: "err" });
    const bytes = await runProcess("sh", ["-c", script], { output: "bytes" });
    assert.deepEqual(new Uint8Array(bytes.stdout), new Uint8Array([103, 114, 195, 188, 110]));
  });
});

test("runProcess() leaves a byte order mark out of text, as readText() does, and not out of bytes", async () => {
  await really(async () => {
    const script = "printf '\\357\\273\\277a'; printf '\\357\\273\\277b' >&2";
    const { stdout, stderr } = await runProcess("sh", ["-c", script]);
    assert.deepEqual([stdout, stderr], ["a", "b"]);
    const bytes = await runProcess("sh", ["-c", script], { output: "bytes" });
    assert.deepEqual(new Uint8Array(bytes.stdout), new Uint8Array([0xef, 0xbb, 0xbf, 97]));
  });
});

test("runProcess() gives text, bytes or a source as input, and its end", async () => {
  await really(async () => {
    assert.equal((await runProcess("cat", [], { input: "ä" })).stdout, "ä");
    const big = new Uint8Array(3_000_000).fill(65);
    const { stdout } = await runProcess("cat", [], { input: big, output: "bytes" });
    assert.equal(Buffer.compare(stdout, big), 0);
    const [near, far] = memoryStreamPair();
    await withTaskGroup(async (group) => {
      const counting = group.spawn(() => runProcess("wc", ["-c"], { input: far }));
      await near.write(new Uint8Array(1000));
      await near.closeWriting();
      assert.equal((await counting).stdout.trim(), "1000");
    });
    assert.equal(far.isClosed, false);
  });
});

test("runProcess() without input gives an empty one", async () => {
  assert.equal((await really(() => runProcess("cat"))).stdout, "");
  assert.equal((await really(() => runProcess("cat", [], { stdin: "pipe" }))).stdout, "");
});

test("runProcess() does not mind who ends without reading its input", async () => {
  await really(async () => {
    assert.equal((await runProcess("true", [], { input: new Uint8Array(5_000_000) })).exitCode, 0);
    const early = await runProcess("head", ["-c", "3"], { input: "a".repeat(1_000_000) });
    assert.equal(early.stdout, "aaa");
    const [, never] = memoryStreamPair();
    assert.equal((await runProcess("true", [], { input: never })).exitCode, 0);
  });
});

test("runProcess() fails if its input does, and ends the process", async () => {
  const broken = {
    read: () => Promise.reject(new Error("no more")),
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error("no more")) }),
  };
  await assert.rejects(
    really(() => runProcess("cat", [], { input: broken as never })),
    { message: "no more" },
  );
});

test("P4a runProcess() rejects with what is known when the exit code is not 0, or a signal came", async () => {
  const error = await really(() => rejection(runProcess("sh", ["-c", "echo out; echo one >&2; echo two >&2; exit 3"])));
  assert.ok(error instanceof ProcessError);
  assert.equal(error.message, "Process 'sh' ended with exit code 3: two");
  assert.deepEqual([error.name, error.code], ["ProcessError", "TASKTREE_PROCESS"]);
  assert.deepEqual(
    [error.command, error.exitCode, error.signal, error.stdout, error.stderr],
    ["sh", 3, undefined, "out\n", "one\ntwo\n"],
  );
  assert.ok(!Object.keys(error).includes("stdout"));
  const killed = await really(() => rejection(runProcess("sh", ["-c", "kill -9 $$"])));
  assert.equal((killed as Error).message, "Process 'sh' ended with signal SIGKILL");
});

test("P4a runProcess() with check: false gives every end", async () => {
  const { exitCode, stderr } = await really(() =>
    runProcess("sh", ["-c", "echo x >&2; exit 3"], { check: false, shell: false }),
  );
  assert.deepEqual([exitCode, stderr], [3, "x\n"]);
});

test("P4b runProcess() bounds what it collects, and ends who prints more", withProc, async () => {
  await really(async () => {
    const mark = sleepMark();
    const error = await rejection(runProcess("sh", ["-c", `yes ${mark}`], { maxOutput: 100_000 }));
    assert.ok(error instanceof LimitExceededError && error.limit === 100_000);
    assert.equal(error.message, "Cannot collect the stdout of process 'sh': it is longer than 100000 bytes");
    assert.deepEqual(withMark(mark), []);
    const exact = await runProcess("head", ["-c", "1000", "/dev/zero"], { maxOutput: 1000 });
    assert.equal(exact.stdout.length, 1000);
    const toStderr = await rejection(runProcess("sh", ["-c", "echo 12345 >&2"], { maxOutput: 5 }));
    assert.match((toStderr as Error).message, /^Cannot collect the stderr/);
  });
});

test("P1a runProcess() that is cancelled leaves nothing", withProc, async () => {
  await really(async () => {
    const mark = sleepMark();
    await withTaskGroup(async (group) => {
      const running = group.spawn(() => runProcess("sh", ["-c", `sleep ${mark} & sleep ${mark}; :`], { input: "x" }));
      await eventually("it runs", () => withMark(mark).length >= 3);
      running.cancel();
      assert.equal((await running.outcome()).status, "cancelled");
    });
    assert.deepEqual(withMark(mark), []);
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(runProcess("sleep", [mark]), CancelledError);
    });
  });
});

test("P2a runProcess() does not wait for what its process has left in the background", withProc, async () => {
  const mark = sleepMark();
  const value = await really(() => moveOnAfter(10_000, () => runProcess("sh", ["-c", `sleep ${mark} & echo done`])));
  assert.deepEqual([value?.stdout, withMark(mark)], ["done\n", []]);
});

test("runProcess() runs as many side by side as it is asked to", async () => {
  await really(async () => {
    const numbers = Array.from({ length: 20 }, (_, index) => String(index));
    const results = await all(
      numbers.map((number) => () => runProcess("echo", [number])),
      { limit: 5 },
    );
    assert.deepEqual(
      results.map(({ stdout }) => stdout),
      numbers.map((number) => `${number}\n`),
    );
  });
});

test("runProcess() gives nothing of what is not collected", async () => {
  const result = await really(() => runProcess("sh", ["-c", "echo a; echo b >&2"], { stdout: "ignore" }));
  assert.deepEqual([result.stdout, result.stderr], ["", "b\n"]);
});

test("runProcess() refuses options that make no sense", async () => {
  for (const options of [{ input: 1 }, { input: "x", stdin: "inherit" }, { output: "json" }, 1, null] as never[])
    await assert.rejects(runProcess("true", [], options), TypeError);
  for (const maxOutput of [-1, 1.5, Number.NaN])
    await assert.rejects(runProcess("true", [], { maxOutput }), RangeError);
});
