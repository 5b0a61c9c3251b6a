import type { Scenario } from "../lib/contract.ts";
import { LIMIT, sumBelow } from "./work.ts";

export const combineScenarios: Scenario[] = [
  {
    name: "limit",
    title: `Jobs of one asynchronous step, ${LIMIT} at a time`,
    unit: "job",
    operations: 100_000,
    quickOperations: 20_000,
    sequential: false,
    expected: sumBelow,
    notes: [
      "All results are gathered and summed.",
      `raw: ${LIMIT} loops over one index. tasktree: all(jobs, { limit }). effect: forEach with concurrency. p-limit: limit.map. p-map: pMap. p-queue: addAll. fastq: promise, push of each.`,
      "tasktree-semaphore, tasktree-limiter: a child for each job, all started at once, each with(…) a Semaphore or a CapacityLimiter. async-mutex: runExclusive of a Semaphore for each job. async-sema: acquire and release in each job.",
      "Absent: effection has no limiter.",
    ],
  },
  {
    name: "map",
    title: `Map items with one asynchronous step, ${LIMIT} at a time, results one by one in the items' order`,
    unit: "item",
    operations: 100_000,
    quickOperations: 20_000,
    sequential: false,
    expected: sumBelow,
    notes: [
      `raw: an async generator over the promises of the next ${LIMIT}. tasktree: for await of mapConcurrent. effect: Stream.mapEffect with concurrency, runForEach. p-map-iterable: for await of pMapIterable. node-streams: for await of Readable.from(items).map(fn, { concurrency }).`,
      "p-map: one array of all results when all are there, nothing is streamed.",
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
