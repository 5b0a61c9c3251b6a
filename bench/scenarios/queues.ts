import type { Scenario } from "../lib/contract.ts";
import { sumBelow, WORKERS } from "./work.ts";

export const queueScenarios: Scenario[] = [
  {
    name: "queue",
    title: `A queue of work: all items are put, ${WORKERS} workers do one asynchronous step with each`,
    unit: "item",
    operations: 100_000,
    quickOperations: 20_000,
    sequential: false,
    expected: sumBelow,
    notes: [
      "tasktree: a MemoryQueue, put; workers take a lease and ack it; join. Only here does an item that was not acknowledged come back.",
      `raw: an array and ${WORKERS} loops. effect: an unbounded Queue, offer and take. effection: createQueue, add and next. fastq: promise, push and drained. p-queue: add and onIdle.`,
    ],
  },
];
