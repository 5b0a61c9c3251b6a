/** What becomes of combinators that nobody awaits. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { program, runFile } from "../../test/child.ts";
import { runtime } from "../../test/runtime.ts";
import { virtually } from "../../test/virtual.ts";
import {
  all,
  allSettled,
  any,
  checkpoint,
  mapConcurrent,
  race,
  sleep,
  sleepForever,
  withCancelScope,
  WorkCancelledError,
} from "../index.ts";

const waiting: Record<string, () => Promise<unknown>> = {
  race: () => race([sleepForever, sleepForever]),
  "race with onLoser": () => race([sleepForever], { onLoser: () => {} }),
  any: () => any([sleepForever, sleepForever]),
  "any with a limit": () => any([sleepForever, sleepForever], { limit: 1 }),
  all: () => all([sleepForever, () => 1]),
  "all with a limit": () => all({ first: () => 1, second: sleepForever, third: () => 3 }, { limit: 1 }),
  allSettled: () => allSettled([sleepForever, () => 1]),
  "allSettled with a limit": () => allSettled([sleepForever, () => 1], { limit: 1 }),
  "a step": () => mapConcurrent([1], sleepForever, { limit: 1 }).next(),
};

/** What the runtime reports as unhandled meanwhile. */
async function reportedIn(main: () => Promise<void>): Promise<unknown[]> {
  const reported: unknown[] = [];
  const note = (error: unknown): void => void reported.push(error);
  process.on("unhandledRejection", note);
  try {
    await virtually(main);
    await new Promise((resolve) => setTimeout(resolve, 5));
  } finally {
    process.off("unhandledRejection", note);
  }
  return reported;
}

test("K9b a combinator that nobody awaits is not reported for a cancellation, before it has begun or while it waits", async () => {
  const reported = await reportedIn(async () => {
    for (const call of Object.values(waiting)) {
      for (const when of ["before", "during"]) {
        await withCancelScope(async (scope) => {
          if (when === "before") scope.cancel();
          void call();
          if (when === "during") await sleep(1);
          scope.cancel();
          await checkpoint();
        });
      }
    }
  });
  assert.deepEqual(reported, []);
});

test("K14b a combinator that was left open is cancelled with the scope around, gives no part of its values, and is not reported", async () => {
  const reported = await reportedIn(async () => {
    for (const [name, call] of Object.entries(waiting)) {
      for (const kept of [false, true]) {
        let promise: Promise<unknown> | undefined;
        await withCancelScope(async () => {
          const made = call();
          if (kept) promise = made;
          await sleep(1);
        });
        const wanted = (error: unknown): boolean => error instanceof WorkCancelledError && error.why === "parent";
        if (promise !== undefined) await assert.rejects(promise, wanted, name);
      }
    }
  });
  assert.deepEqual(reported, []);
});

test("R6a R6c the failure of a combinator that nobody awaits is not lost, and is told once; what a group around has is not told again", async () => {
  const { stdout, stderr } = await runFile(program("unawaited-combinators.ts"));
  const lost = [
    "race: rejected with it",
    "race with onLoser: rejected with it",
    "any: rejected with it",
    "any with onLoser: rejected with it",
    "all: rejected with it",
    "all with a limit: rejected with it",
    "a step: rejected with it",
    "a group: rejected with it",
  ];
  const wanted = [
    // On Bun the listener that counts would keep them from the run.
    ...lost.map((line) => `${line}, ${runtime === "bun" ? 0 : 1} seen`),
    "race of what fails the group around: caught, 0 seen",
    "all of what fails the group around: caught, 0 seen",
    ...["with of a mutex", "race", "all", "a step"].map(
      (name) => `${name} of somebody else's task: rejected for 'main/task-1'`,
    ),
  ];
  assert.deepEqual(stdout.trim().split("\n"), wanted, stderr);
});

test("K6b all() that was left open gives its values where every function has returned one", () =>
  virtually(async () => {
    let left: Promise<unknown> | undefined;
    await withCancelScope(async () => {
      left = all([() => sleep(50).catch(() => "kept"), () => "given"]);
      await sleep(1);
    });
    assert.deepEqual(await left, ["kept", "given"]);
  }));
