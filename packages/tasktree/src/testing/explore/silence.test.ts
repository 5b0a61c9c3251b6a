import assert from "node:assert/strict";
import { test } from "node:test";
import { now, sleep } from "../../index.ts";
import { explore } from "../index.ts";

/** Calls `fn` in a turn of the event loop `turns` from now, through callbacks alone. */
function afterTurns(turns: number, fn: () => void): void {
  if (turns === 0) fn();
  else setImmediate(() => afterTurns(turns - 1, fn));
}

test("a program that goes on in callbacks of setImmediate alone is not silent: no deadlock, and no time passes", async () => {
  const seen: string[] = [];
  await explore(
    async () => {
      const turns = new Promise<void>((resolve) => afterTurns(20, resolve)).then(() => seen.push(`turns at ${now()}`));
      await Promise.all([turns, sleep(1000).then(() => seen.push(`slept at ${now()}`))]);
    },
    { schedules: 1 },
  );
  assert.deepEqual(seen, ["turns at 0", "slept at 1000"]);
});

test("what the explorer orders for itself is not taken for the program's", async () => {
  const begun = performance.now();
  const stuck = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise(() => {});
  };
  await assert.rejects(explore(stuck), { message: /DeadlockError/ });
  assert.ok(performance.now() - begun < 5000, "waits for itself");
});
