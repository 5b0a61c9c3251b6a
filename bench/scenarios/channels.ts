import type { Scenario } from "../lib/contract.ts";
import { sumBelow, WORKERS } from "./work.ts";

const forms =
  "raw: an array and two lines of resolve functions. tasktree: Channel, send and for await; tasktree-many: receiveMany; tasktree-try: trySend and tryReceive as long as they succeed, else send and receive. effect: a bounded Queue, offer and takeAll, which gives what is there in one array; effect-one: take.";
const absent = "Absent: effection's queues and channels have no capacity, so nothing slows a producer.";

function channel(name: string, title: string, notes: string[]): Scenario {
  return {
    name,
    title,
    unit: "item",
    operations: 100_000,
    quickOperations: 20_000,
    sequential: true,
    expected: sumBelow,
    notes: [forms, ...notes, absent],
  };
}

export const channelScenarios: Scenario[] = [
  channel("channel-0", "A channel of capacity 0, one producer and one consumer", [
    "web-streams: a TransformStream with its default strategies; each write is awaited, which ends when the item is read. node-streams have no capacity 0.",
  ]),
  channel("channel-1", "A channel of capacity 1, one producer and one consumer", [
    'web-streams: a TransformStream with highWaterMark 1, writer.ready. node-streams: a PassThrough of objects with highWaterMark 1, write and "drain". fastq: one worker, who is pushed an item and awaited.',
  ]),
  channel("channel-100", "A channel of capacity 100, one producer and one consumer", [
    'web-streams: a TransformStream with highWaterMark 100, writer.ready. node-streams: a PassThrough of objects with highWaterMark 100, write and "drain".',
  ]),
  ...[0, 1, 100].map((capacity) =>
    channel(
      `channel-10x10-${capacity}`,
      `A channel of capacity ${capacity}, ${WORKERS} producers and ${WORKERS} consumers`,
      ["Absent: streams have one reader."],
    ),
  ),
  {
    name: "select",
    title: "Receive from whichever of two channels of capacity 100 has an item",
    unit: "item",
    operations: 100_000,
    quickOperations: 20_000,
    sequential: true,
    expected: sumBelow,
    notes: [
      "A producer for each channel. tasktree: select. effect: raceFirst of two takes.",
      "Absent: raw, since Promise.race of two receives loses what the loser receives; effection, as above.",
    ],
  },
];
