import { newQueue } from "@henrygd/queue";
import type { Adapter, Peer } from "../lib/contract.ts";
import { packageVersion } from "../lib/version.ts";
import { LIMIT, numbers, step, sumOf, WORKERS } from "../scenarios/work.ts";

const limiter: Adapter = async (n) => {
  const queue = newQueue(LIMIT);
  return sumOf(await Promise.all(numbers(n).map((i) => queue.add(() => step(i)))));
};

export const henrygdQueue: Peer = {
  name: "henrygd-queue",
  describe: () => `@henrygd/queue ${packageVersion("node_modules/@henrygd/queue")}`,
  scenarios: {
    limiter,
    "limiter-million": limiter,

    async queue(n) {
      const queue = newQueue(WORKERS);
      let sum = 0;
      for (let i = 0; i < n; i++) {
        void queue.add(async () => {
          const value = await step(i);
          sum += value;
        });
      }
      await queue.done();
      return sum;
    },
  },
};
