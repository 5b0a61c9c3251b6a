import { once } from "node:events";
import { PassThrough, Readable } from "node:stream";
import type { Adapter, Peer } from "../lib/contract.ts";
import { generate, GENERATOR_LIMIT, LIMIT, numbers, step } from "../scenarios/work.ts";

function handOver(highWaterMark: number): Adapter {
  return async (n) => {
    const stream = new PassThrough({ objectMode: true, highWaterMark });
    let sum = 0;
    async function produce(): Promise<void> {
      for (let i = 0; i < n; i++) if (!stream.write(i)) await once(stream, "drain");
      stream.end();
    }
    const producing = produce();
    for await (const item of stream) sum += item as number;
    await producing;
    return sum;
  };
}

function mapOf(itemsOf: (n: number) => Iterable<number> | AsyncIterable<number>, concurrency: number): Adapter {
  return async (n) => {
    let sum = 0;
    for await (const value of Readable.from(itemsOf(n)).map(step, { concurrency })) sum += value as number;
    return sum;
  };
}

export const nodeStreams: Peer = {
  name: "node-streams",
  describe: () => "node:stream of this Node",
  scenarios: {
    "channel-1": handOver(1),
    "channel-100": handOver(100),
    "map-range": mapOf(numbers, LIMIT),
    "map-generator": mapOf(generate, GENERATOR_LIMIT),
  },
};
