import type { Scenario } from "../lib/contract.ts";
import { BATCH, sumBelow, TIMEOUT_MS } from "./work.ts";

export const taskScenarios: Scenario[] = [
  {
    name: "spawn-join",
    title: `Start a task, await its result (groups of ${BATCH})`,
    unit: "task",
    operations: 100_000,
    quickOperations: 20_000,
    sequential: true,
    expected: sumBelow,
    notes: [
      "Each task takes one asynchronous step and returns a number; the starter keeps every handle and sums the results.",
      "raw: Promise.all. tasktree: group.spawn, then await of each Task. effect: forkChild (at once) and Fiber.joinAll. effection: spawn and yield* of each task.",
    ],
  },
  {
    name: "group-join",
    title: `Start a task, wait for its group only (groups of ${BATCH})`,
    unit: "task",
    operations: 100_000,
    quickOperations: 20_000,
    sequential: true,
    expected: sumBelow,
    notes: [
      "As spawn-join, but nobody keeps a handle: a task adds to the sum itself, and the end of the group is awaited.",
      "raw: Promise.all. tasktree: withTaskGroup. effect: forEach with unbounded concurrency. effection: all.",
    ],
  },
  {
    name: "sleepers",
    title: "Tasks asleep at once, 50 to 150 ms each",
    unit: "task",
    operations: 100_000,
    quickOperations: 20_000,
    sequential: false,
    expected: sumBelow,
    notes: [
      "raw: a setTimeout for each task. Others: their sleep. Wall time contains the sleep; compare processor time.",
    ],
  },
  {
    name: "cancel",
    title: "Cancel waiting tasks, from the call until all have ended",
    unit: "task",
    operations: 100_000,
    quickOperations: 10_000,
    sequential: false,
    expected: (n) => n,
    notes: [
      "Each task waits for ever and counts itself in its cleanup (finally). Held: heap bytes per waiting task.",
      "raw: an AbortController and a listener for each task, aborted in a loop (adding this many listeners to one shared signal takes time quadratic in their number). raw-set: no signals, a Set of reject functions: the least that promises can do.",
      "tasktree: cancel of the task whose group holds all others. effect: interrupt of the fiber that forked them. effection: halt of the task that spawned them.",
    ],
  },
  {
    name: "timeout",
    title: `A fast call under a timeout of ${TIMEOUT_MS} ms, one after the other`,
    unit: "call",
    operations: 200_000,
    quickOperations: 20_000,
    sequential: true,
    expected: sumBelow,
    notes: [
      "raw: Promise.race of the call and a setTimeout, cleared in finally. tasktree: failAfter. effect: Effect.timeout. effection: race of the call and sleep.",
    ],
  },
];
