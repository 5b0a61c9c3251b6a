/** What a run does to its process: each test runs a program of test/programs in a process of its own. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { program, runFile, startFile, type Ended } from "../../test/child.ts";
import { skipOn } from "../../test/runtime.ts";

const noContext = "tells of it in no context";

/** Starts a program, sends it a signal once it has printed "ready", and waits for its end. */
async function signalled(name: string, args: readonly string[], signal: NodeJS.Signals): Promise<Ended> {
  const child = startFile(program(name), args);
  await child.printed("ready");
  child.kill(signal);
  return await child.ended;
}

/** The lines of standard output, without those that the programs print to be waited for. */
function lines({ stdout }: Ended): string[] {
  return stdout.split("\n").filter((line) => line !== "" && line !== "ready");
}

describe("signals", () => {
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    test(`R2a the first ${signal} cancels the tree, whose cleanup runs; the exit code is ${code}`, async () => {
      const ended = await signalled("shutdown.ts", [], signal);
      assert.deepEqual(lines(ended), ["cleaned", `run rejected: shutdown, exit code ${code}`]);
      assert.equal(ended.code, code);
      assert.equal(ended.stderr, "");
    });
  }

  test("R2a the value of a main that returns in spite of the signal stands, and the exit code too", async () => {
    const ended = await signalled("shutdown.ts", ["0", "returns"], "SIGINT");
    assert.deepEqual(lines(ended), ["cleaned", "run gave value, exit code 130"]);
    assert.equal(ended.code, 130);
  });

  test("R2a a failure of cleanup after a signal rejects the run, and the exit code stays", async () => {
    const ended = await signalled("shutdown.ts", ["0", "fails"], "SIGTERM");
    assert.deepEqual(lines(ended), ["cleaned", "run rejected: Error: failed in cleanup, exit code 143"]);
    assert.equal(ended.code, 143);
  });

  test("R2a the first signal drains, and who finishes in time is not cancelled", async () => {
    const ended = await signalled("shutdown.ts", ["60000", "drains with a server"], "SIGTERM");
    assert.deepEqual(lines(ended), ["draining", "run gave finished, exit code 143"]);
    assert.equal(ended.code, 143);
  });

  test("R2a R3a a main that only waits for draining is not deadlocked: a signal can wake it", async () => {
    const ended = await signalled("shutdown.ts", ["60000", "drains"], "SIGTERM");
    assert.deepEqual(lines(ended), ["draining", "run gave finished, exit code 143"]);
  });

  test("R2a when the time to drain is over the tree is cancelled", async () => {
    const ended = await signalled("shutdown.ts", ["50"], "SIGINT");
    assert.deepEqual(lines(ended), ["cleaned", "run rejected: shutdown, exit code 130"]);
    assert.equal(ended.code, 130);
  });

  test("R2b a second signal gives up what is alive at once, prints it, and exits", async () => {
    const child = startFile(program("stubborn.ts"));
    await child.printed("ready");
    child.kill("SIGINT");
    await child.printed("obedient cancelled");
    child.kill("SIGINT");
    const ended = await child.ended;
    assert.equal(ended.code, 130);
    assert.match(ended.stdout, /exit 130/);
    assert.match(ended.stderr, /gave up what is still alive/);
    assert.match(ended.stderr, /^ *deaf waits for something that tasktree does not know/m);
    assert.match(ended.stderr, /^ *shielded waits for its cancellation/m);
    assert.doesNotMatch(ended.stderr, /obedient/);
  });

  test("R2b before a forced exit the last calls are made, and one that throws is printed", async () => {
    const child = startFile(program("last-calls.ts"));
    await child.printed("ready");
    child.kill("SIGINT");
    await child.printed("cancelled");
    child.kill("SIGINT");
    const { code, stdout, stderr } = await child.ended;
    assert.deepEqual([code, stdout], [130, "ready\ncancelled\nfirst call\nlast call\n"]);
    assert.match(stderr, /rror: of a call[^]*gave up what is still alive/);
  });

  test("R2b a second signal of another kind is a second signal too", async () => {
    const child = startFile(program("stubborn.ts"));
    await child.printed("ready");
    child.kill("SIGTERM");
    await child.printed("obedient cancelled");
    child.kill("SIGINT");
    const ended = await child.ended;
    assert.ok(ended.code === 143 || ended.code === 130, String(ended.code));
    assert.match(ended.stderr, /gave up/);
  });

  test("R2b at the end of grace what is alive is given up, printed, and the process exits", async () => {
    const ended = await signalled("stubborn.ts", ["100"], "SIGTERM");
    assert.equal(ended.code, 143);
    assert.match(ended.stdout, /obedient cancelled/);
    assert.match(ended.stderr, /gave up what is still alive/);
    assert.match(ended.stderr, /deaf/);
  });

  test("R2b with no grace at all a signal still lets the tree end by itself", async () => {
    const ended = await signalled("stubborn.ts", ["0"], "SIGINT");
    assert.equal(ended.code, 130);
    assert.match(ended.stdout, /obedient cancelled/);
  });

  test("R2a R1a after the run a signal does what it does by default", async () => {
    const ended = await signalled("after-run.ts", [], "SIGTERM");
    assert.ok(ended.code === "SIGTERM" || ended.code === 143, String(ended.code));
    assert.equal(ended.stderr, "");
  });

  test("R2a after a signal runMain() does not wait for what foreign code has left open", async () => {
    const ended = await signalled("left-open.ts", [], "SIGTERM");
    assert.deepEqual(ended, { code: 143, stdout: "ready\ncleaned\n", stderr: "" });
  });

  test("R2a sleepForever() keeps the process alive for the signal that ends it", async () => {
    const ended = await signalled("exit-codes.ts", ["forever"], "SIGINT");
    assert.equal(ended.code, 130);
    assert.equal(ended.stderr, "");
  });
});

