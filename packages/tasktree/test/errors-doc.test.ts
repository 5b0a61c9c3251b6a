import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as everyday from "../src/index.ts";
import * as testing from "../src/testing/index.ts";

const tasktree = { ...everyday, ...testing };

/** The rows of the table in docs/errors.md: class, name, code. */
function documented(): string[] {
  const text = readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8");
  return [...text.matchAll(/^\| `(\w+)` \| `(\w+)` \| `(\w+)` \|/gm)].map((row) => row.slice(1).join(" ")).toSorted();
}

/** What the doors export, each made with the arguments it needs. */
function exported(): string[] {
  const made: Record<string, Error & { code?: unknown }> = {
    CancelledError: new tasktree.CancelledError({ why: "explicit", scope: "main" }),
    WorkCancelledError: new tasktree.WorkCancelledError("message"),
    TimeoutError: new tasktree.TimeoutError("message", { deadline: 1 }),
    InvalidStateError: new tasktree.InvalidStateError("message"),
    ClosedError: new tasktree.ClosedError("message"),
    BrokenError: new tasktree.BrokenError("message"),
    EndOfStream: new tasktree.EndOfStream("message"),
    BusyError: new tasktree.BusyError("message"),
    IncompleteReadError: new tasktree.IncompleteReadError("message", { partial: new Uint8Array(0) }),
    LimitExceededError: new tasktree.LimitExceededError("message", { limit: 1 }),
    ProcessError: new tasktree.ProcessError("message", { command: "false" }),
    HttpError: new tasktree.HttpError("message"),
    HttpStatusError: new tasktree.HttpStatusError("message", { status: 404, method: "GET", url: "http://host/" }),
    DeadlockError: new tasktree.DeadlockError("message"),
    ScheduleError: new tasktree.ScheduleError("message", { replay: "", interleaving: "", schedules: 1 }),
    LostUpdateError: new tasktree.LostUpdateError("message"),
    InjectedError: new tasktree.InjectedError("message"),
    LeakError: new tasktree.LeakError(["a timer"]),
    StuckTaskError: new tasktree.StuckTaskError("message", { task: "main" }),
  };
  const classes = Object.entries(tasktree).filter(([, value]) => Error.isPrototypeOf(value));
  return classes.map(([name]) => `${name} ${made[name]?.name} ${String(made[name]?.code)}`).toSorted();
}

test("docs/errors.md and the code list the same error classes, names and codes", () => {
  assert.deepEqual(documented(), exported());
});
