import type { Scenario } from "../lib/contract.ts";
import { GENERATOR_LIMIT, LIMIT, sumBelow } from "./work.ts";

const limiterNotes = [
  "All jobs are handed over at once, each takes one asynchronous step; all results are summed.",
  "raw: a counter and a line of resolve functions around each job. tasktree: Semaphore.with of each job, called by one task. async-mutex: runExclusive of a Semaphore. async-sema: acquire and release in each job. p-limit: limit.map. p-queue: addAll. fastq: promise, push of each. henrygd-queue: add. rxjs: mergeMap with a limit. effect: forEach with concurrency, which queues nothing: of a Semaphore a release looks at the whole line.",
  "With a task for each job, so that each can be cancelled and is seen: tasktree-all: all(jobs, { limit }), only what runs is a task. tasktree-semaphore, tasktree-limiter: a child for each job, all started at once, each with(…) a Semaphore or a CapacityLimiter.",
  "Absent: effection has no limiter.",
];

function limiter(name: string, operations: number, notes: string[]): Scenario {
  return {
    name,
    title: `Jobs of one asynchronous step through a limiter of ${LIMIT}, all queued at once`,
    unit: "job",
    operations,
    quickOperations: operations / 10,
    sequential: false,
    expected: sumBelow,
    notes,
  };
}

export const combineScenarios: Scenario[] = [
  limiter("limiter", 200_000, limiterNotes),
  { ...limiter("limiter-million", 1_000_000, []), fixedSize: true },
  {
    name: "map-range",
    title: `Map a range with one asynchronous step, ${LIMIT} at a time`,
    unit: "item",
    operations: 100_000,
    quickOperations: 20_000,
    sequential: false,
    expected: sumBelow,
    notes: [
      `raw: ${LIMIT} loops over one index, results in an array. tasktree: for await of mapConcurrent. tasktree-all: all(functions, { limit }). effect: forEach with concurrency. p-map: pMap. p-map-iterable: for await of pMapIterable. rxjs: mergeMap. modern-async: asyncMap.`,
      "node-streams: for await of Readable.from(items).map(fn, { concurrency }).",
    ],
  },
  {
    name: "map-generator",
    title: `Map an async generator with one asynchronous step, ${GENERATOR_LIMIT} at a time, results one by one in order`,
    unit: "item",
    operations: 100_000,
    quickOperations: 20_000,
    sequential: false,
    expected: sumBelow,
    notes: [
      `raw: a line of the next ${GENERATOR_LIMIT} promises. tasktree: for await of mapConcurrent. effect: Stream.fromAsyncIterable, mapEffect with concurrency, runForEach. p-map-iterable: for await of pMapIterable. node-streams: for await of Readable.from(items).map(fn, { concurrency }).`,
      "p-map, modern-async: one array of all results when all are there, nothing is streamed.",
      "Absent: effection has no such map; p-limit, p-queue and fastq give no results in order as they come.",
    ],
  },
  {
    name: "race",
    title: "A race of two fast functions, one after the other",
    unit: "race",
    operations: 100_000,
    quickOperations: 10_000,
    sequential: true,
    expected: sumBelow,
    notes: [
      "Both functions take one asynchronous step. raw: Promise.race, which leaves the loser alone. Others end the loser first: tasktree: race. effect: raceFirst. effection: race.",
    ],
  },
];
