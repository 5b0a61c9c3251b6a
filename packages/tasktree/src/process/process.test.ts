import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { descriptors, eventually, sleepMark, statOf, withMark, withProc, zombies } from "../../test/processes.ts";
import { randomFrom } from "../../test/random.ts";
import { rejection } from "../../test/rejection.ts";
import { skipOn } from "../../test/runtime.ts";
import { virtually } from "../../test/virtual.ts";
import {
  BrokenError,
  BusyError,
  CancelledError,
  checkpoint,
  failAfter,
  InvalidStateError,
  moveOnAfter,
  ProcessError,
  run,
  sleep,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { runVirtual, waitAllTasksBlocked } from "../testing/index.ts";
import { openProcess, type OpenProcessOptions, type Process } from "./index.ts";

const ignoresTerm = `trap '' TERM; echo ready; while :; do sleep 0.05; done`;

/** In real time, as processes live in it, and without touching ours. */
function really<T>(main: () => Promise<T>): Promise<T> {
  return run(main, { host: false });
}

function shell(script: string, options: OpenProcessOptions = {}): Promise<Process> {
  return openProcess(script, [], { shell: true, ...options });
}

async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of source) text += decoder.decode(chunk, { stream: true });
  return text;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("what is opened", () => {
  test("openProcess() gives pipes both ways, and how it has ended", async () => {
    await really(async () => {
      await using cat = await openProcess("cat");
      assert.deepEqual([cat.command, cat.exit, cat.statistics()], ["cat", undefined, { running: true, waiting: 0 }]);
      await cat.stdin.write(bytes("hello"));
      assert.equal(new TextDecoder().decode(await cat.stdout.read()), "hello");
      await cat.stdin.closeWriting();
      assert.equal(await cat.stdout.read(), undefined);
      assert.deepEqual(await cat.wait(), { exitCode: 0, signal: undefined });
      assert.deepEqual([cat.exit, await textOf(cat.stderr)], [{ exitCode: 0, signal: undefined }, ""]);
      assert.deepEqual(cat.statistics(), { running: false, waiting: 0 });
    });
  });

  test("openProcess() never asks a shell unless it is told to", async () => {
    await really(async () => {
      const odd = "$HOME `id` ; 'x' \\ \n*";
      await using echo = await openProcess("printf", ["%s", odd]);
      assert.equal(await textOf(echo.stdout), odd);
      await using asked = await shell('echo "$((1 + 2))"; exit 7');
      assert.equal(await textOf(asked.stdout), "3\n");
      assert.equal((await asked.wait()).exitCode, 7);
    });
  });

  test("openProcess() gives the folder and the environment it was told, and a mark", async () => {
    await really(async () => {
      const env = { PATH: process.env["PATH"], ODD: "a=b\nc", "odd.name": "1", NONE: undefined };
      await using child = await openProcess("env", ["-0"], { cwd: "/", env });
      const found = (await textOf(child.stdout)).split("\0").filter((line) => line !== "");
      assert.deepEqual(found.filter((line) => !line.startsWith("TASKTREE_SPAWN=")).toSorted(), [
        "ODD=a=b\nc",
        `PATH=${process.env["PATH"]}`,
        "odd.name=1",
      ]);
      await using pwd = await openProcess("pwd", [], { cwd: new URL("file:///") });
      assert.equal(await textOf(pwd.stdout), "/\n");
    });
  });

  test("openProcess() says why it cannot open, and names the command", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tasktree-process-"));
    try {
      const plain = join(folder, "plain");
      writeFileSync(plain, "text", { mode: 0o644 });
      const cases = [
        ["no-such-command", {}, /^Cannot open process 'no-such-command': there is no such command$/],
        [plain, {}, /^Cannot open process '.*plain': it may not be executed$/],
        ["true", { cwd: "/no/such/folder" }, /^Cannot open process 'true': its folder "\/no\/such\/folder" does not/],
      ] as const;
      for (const [command, options, message] of cases) {
        const error = await really(() => rejection(openProcess(command, [], options)));
        assert.ok(error instanceof ProcessError && error.cause instanceof Error);
        assert.match(error.message, message);
        assert.deepEqual([error.command, error.exitCode, error.signal], [command, undefined, undefined]);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("openProcess() refuses arguments that make no sense", async () => {
    const wrong = [
      ["", [], {}],
      [1, [], {}],
      ["a\0b", [], {}],
      ["true", "text", {}],
      ["true", [1], {}],
      ["true", ["a\0b"], {}],
      ["true", ["arg"], { shell: true }],
      ["true", [], 1],
      ["true", [], null],
      ["true", [], { stdout: "file" }],
    ] as never[];
    for (const args of wrong) await assert.rejects(openProcess(...(args as Parameters<typeof openProcess>)), TypeError);
    for (const grace of [-1, Number.NaN, "1" as never])
      await assert.rejects(openProcess("true", [], { grace }), RangeError);
  });

  test("what is not a pipe cannot be read or written, and says so", async () => {
    await really(async () => {
      await using child = await openProcess("true", [], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
      for (const name of ["stdin", "stdout", "stderr"] as const) {
        assert.throws(() => child[name], InvalidStateError);
        assert.throws(
          () => child[name],
          new RegExp(`the ${name} of process 'true' \\(pid \\d+\\): it was not opened as`),
        );
      }
      await child.wait();
    });
  });

  test("N2 of two that read one pipe the second gets a BusyError", async () => {
    await really(async () => {
      await using child = await openProcess("sleep", ["1000"]);
      await withTaskGroup(async (group) => {
        const reading = group.spawn(() => child.stdout.read());
        await waitAllTasksBlocked();
        const error = await rejection(child.stdout.read());
        assert.ok(error instanceof BusyError);
        assert.match(error.message, /^Cannot read from the stdout of process 'sleep' \(pid \d+\): somebody else/);
        reading.cancel();
      });
    });
  });

  test(
    "who writes more than a process reads waits, and a second writer gets a BusyError",
    skipOn({ bun: "takes over whatever is written to a child" }),
    async () => {
      await really(async () => {
        await using child = await openProcess("sleep", ["1000"]);
        await withTaskGroup(async (group) => {
          const writing = group.spawn(() => child.stdin.write(new Uint8Array(1_000_000)));
          await sleep(20);
          assert.equal(writing.status, "running");
          await assert.rejects(child.stdin.write(bytes("x")), BusyError);
          writing.cancel();
        });
        assert.ok(child.stdin.bytesWritten < 500_000, String(child.stdin.bytesWritten));
      });
    },
  );

  test("writing to a process that has closed its stdin breaks that pipe, and nothing else", async () => {
    await really(async () => {
      await using child = await shell("exec <&-; echo closed; exec sleep 1000");
      await child.stdout.read();
      const error = await rejection(
        (async () => {
          while (true) {
            await child.stdin.write(new Uint8Array(100_000));
            await sleep(1);
          }
        })(),
      );
      assert.ok(error instanceof BrokenError);
      assert.match(error.message, /^Cannot write to the stdin of process 'exec /);
      assert.equal(child.stderr.isClosed, false);
    });
  });

  test("what a process has printed before its end can be read after it", async () => {
    await really(async () => {
      await using child = await shell("head -c 60000 /dev/zero; echo; echo end >&2");
      await child.wait();
      await sleep(20);
      assert.equal((await textOf(child.stdout)).length, 60_001);
      assert.equal(await textOf(child.stderr), "end\n");
    });
  });

  test("N4 who prints into a pipe that nobody reads waits, and takes no memory here", async () => {
    await really(async () => {
      await using yes = await openProcess("yes");
      await yes.stdout.read();
      await sleep(50);
      assert.ok(yes.stdout.statistics().buffered <= 1_000_000, String(yes.stdout.statistics().buffered));
      assert.equal(yes.exit, undefined);
    });
  });
});

describe("the end", () => {
  test("wait() tells the exit code, or the signal", async () => {
    await really(async () => {
      await using seven = await shell("exit 7");
      assert.deepEqual(await seven.wait(), { exitCode: 7, signal: undefined });
      await using killed = await openProcess("sleep", ["1000"]);
      killed.sendSignal("SIGUSR1");
      assert.deepEqual(await killed.wait(), { exitCode: undefined, signal: "SIGUSR1" });
    });
  });

  test(
    "an exit code above 128 is no signal",
    skipOn({ deno: "gives the name of a signal for every exit code above 128" }),
    async () => {
      await using child = await shell("exit 143");
      assert.deepEqual(await child.wait(), { exitCode: 143, signal: undefined });
    },
  );

  test("C3a wait() that is cancelled leaves the process alone, and others that wait", async () => {
    await really(async () => {
      await using child = await openProcess("cat");
      await withTaskGroup(async (group) => {
        const first = group.spawn(() => child.wait());
        const second = group.spawn(() => child.wait());
        await waitAllTasksBlocked();
        assert.equal(child.statistics().waiting, 2);
        first.cancel();
        assert.equal((await first.outcome()).status, "cancelled");
        assert.equal(child.exit, undefined);
        await child.stdin.closeWriting();
        assert.equal((await second).exitCode, 0);
      });
      await withCancelScope(async (scope) => {
        scope.cancel();
        await assert.rejects(child.wait(), CancelledError);
      });
    });
  });

  test("sendSignal() sends a signal to the whole group, and nothing to one that has ended", withProc, async () => {
    await really(async () => {
      const mark = sleepMark();
      await using child = await shell(`sleep ${mark} & sleep ${mark}; :`);
      await eventually("both run", () => withMark(mark).length >= 3);
      for (const signal of ["SIGNONE", "", 9, "toString", undefined] as never[])
        assert.throws(() => child.sendSignal(signal), TypeError);
      child.sendSignal("SIGINT");
      child.sendSignal("SIGKILL");
      await child.wait();
      assert.deepEqual(withMark(mark), []);
      child.sendSignal("SIGKILL");
    });
  });

  test("a process that may not be signalled is an error of terminate() and sendSignal(), and goes on", async () => {
    await really(async () => {
      await using child = await openProcess("sleep", ["1000"]);
      const { kill } = process;
      process.kill = () => {
        throw Object.assign(new Error("kill EPERM"), { code: "EPERM" });
      };
      try {
        const error = await rejection(child.terminate());
        assert.ok(error instanceof ProcessError && error.cause instanceof Error);
        assert.match(error.message, /^Cannot send SIGTERM to process 'sleep' \(pid \d+\): Error: kill EPERM$/);
        assert.throws(() => child.sendSignal("SIGKILL"), ProcessError);
      } finally {
        process.kill = kill;
      }
      assert.equal(child.exit, undefined);
      assert.equal((await child.terminate()).signal, "SIGTERM");
    });
  });

  test(
    "P2a what is left of the group when its process has ended is ended too, and wait() waits for it",
    withProc,
    async () => {
      await really(async () => {
        const mark = sleepMark();
        await using child = await shell(`sleep ${mark} & echo started`);
        assert.equal((await child.wait()).exitCode, 0);
        assert.deepEqual(withMark(mark), []);
        assert.equal(await textOf(child.stdout), "started\n");
      });
    },
  );

  test("P2a what is left of the group and ignores TERM is killed when grace is over", withProc, async () => {
    await really(async () => {
      const mark = sleepMark();
      await using child = await shell(`(trap '' TERM; echo x; sleep ${mark}) & read line`, { grace: 50 });
      await child.stdout.read();
      await child.stdin.closeWriting();
      await child.wait();
      assert.deepEqual(withMark(mark), []);
    });
  });

  test("P1a leaving the block ends the process and what it has started", withProc, async () => {
    await really(async () => {
      const mark = sleepMark();
      let left: Process;
      {
        await using child = await shell(`sleep ${mark} & sh -c 'sleep ${mark}; :'; :`);
        await eventually("grandchildren run", () => withMark(mark).length >= 4);
        left = child;
      }
      assert.deepEqual([withMark(mark), left.exit], [[], { exitCode: undefined, signal: "SIGTERM" }]);
      await left.close();
      assert.deepEqual([left.stdin.isClosed, left.stdout.isClosed, left.stderr.isClosed], [true, true, true]);
    });
  });

  test("P1a who ignores TERM is killed when grace is over, and not before", withProc, async () => {
    await really(async () => {
      const child = await shell(ignoresTerm, { grace: 200 });
      await child.stdout.read();
      const start = performance.now();
      await child.close();
      assert.ok(performance.now() - start >= 190);
      assert.deepEqual(child.exit, { exitCode: undefined, signal: "SIGKILL" });
    });
  });

  test("P1a a grace that is longer than a timer of the platform can be is not over at once", async () => {
    await really(async () => {
      for (const grace of [3_000_000_000, Number.MAX_SAFE_INTEGER]) {
        const script = `trap 'sleep 0.1; exit 5' TERM; echo ready; while :; do sleep 0.02; done`;
        await using child = await shell(script, { grace });
        await child.stdout.read();
        assert.deepEqual(await child.terminate(), { exitCode: 5, signal: undefined });
      }
    });
  });

  test("P1a a grace that is longer than a timer of the platform can be takes several", async () => {
    const { setTimeout: real } = globalThis;
    const orders: number[] = [];
    await really(async () => {
      await using child = await shell(ignoresTerm, { grace: 2 ** 32 + 28 });
      await child.stdout.read();
      globalThis.setTimeout = ((call: () => void, ms: number) => {
        orders.push(ms);
        return real(call, Math.min(ms, 30));
      }) as typeof setTimeout;
      try {
        assert.equal((await child.terminate()).signal, "SIGKILL");
      } finally {
        globalThis.setTimeout = real;
      }
    });
    assert.deepEqual(orders.slice(0, 3), [2 ** 31 - 1, 2 ** 31 - 1, 30]);
  });

  test("P1a who answers TERM has the time, and what it prints then breaks nothing", async () => {
    await really(async () => {
      const script = `trap 'head -c 300000 /dev/zero; exit 5' TERM; echo ready; while :; do sleep 0.02; done`;
      const child = await shell(script, { grace: 60_000 });
      await child.stdout.read();
      await child.close();
      assert.deepEqual(child.exit, { exitCode: 5, signal: undefined });
    });
  });

  test("P1a a stopped process ends too, by TERM", withProc, async () => {
    await really(async () => {
      const child = await openProcess("sleep", ["1000"], { grace: 60_000 });
      child.sendSignal("SIGSTOP");
      await eventually("it is stopped", () => statOf(child.pid)[0] === "T");
      await child.close();
      assert.equal(child.exit?.signal, "SIGTERM");
    });
  });

  test("P1a terminate() gives how it has ended; its grace can only be made shorter", async () => {
    await really(async () => {
      await using child = await shell(ignoresTerm, { grace: 60_000 });
      await child.stdout.read();
      await withTaskGroup(async (group) => {
        const patient = group.spawn(() => child.terminate());
        await waitAllTasksBlocked();
        assert.equal(patient.status, "running");
        assert.equal((await child.terminate({ grace: 0 })).signal, "SIGKILL");
        assert.equal((await patient).signal, "SIGKILL");
      });
      assert.equal((await child.terminate({ grace: Infinity })).signal, "SIGKILL");
      for (const grace of [-1, Number.NaN]) await assert.rejects(child.terminate({ grace }), RangeError);
    });
  });

  test("P1a a cancelled block ends its process, and goes on when nothing is left", withProc, async () => {
    await really(async () => {
      const mark = sleepMark();
      const value = await moveOnAfter(50, async () => {
        await using child = await shell(`sleep ${mark} & sleep ${mark}; :`);
        await child.wait();
      });
      assert.deepEqual([value, withMark(mark)], [undefined, []]);
    });
  });

  test("P1a failAfter() ends a process that neither reads nor prints", async () => {
    await really(async () => {
      const timedOut = failAfter(30, async () => {
        await using child = await openProcess("sleep", ["1000"]);
        await child.stdin.write(new Uint8Array(5_000_000));
        await child.wait();
      });
      assert.ok((await rejection(timedOut)) instanceof TimeoutError);
    });
  });

  test("P1b the cut-off sends KILL at once, whatever the grace of the process", async () => {
    await really(async () => {
      let child: Process | undefined;
      await withCancelScope(
        async (scope) => {
          await using opened = (child = await shell(ignoresTerm, { grace: Infinity }));
          await opened.stdout.read();
          scope.cancel();
          await opened.wait();
        },
        { grace: 100 },
      );
      assert.equal(child!.exit?.signal, "SIGKILL");
    });
  });

  test("P1b where there is no grace at all, or it is over, a process is killed at once", async () => {
    await really(async () => {
      for (const grace of [0, 20]) {
        let child: Process | undefined;
        await withCancelScope(
          async (scope) => {
            await using opened = (child = await shell(ignoresTerm, { grace: Infinity }));
            await opened.stdout.read();
            scope.cancel();
            // Code that does not listen; with grace 0 the disposer begins after the cut-off.
            await new Promise((resolve) => setTimeout(resolve, grace * 2));
          },
          { grace },
        );
        assert.equal(child!.exit?.signal, "SIGKILL");
      }
    });
  });

  test("C3a openProcess() in a cancelled scope starts nothing", withProc, async () => {
    await really(async () => {
      const mark = sleepMark();
      await withCancelScope(async (scope) => {
        scope.cancel();
        await openProcess("sleep", [mark]);
      });
      await withCancelScope(async (scope) => {
        const opening = openProcess("sleep", [mark]);
        scope.cancel();
        await using _child = await opening;
      });
      assert.deepEqual(withMark(mark), []);
    });
  });

  test("P1a closing twice, and closing while somebody waits, is one end for all", async () => {
    await really(async () => {
      const child = await openProcess("sleep", ["1000"]);
      await withTaskGroup(async (group) => {
        const waiting = group.spawn(() => child.wait());
        const reading = group.spawn(() => child.stdout.read());
        await waitAllTasksBlocked();
        await Promise.all([child.close(), child.close()]);
        assert.equal((await waiting).signal, "SIGTERM");
        await reading.outcome();
      });
    });
  });

  test("P1c a process that leaves its group by setsid is not ended: the limit", withProc, async () => {
    await really(async () => {
      const mark = sleepMark();
      {
        await using child = await shell(`setsid sleep ${mark} >/dev/null 2>&1 & sleep ${mark}; :`);
        await eventually("all run", () => withMark(mark).length >= 3);
        await eventually("one has left", () =>
          withMark(mark).some((pid) => statOf(pid)[2] === String(pid) && pid !== child.pid),
        );
      }
      const [left] = withMark(mark);
      assert.ok(left !== undefined);
      process.kill(left, "SIGKILL");
      await eventually("nothing is left", () => withMark(mark).length === 0);
    });
  });

  test("group: false leaves a process in our group, and ends it alone", withProc, async () => {
    await really(async () => {
      const child = await openProcess("sleep", ["1000"], { group: false });
      assert.equal(statOf(child.pid)[2], statOf(process.pid)[2]);
      await child.close();
      assert.equal(child.exit?.signal, "SIGTERM");
    });
  });

  test("group: true makes a process the first of a group and a session of its own", withProc, async () => {
    await really(async () => {
      await using child = await openProcess("sleep", ["1000"]);
      assert.deepEqual(statOf(child.pid).slice(2, 4), [String(child.pid), String(child.pid)]);
    });
  });

  test("reports name the process that is waited for", async () => {
    await really(async () => {
      await using child = await openProcess("sleep", ["1000"]);
      assert.match((child as unknown as { describe(): string }).describe(), /^the end of process 'sleep' \(pid \d+\)$/);
    });
  });

  test("in virtual time a process goes by real time", async () => {
    await virtually(async () => {
      const child = await shell(ignoresTerm, { grace: 100 });
      await child.stdout.read();
      const start = performance.now();
      await child.close();
      assert.ok(performance.now() - start >= 90);
      assert.equal(child.exit?.signal, "SIGKILL");
    });
  });

  test("where the platform follows virtual time a process does not", async () => {
    await runVirtual(
      async () => {
        const child = await shell(ignoresTerm, { grace: 100 });
        await child.stdout.read();
        child.stdin.abort();
        const pending = child.close();
        await sleep(3_600_000);
        await pending;
        assert.equal(child.exit?.signal, "SIGKILL");
        const mild = await shell("trap 'sleep 0.1; exit 4' TERM; echo ready; while :; do sleep 0.02; done");
        await mild.stdout.read();
        await mild.close();
        assert.equal(mild.exit?.exitCode, 4);
      },
      { platform: true },
    );
  });

  test("a process works outside of every run", async () => {
    await using child = await shell("echo hello");
    assert.equal(await textOf(child.stdout), "hello\n");
    assert.equal((await child.wait()).exitCode, 0);
  });
});

test(
  "P1a processes that are cancelled at any moment leave no process, no zombie and no descriptor",
  withProc,
  async () => {
    const mark = sleepMark();
    const random = randomFrom(7);
    await really(async () => {
      await using _first = await openProcess("true"); // with it comes the watchdog
    });
    const before = descriptors();
    await really(async () => {
      for (let round = 0; round < 20; round++) {
        await withTaskGroup(async (group) => {
          for (let i = 0; i < 10; i++) {
            const ms = random(25);
            group.spawn(() => moveOnAfter(ms, () => oneOf(random(4), mark)));
          }
        });
      }
    });
    assert.deepEqual([withMark(mark), zombies()], [[], []]);
    await eventually("all descriptors are closed", () => descriptors() <= before);
  },
);

async function oneOf(kind: number, mark: string): Promise<void> {
  await using child = await shell(`sleep ${mark} & sleep ${mark}; :`, { grace: kind === 0 ? 0 : 5000 });
  if (kind === 1) await child.stdout.read();
  if (kind === 2) await child.stdin.write(new Uint8Array(200_000));
  await checkpoint();
  await child.wait();
}
