import type { Adapter } from "../../lib/contract.ts";
import { queues, tasktree as tt } from "../../lib/subject.ts";
import { generate, GENERATOR_LIMIT, LIMIT, numbers, step, sumOf, WORKERS } from "../../scenarios/work.ts";

const { all, mapConcurrent, race, run, Semaphore, withTaskGroup } = tt;

/** A child for each job, all started at once. */
function childrenWith(kind: "Semaphore" | "CapacityLimiter"): Adapter {
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

export const semaphoreInChildren: Adapter = childrenWith("Semaphore");
export const limiterInChildren: Adapter = childrenWith("CapacityLimiter");

/** No task for a job. */
const limiter: Adapter = (n) =>
  run(
    async () => {
      const semaphore = new Semaphore(LIMIT);
      return sumOf(await Promise.all(numbers(n).map((i) => semaphore.with(() => step(i)))));
    },
    { host: false },
  );

export const allWithLimit: Adapter = (n) =>
  run(
    async () => {
      const jobs = numbers(n).map((i) => () => step(i));
      return sumOf(await all(jobs, { limit: LIMIT }));
    },
    { host: false },
  );

function mapOf(itemsOf: (n: number) => Iterable<number> | AsyncIterable<number>, limit: number): Adapter {
  return (n) =>
    run(
      async () => {
        let sum = 0;
        for await (const value of mapConcurrent(itemsOf(n), step, { limit })) sum += value;
        return sum;
      },
      { host: false },
    );
}

export const combine: Record<string, Adapter> = {
  limiter,
  "limiter-million": limiter,

  "map-range": mapOf(numbers, LIMIT),

  "map-generator": mapOf(generate, GENERATOR_LIMIT),

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
