import type { Scenario } from "../lib/contract.ts";
import { BATCH, MILLION, sumBelow, TIMEOUT_MS } from "./work.ts";

const HUNDRED_THOUSAND = 100_000;

/** The same at a hundred thousand and, under the second name, at a million. */
function atOnce(name: string, title: string, notes: string[]): Scenario[] {
  const common = { title, unit: "task", sequential: false, expected: sumBelow };
  return [
    { ...common, name, operations: HUNDRED_THOUSAND, quickOperations: 20_000, notes },
    {
      ...common,
      name: `${name}-million`,
      operations: MILLION,
      quickOperations: HUNDRED_THOUSAND,
      fixedSize: true,
      notes: [],
    },
  ];
}

const starts =
  "raw: Promise.all. tasktree: one group, group.spawn, then await of each Task. effect: forkChild (at once) and Fiber.joinAll. effection: spawn and yield* of each task.";

export const taskScenarios: Scenario[] = [
  ...atOnce("spawn-ready", "Start a task that never waits, await its result, all at once", [
    `The starter keeps every handle and sums the results. ${starts}`,
    "tasktree-all: all(functions). tasktree-map: for await of mapConcurrent, without a limit. Neither gives handles. rxjs: mergeMap without a limit.",
  ]),
  ...atOnce("spawn-suspend", "Start a task that waits once, await its result, all at once", [
    `The starter keeps every handle and sums the results. ${starts}`,
    "raw, tasktree: await of null. effect, effection: of a promise. effect lets the first tasks end while it starts the others, and holds fewer at a time.",
  ]),
  {
    name: "spawn-one",
    title: "Start a task that waits once, await its result, one after the other",
    unit: "task",
    operations: 100_000,
    quickOperations: 20_000,
    sequential: true,
    expected: sumBelow,
    notes: ["raw: await of a call. The others as in spawn-suspend, in one group or under one fiber."],
  },
  {
    name: "group-open",
    title: "Open a group, start one child that waits once, close the group, one after the other",
    unit: "group",
    operations: 100_000,
    quickOperations: 20_000,
    sequential: true,
    expected: sumBelow,
    notes: [
      "raw: Promise.all of one promise. tasktree: withTaskGroup and group.spawn. effect: scoped and forkScoped, the fiber awaited. effection: scoped, spawn, and yield* of the task.",
    ],
  },
  {
    name: "tree",
    title: "A tree of tasks: each starts two children in a group of its own, down to a leaf each item",
    unit: "item",
    operations: 65_536,
    quickOperations: 8192,
    sequential: false,
    expected: sumBelow,
    notes: ["A leaf waits once. The sum goes up the tree: each task awaits its children's results."],
  },
  {
    name: "chain",
    title: `A chain of tasks: each starts one child in a group of its own, ${BATCH} deep`,
    unit: "task",
    operations: 100_000,
    quickOperations: 10_000,
    sequential: true,
    expected: sumBelow,
    notes: ["Each waits once before it starts its child, and adds its number to what that gives."],
  },
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
  ...atOnce("sleepers", "Tasks asleep at once, 50 to 150 ms each", [
    "raw: a setTimeout for each task. raw-signal: setTimeout of node:timers/promises with the signal of an AbortController for each task. Others: their sleep. Wall time contains the sleep; compare processor time.",
    "Held: heap bytes for each task while all are asleep. In that run effect sleeps thirty times as long: it lets timers ring while it starts tasks.",
  ]),
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
      "raw: an AbortController and a listener for each task, aborted in a loop (adding this many listeners to one shared signal takes time quadratic in their number). raw-signal: the same, each asleep in setTimeout of node:timers/promises with its signal. raw-set: no signals, a Set of reject functions: the least that promises can do.",
      "tasktree: cancel of the task whose group holds all others. effect: interrupt of the fiber that forked them. effection: halt of the task that spawned them.",
    ],
  },
  {
    name: "timeout",
    title: `A fast call under a timeout of ${TIMEOUT_MS} ms, one after the other`,
    unit: "call",
    operations: MILLION,
    quickOperations: 20_000,
    sequential: true,
    expected: sumBelow,
    notes: [
      "raw: Promise.race of the call and a setTimeout, cleared in finally. tasktree: failAfter. effect: Effect.timeout. effection: race of the call and sleep.",
    ],
  },
];