describe("exit codes", () => {
  test("R2c a program that is done exits with 0 and prints nothing", async () => {
    assert.deepEqual(await runFile(program("exit-codes.ts"), ["done"]), { code: 0, stdout: "", stderr: "" });
  });

  test("R2c a program with many timeouts behind it lives until it is done, and no longer", async () => {
    for (const then of ["ends", "sleeps"]) {
      const ended = await runFile(program("many-timeouts.ts"), [then]);
      assert.deepEqual(ended, { code: 0, stdout: "done", stderr: "" }, then);
    }
  });

  test("R2c a program whose main fails exits with 1, and prints the error once with its cause", async () => {
    const { code, stderr } = await runFile(program("exit-codes.ts"), ["failed"]);
    assert.equal(code, 1);
    assert.equal(stderr.match(/rror: it failed/g)?.length, 1);
    assert.match(stderr, /for this reason/);
  });

  test("R2c a program that is deadlocked exits with 70", async () => {
    const { code, stderr } = await runFile(program("exit-codes.ts"), ["deadlock"]);
    assert.equal(code, 70);
    assert.equal(stderr.match(/Deadlock/g)?.length, 1);
  });
});

describe("deadlocks", () => {
  test("R3a R3b a permit that nobody gives back: the report names task, semaphore and holder; finally blocks run", async () => {
    const { code, stdout, stderr } = await runFile(program("leaked-permit.ts"));
    assert.equal(code, 70);
    assert.equal(stdout, "query got deadlock\nquery cleaned up\n");
    assert.match(stderr, /^ *main waits for its children$/m);
    assert.match(stderr, /^ *query waits for semaphore 'database' \(0 free, 1 held\), held by task 'leaky'$/m);
    assert.match(stderr, /^ *second waits for semaphore 'database'/m);
    assert.doesNotMatch(stderr, /ring/);
  });

  test("R3b R4 in debug mode the report also tells where tasks were spawned and where they wait", async () => {
    const { code, stderr } = await runFile(program("leaked-permit.ts"), [], { env: { TASKTREE_DEBUG: "1" } });
    assert.equal(code, 70);
    assert.match(stderr, /query waits for .*leaked-permit\.ts:\d+.*spawned .*leaked-permit\.ts:\d+/);
  });

  test("R3b tasks that wait for each other are named as a ring", async () => {
    const { code, stderr } = await runFile(program("ring.ts"));
    assert.equal(code, 70);
    assert.match(stderr, /ada waits for semaphore 'right' .*held by task 'bob'/);
    assert.match(stderr, /bob waits for semaphore 'left' .*held by task 'ada'/);
    assert.match(stderr, /ring: ('ada' -> 'bob' -> 'ada'|'bob' -> 'ada' -> 'bob')$/m);
    assert.doesNotMatch(stderr, /bystander/);
  });

  test("R3b a task that waits for what it holds itself, or what its parent holds, is named as a ring too", async () => {
    const alone = await runFile(program("ring.ts"), ["alone"]);
    assert.match(alone.stderr, /ring: 'main' -> 'main'$/m);
    const withChild = await runFile(program("ring.ts"), ["with its child"]);
    assert.match(withChild.stderr, /ring: 'main' -> 'child' -> 'main'$/m);
  });

  test("R3a R3b a task that waits for a foreign promise which never settles is named, and given up", async () => {
    const { code, stderr } = await runFile(program("deaf.ts"));
    assert.equal(code, 70);
    assert.match(stderr, /^ *deaf waits for something that tasktree does not know/m);
  });

  test("R3a a deadlock does not hide behind the cleanup of another: its errors are listed", async () => {
    const { stdout } = await runFile(program("deadlock-cleanup.ts"));
    assert.deepEqual(stdout.split("\n").slice(0, -1), [
      "in cleanup",
      "rejected with DeadlockError, beside Error: cleanup failed",
    ]);
  });

  test("R3a a tree that is only asleep, or waits for a signal, is not deadlocked", async () => {
    const ended = await signalled("deaf.ts", ["forever"], "SIGINT");
    assert.doesNotMatch(ended.stderr, /Deadlock/);
    assert.equal(ended.code, 130);
  });
});

