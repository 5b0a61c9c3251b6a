/** Mutations of packages/tasktree/src/sync. */
import type { Mutation } from "./index.ts";

const mutex = "packages/tasktree/src/sync/mutex.ts";
const semaphore = "packages/tasktree/src/sync/semaphore.ts";
const limiter = "packages/tasktree/src/sync/capacity-limiter.ts";
const latch = "packages/tasktree/src/sync/latch.ts";
const condition = "packages/tasktree/src/sync/condition.ts";
const barrier = "packages/tasktree/src/sync/barrier.ts";

const unlessRefused = "if (refusal !== undefined) return refusal;";

export const ofSync: readonly Mutation[] = [
  {
    clause: "C3a",
    file: mutex,
    find: unlessRefused,
    replace: "if (refusal !== undefined && this.locked) return refusal;",
  },
  { clause: "F1b", file: mutex, find: "this.#held = next;", replace: "this.#held = undefined;" },
  {
    clause: "F1c",
    file: mutex,
    find: "if (this.#held === undefined) return this.#give(new",
    replace: "if (this.#waiters.size === 0) return this.#give(new",
  },
  {
    clause: "C3a",
    file: semaphore,
    find: "if (refusal !== undefined) return refusal;\n    const task = taskAt(node);\n    return this.#free > 0",
    replace: "const task = taskAt(node);\n    return this.#free > 0",
  },
  {
    clause: "F1b",
    file: semaphore,
    find: "if (next === undefined) this.#free++;",
    replace: "this.#free++;\n    if (next === undefined) return;",
  },
  {
    clause: "F1c",
    file: semaphore,
    find: "return this.#free > 0 ? this.#take(currentTask",
    replace: "return this.#free >= 0 ? this.#take(currentTask",
  },
  {
    clause: "C3a",
    file: limiter,
    find: unlessRefused,
    replace: "if (refusal !== undefined && this.available === 0) return refusal;",
  },
  {
    clause: "F1b",
    file: limiter,
    find: "this.#lend(next);",
    replace: "void Promise.resolve().then(() => this.#lend(next));",
  },
  { clause: "F1c", file: limiter, find: "this.available > 0 && this.#lend", replace: "this.#lend" },
  {
    clause: "C3a",
    file: latch,
    find: "refused() ?? (this.#open ? passed() : this.#waiters.wait())",
    replace: "this.#open ? passed() : (refused() ?? this.#waiters.wait())",
  },
  {
    clause: "F1b",
    file: latch,
    find: "this.#waiters.wakeAll();",
    replace: "queueMicrotask(() => this.#open && this.#waiters.wakeAll());",
  },
  {
    clause: "C3a",
    file: condition,
    find: "if (this.#notified.delete(hold) && this.#waiters.size > 0) this.#notifyFirst();",
    replace: "",
  },
  {
    clause: "C3a",
    file: condition,
    find: "await shield(() => this.mutex.take(hold), { timeout: Infinity });",
    replace: "await this.mutex.take(hold);",
  },
  {
    clause: "C3b",
    file: condition,
    find: "await waiting;",
    replace: "await waiting;\n        await refused();",
  },
  {
    clause: "F1a",
    file: mutex,
    find: "line.moveFirst(this.#waiters);",
    replace: "void Promise.resolve().then(() => line.moveFirst(this.#waiters));",
  },
  {
    clause: "C3a",
    file: barrier,
    find: unlessRefused,
    replace: "if (refusal !== undefined && this.waiting < this.parties - 1) return refusal;",
  },
  { clause: "F1a", file: barrier, find: "this.#waiters.wake(next);", replace: "this.#waiters.wake(place - 1 - next);" },
  {
    clause: "F1b",
    file: barrier,
    find: "for (let next = 0; next < place; next++) this.#waiters.wake(next);",
    replace: "queueMicrotask(() => { for (let next = 0; next < place; next++) this.#waiters.wake(next); });",
  },
  {
    clause: "S1",
    file: "packages/tasktree/src/sync/mutex.ts",
    find: "    this.#waiters.failAll(error);\n",
    replace: "",
  },
  {
    clause: "S2",
    file: "packages/tasktree/src/sync/capacity-limiter.ts",
    find: "    this.#total = total;\n    this.#serve();\n",
    replace: "    this.#total = total;\n",
  },
  {
    clause: "S3",
    file: "packages/tasktree/src/sync/condition.ts",
    find: "if (!(error instanceof BrokenError)) await this.#comeBack(hold);",
    replace: "",
  },
  {
    clause: "S4",
    file: "packages/tasktree/src/sync/barrier.ts",
    find: "    this.#broken = true;\n",
    replace: "",
  },
];
