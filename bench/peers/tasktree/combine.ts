import type { Adapter } from "../../lib/contract.ts";
import { queues, tasktree as tt } from "../../lib/subject.ts";
import { LIMIT, numbers, step, sumOf, WORKERS } from "../../scenarios/work.ts";

const { all, mapConcurrent, race, run, withTaskGroup } = tt;

export function limitWith(kind: "Semaphore" | "CapacityLimiter"): Adapter {
  return (n) =>
    run(
      async () => {
        const limiter = new tt[kind](LIMIT);
        const results: number[] = [];
        await withTaskGroup(async (group) => {
          for (let i = 0; i < n; i++) {
            group.spawn(async () => {
              results[i] = await limiter.with(() => step(i));
            });
          }
        });
        return sumOf(results);
      },
      { host: false },
    );
}

export const combine: Record<string, Adapter> = {
  limit: (n) =>
    run(
      async () => {
        const jobs = numbers(n).map((i) => () => step(i));
        return sumOf(await all(jobs, { limit: LIMIT }));
      },
      { host: false },
    ),

  map: (n) =>
    run(
      async () => {
        let sum = 0;
        for await (const value of mapConcurrent(numbers(n), step, { limit: LIMIT })) sum += value;
        return sum;
      },
      { host: false },
    ),

  race: (n) =>
    run(
      async () => {
        let sum = 0;
        for (let i = 0; i < n; i++) sum += await race([() => step(i), () => step(-1)]);
        return sum;
      },
      { host: false },
    ),

  queue: (n) =>
    run(
      async () => {
        const queue = new queues.MemoryQueue<number>();
        let sum = 0;
        await withTaskGroup(async (group) => {
          for (let i = 0; i < n; i++) await queue.put(i);
          await queue.close();
          for (let worker = 0; worker < WORKERS; worker++) {
            group.spawn(async () => {
              for await (const lease of queue) {
                const value = await step(lease.item);
                sum += value;
                await lease.ack();
              }
            });
          }
          await queue.join();
        });
        return sum;
      },
      { host: false },
    ),
};
