import type { Scenario } from "../lib/contract.ts";
import { CONTENDERS, PERMITS, sumBelow } from "./work.ts";

const held =
  "Who holds it takes one asynchronous step, adds to the sum, and releases it. Nobody guards against a step that throws, but effect.";
const forms = [
  "raw: a flag and a line of resolve functions. tasktree: Mutex.acquire and guard.release. async-mutex: Mutex.acquire. async-sema: a Sema of 1. effect: a Semaphore of 1, take and release where it is free, withPermit where it is contended.",
];
const absent = "Absent: effection has no mutex and no semaphore.";

/** The mutex is held until all stand in line: measured is how they get their turns, not how they were started. */
function mutexLine(length: number): Scenario {
  return {
    name: `mutex-line-${length}`,
    title: `A mutex with ${length.toLocaleString("en")} tasks in line, from its release until each had a turn`,
    unit: "turn",
    operations: length,
    quickOperations: Math.min(length, 10_000),
    sequential: false,
    fixedSize: true,
    expected: sumBelow,
    notes: [
      `${held} Held: heap bytes per waiting task.`,
      ...forms,
      absent,
      ...(length > 10_000
        ? ["effect is left out: a turn takes time in proportion to the line, all of them minutes."]
        : []),
    ],
  };
}

export const lineLengths: number[] = [1000, 10_000, 100_000];

export const syncScenarios: Scenario[] = [
  {
    name: "mutex",
    title: "Acquire a free mutex and release it, one after the other",
    unit: "turn",
    operations: 200_000,
    quickOperations: 20_000,
    sequential: true,
    expected: sumBelow,
    notes: [
      "raw: a flag, given back in finally. raw-await: the same, awaited. tasktree: await of Mutex.acquire, and guard.release. tasktree-try: tryAcquire. The others are awaited.",
      absent,
    ],
  },
  {
    name: "mutex-contended",
    title: `${CONTENDERS} tasks take turns with a mutex`,
    unit: "turn",
    operations: 100_000,
    quickOperations: 20_000,
    sequential: true,
    expected: sumBelow,
    notes: [held, ...forms, absent],
  },
  ...lineLengths.map(mutexLine),
  {
    name: "semaphore",
    title: `${CONTENDERS} tasks take turns with the ${PERMITS} permits of a semaphore`,
    unit: "turn",
    operations: 100_000,
    quickOperations: 20_000,
    sequential: true,
    expected: sumBelow,
    notes: [
      held,
      "raw: a counter and a line of resolve functions. tasktree: Semaphore.acquire and permit.release. async-mutex: Semaphore.acquire. async-sema: Sema. effect: withPermit.",
      absent,
    ],
  },
];
