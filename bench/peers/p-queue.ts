import PQueue from "p-queue";
import type { Peer } from "../lib/contract.ts";
import { packageVersion } from "../lib/version.ts";
import { LIMIT, numbers, step, sumOf, WORKERS } from "../scenarios/work.ts";

export const pQueue: Peer = {
  name: "p-queue",
  describe: () => `p-queue ${packageVersion("node_modules/p-queue")}`,
  scenarios: {
    async limiter(n) {
      const queue = new PQueue({ concurrency: LIMIT });
      return sumOf(await queue.addAll(numbers(n).map((i) => () => step(i))));
    },

    async queue(n) {
      const queue = new PQueue({ concurrency: WORKERS });
      let sum = 0;
      for (let i = 0; i < n; i++) {
        void queue.add(async () => {
          const value = await step(i);
          sum += value;
        });
      }
      await queue.onIdle();
      return sum;
    },
  },
};
