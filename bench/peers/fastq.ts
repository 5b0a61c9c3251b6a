import { promise as queueOf } from "fastq";
import type { Peer } from "../lib/contract.ts";
import { packageVersion } from "../lib/version.ts";
import { LIMIT, numbers, step, sumOf, WORKERS } from "../scenarios/work.ts";

export const fastq: Peer = {
  name: "fastq",
  describe: () => `fastq ${packageVersion("node_modules/fastq")}, its promise API`,
  scenarios: {
    async limit(n) {
      const queue = queueOf(step, LIMIT);
      return sumOf(await Promise.all(numbers(n).map((i) => queue.push(i))));
    },

    async queue(n) {
      let sum = 0;
      const queue = queueOf(async (i: number) => {
        const value = await step(i);
        sum += value;
      }, WORKERS);
      for (let i = 0; i < n; i++) void queue.push(i);
      await queue.drained();
      return sum;
    },
  },
};