describe("late errors", () => {
  const groupFails = ["victim cancelled", "sibling cancelled", "group rejected: Error: late, true"];
  const runFails = ["run rejected: Error: late, true", "suppressed: "];

  async function late(...args: string[]): Promise<Ended> {
    return await runFile(program("late-errors.ts"), args);
  }

  for (const scenario of ["rejection in a task", "rejection in a timer of a task", "rejection in a scope of a task"]) {
    test(`R6a it fails the living task, and so its group: ${scenario}`, skipOn({ bun: noContext }), async () => {
      const ended = await late(scenario);
      assert.deepEqual(lines(ended), [...groupFails, ...runFails]);
      assert.deepEqual([ended.code, ended.stderr], [0, ""]);
    });
  }

  test("R6a it fails the living task, and so its group: exception in a task", skipOn({ deno: noContext }), async () =>
    assert.deepEqual(lines(await late("exception in a task")), [...groupFails, ...runFails]),
  );

  test(
    "R6a a second one in a task that is failing is suppressed on the first",
    skipOn({ bun: noContext }),
    async () => {
      assert.deepEqual(lines(await late("two in a task")), [
        ...groupFails,
        "run rejected: Error: late, true",
        "suppressed: Error: other",
      ]);
    },
  );

  test("R6a what is rejected with need not be an object", skipOn({ bun: noContext }), async () => {
    const ended = await late("no object");
    assert.deepEqual(lines(ended).slice(2, 4), ["group rejected: text, false", "run rejected: text, false"]);
  });

  for (const scenario of [
    "rejection in an ended task",
    "exception in an ended task",
    "rejection in a turn that is over",
    "rejection outside",
    "abandoned and late",
  ]) {
    test(`R6a it fails the root: ${scenario}`, async () => {
      assert.deepEqual(lines(await late(scenario)), runFails);
    });
  }

  test("R6a a promise rejected in the step in which main ends still counts", async () => {
    assert.deepEqual(lines(await late("as main returns")), runFails);
    assert.deepEqual(lines(await late("as main throws another")), [
      "run rejected: Error: other, false",
      "suppressed: Error: late",
    ]);
  });

  for (const kind of ["reject", "throw"]) {
    test(`R6b one in no context fails the host root (${kind})`, async () => {
      assert.deepEqual(lines(await late("in no context", kind)), runFails);
    });

    test(`R6b one in no context, without a host, ends the process as if nobody had listened (${kind})`, async () => {
      const ended = await late("in no context", kind, "no-host");
      assert.equal(ended.code, 1);
      assert.match(ended.stderr, /rror: late/);
      assert.deepEqual(lines(ended), []);
    });

    test(`R6b one in no context is left to another listener if there is one (${kind})`, async () => {
      const ended = await late("in no context, for a while", kind, "listened");
      assert.deepEqual(lines(ended), ["the other listener got Error: late", "run gave fine"]);
      assert.equal(ended.code, 0);
    });
  }

  test("R6b one that belongs to a tree which has ended is never lost: the runtime gets it", async () => {
    const ended = await late("after the run");
    assert.deepEqual(lines(ended), ["run gave fine"]);
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /rror: late/);
  });

  test("R6c a cancellation's own error is ignored", async () => {
    const ended = await late("a cancellation");
    assert.deepEqual(lines(ended), ["run gave fine"]);
    assert.equal(ended.stderr, "");
  });

  test("R6c a foreign AbortError in a cancelled scope is ignored", skipOn({ bun: noContext }), async () => {
    const ended = await late("a cancelled foreign call");
    assert.deepEqual(lines(ended), ["run gave fine"]);
    assert.equal(ended.stderr, "");
  });

  test("R6c an error that was reported already is ignored", skipOn({ bun: noContext }), async () => {
    assert.deepEqual(lines(await late("already reported")), ["group rejected: Error: late", "run gave fine"]);
  });

  test("R6c a rejected promise of the very error that main throws is ignored", async () => {
    assert.deepEqual(lines(await late("as main throws the same")), runFails);
  });
});

test("R1b a run in a worker thread does not own the process", async () => {
  const { stdout, stderr } = await runFile(program("in-worker.ts"));
  assert.equal(stdout, "listeners in the worker: 0\n", stderr);
});

test("a second copy of the package refuses to load, and says where both are; the first works on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tasktree-copy-"));
  try {
    const copy = join(folder, "src");
    cpSync(join(import.meta.dirname, ".."), copy, { recursive: true });
    const { stdout } = await runFile(program("two-copies.ts"), [join(copy, "index.ts")]);
    assert.match(
      stdout,
      /^InvalidStateError: Cannot load a second copy of tasktree from .*tasktree-copy-.*current\.ts/,
    );
    assert.ok(stdout.includes(join(import.meta.dirname, "current.ts")), stdout);
    assert.match(stdout, /the first works\n$/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
