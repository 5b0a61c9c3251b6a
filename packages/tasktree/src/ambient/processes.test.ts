/** Child processes of tasktree/ambient. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { program } from "../../test/child.ts";
import { rejection } from "../../test/rejection.ts";
import { isCancelled, moveOnAfter, withCancelScope } from "../index.ts";
import { childProcess } from "./index.ts";

const { exec, execFile, fork, spawn } = childProcess;
const command = "exec sleep 60";

const children: Record<string, () => ChildProcess> = {
  "exec with a callback": () => exec(command, () => {}),
  "exec with options and a callback": () => exec(command, { encoding: "utf8" }, () => {}),
  "execFile with a list": () => execFile("sleep", ["60"], () => {}),
  "spawn with a list": () => spawn("sleep", ["60"]),
  "spawn with options alone": () => spawn(command, { shell: true }),
  "spawn with both": () => spawn("sleep", ["60"], { stdio: "ignore" }),
  fork: () => fork(program("sleeps.ts"), { execArgv: ["--conditions=@tasktree/source"] }),
};

for (const [name, start] of Object.entries(children)) {
  test(`C6a ${name}: a cancellation kills the child, and its error is the cancellation`, async () => {
    let child: ChildProcess | undefined;
    let caught: unknown;
    const value = await moveOnAfter(200, async () => {
      child = start();
      await once(child, "close").catch((error: unknown) => Promise.reject((caught = error) as Error));
    });
    assert.equal(value, undefined);
    assert.equal((caught as Error).name, "AbortError");
    if (child!.signalCode === null) await once(child!, "exit");
    assert.equal(child!.signalCode, "SIGTERM");
  });
}

const promised: Record<string, () => Promise<unknown> & { child?: ChildProcess }> = {
  "promisify(exec)": () => promisify(exec)(command),
  "promisify(execFile)": () => promisify(execFile)("sleep", ["60"]),
};

describe("promisified", () => {
  for (const [name, start] of Object.entries(promised)) {
    test(`C6a ${name} is cut, its child killed`, async () => {
      let child: ChildProcess | undefined;
      const value = await moveOnAfter(200, async () => {
        const promise = start();
        child = promise.child;
        await promise;
      });
      assert.equal(value, undefined);
      assert.ok(child!.pid! > 0);
      if (child!.exitCode === null && child!.signalCode === null) await once(child!, "exit");
      assert.equal(child!.signalCode, "SIGTERM");
    });

    test(`C3a ${name} starts nothing in a cancelled scope, and works in its cleanup`, () =>
      withCancelScope(async (scope) => {
        scope.cancel();
        assert.ok(isCancelled(await rejection(start())));
        const { stdout } = await promisify(exec)("echo cleanup");
        assert.equal(stdout, "cleanup\n");
      }));
  }
});

test("what a child prints comes as ever, and the caller's options count", () =>
  withCancelScope(async () => {
    const { stdout } = await promisify(execFile)("sh", ["-c", 'echo "$WORD"'], {
      env: { ...process.env, WORD: "hello" },
    });
    assert.equal(stdout, "hello\n");
    const printed = await new Promise((resolve) => exec("echo there", (_error, text) => resolve(text)));
    assert.equal(printed, "there\n");
    const failed = (await rejection(promisify(exec)("exit 3"))) as { code?: number };
    assert.equal(failed.code, 3);
  }));

test("C2c a child that was cut has told its scope: a command in a finally runs", async () => {
  let cleanup = "";
  await moveOnAfter(200, async () => {
    try {
      await once(spawn("sleep", ["60"]), "close");
    } finally {
      cleanup = (await promisify(exec)("echo cleanup")).stdout;
    }
  });
  assert.equal(cleanup, "cleanup\n");
});
