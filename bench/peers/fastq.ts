import { promise as queueOf } from "fastq";
import type { Adapter, Peer } from "../lib/contract.ts";
import { packageVersion } from "../lib/version.ts";
import { LIMIT, numbers, step, sumOf, WORKERS } from "../scenarios/work.ts";

const limiter: Adapter = async (n) => {
  const queue = queueOf(step, LIMIT);
  return sumOf(await Promise.all(numbers(n).map((i) => queue.push(i))));
};

/** A queue with one worker: who pushes waits once so many are in line. */
function handOver(capacity: number): Adapter {
  return async (n) => {
    let sum = 0;
    const queue = queueOf(async (i: number) => void (sum += i), 1);
    for (let i = 0; i < n; i++) {
      const done = queue.push(i);
      if (queue.length() >= capacity) await done;
    }
    await queue.drained();
    return sum;
  };
}

export const fastq: Peer = {
  name: "fastq",
  describe: () => `fastq ${packageVersion("node_modules/fastq")}, its promise API`,
  scenarios: {
    limiter,
    "limiter-million": limiter,
    "channel-1": handOver(1),
    "channel-100": handOver(100),

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
