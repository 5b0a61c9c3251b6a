import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { program, runFile } from "../child.ts";
import { runtime } from "../runtime.ts";
import { everyWayOfIo } from "./every-way.ts";

const exec = promisify(execFile);

describe("processes, threads and modules under the await hook", () => {
  test(
    "child processes: promises of execFile, exit codes, several at a time",
    everyWayOfIo(async () => {
      const echo = async (word: string) => (await exec("echo", [word])).stdout.trim();
      assert.deepEqual(await Promise.all(["a", "b"].map(echo)), ["a", "b"]);
      await assert.rejects(exec("sh", ["-c", "echo no >&2; exit 3"]), { code: 3, stderr: "no\n" });
      await assert.rejects(exec("/no/such/program"), { code: "ENOENT" });
    }),
  );

  test(
    "child processes: a pipe in both directions, and a kill",
    everyWayOfIo(async () => {
      const cat = spawn("cat", { stdio: ["pipe", "pipe", "inherit"] });
      cat.stdin.end("through the pipe");
      let text = "";
      for await (const chunk of cat.stdout.setEncoding("utf8")) text += chunk as string;
      assert.equal(text, "through the pipe");
      if (cat.exitCode === null) await once(cat, "exit");
      const sleeper = spawn("sleep", ["60"], { stdio: "ignore" });
      await once(sleeper, "spawn");
      const gone = once(sleeper, "exit");
      sleeper.kill();
      assert.deepEqual(await gone, [null, "SIGTERM"]);
    }),
  );

  test(
    "a worker answers messages, and ends",
    everyWayOfIo(async () => {
      const worker = new Worker(program("echo-worker.ts"));
      assert.deepEqual(await once(worker, "message"), ["ready"]);
      const squares: number[] = [];
      for (const n of [2, 3]) {
        const answer = once(worker, "message");
        worker.postMessage(n);
        squares.push(((await answer) as [number])[0]);
      }
      assert.deepEqual(squares, [4, 9]);
      const ended = once(worker, "exit");
      worker.postMessage("stop");
      assert.deepEqual(await ended, [0]);
    }),
  );

  test(
    "modules are imported late, one of them with an await of its own, and fail to be found",
    everyWayOfIo(async () => {
      const nowhere = "./no-such-module.ts";
      const url = pathToFileURL(program("late-answer.ts")).href;
      const [first, second] = await Promise.all([
        import("../programs/late-answer.ts"),
        import(url) as Promise<{ answer: number }>,
      ]);
      assert.deepEqual([first.answer, second.answer], [42, 42]);
      await assert.rejects(import(nowhere), /no-such-module/);
    }),
  );

  test("a rejection that nobody handles is reported once, with its reason, beside an exploration and in one", async () => {
    const { stdout, stderr, code } = await runFile(program("unhandled-under-hook.ts"));
    assert.equal(stderr, "");
    assert.deepEqual(stdout.trim().split("\n"), [
      "beside: lost beside",
      "handled in time: nothing",
      // In which context it happened, Bun does not say.
      ...(runtime === "bun" ? [] : ["fails its schedule: lost inside"]),
      "inside: lost inside",
      "beside one for each run: nothing",
    ]);
    assert.equal(code, 0);
  });
});
