import { once } from "node:events";
import { PassThrough, Readable } from "node:stream";
import type { Peer } from "../lib/contract.ts";
import { LIMIT, numbers, step } from "../scenarios/work.ts";

export const nodeStreams: Peer = {
  name: "node-streams",
  describe: () => "node:stream of this Node",
  scenarios: {
    async "channel-100"(n) {
      const stream = new PassThrough({ objectMode: true, highWaterMark: 100 });
      let sum = 0;
      async function produce(): Promise<void> {
        for (let i = 0; i < n; i++) if (!stream.write(i)) await once(stream, "drain");
        stream.end();
      }
      const producing = produce();
      for await (const item of stream) sum += item as number;
      await producing;
      return sum;
    },

    async map(n) {
      let sum = 0;
      const results = Readable.from(numbers(n)).map(step, { concurrency: LIMIT });
      for await (const value of results) sum += value as number;
      return sum;
    },
  },
};
