import type { Adapter } from "../../lib/contract.ts";
import { tasktree as tt } from "../../lib/subject.ts";
import { BATCH, sleepMs, step, TIMEOUT_MS } from "../../scenarios/work.ts";

const { failAfter, run, sleep, sleepForever, withTaskGroup } = tt;

export const tasks: Record<string, Adapter> = {
  "spawn-join": (n) =>
    run(
      async () => {
        let sum = 0;
        for (let first = 0; first < n; first += BATCH) {
          await withTaskGroup(async (group) => {
            const tasks: PromiseLike<number>[] = [];
            for (let i = first; i < first + BATCH; i++) {
              tasks.push(
                group.spawn(async () => {
                  return await step(i);
                }),
              );
            }
            for (const task of tasks) sum += await task;
          });
        }
        return sum;
      },
      { host: false },
    ),

  "group-join": (n) =>
    run(
      async () => {
        let sum = 0;
        for (let first = 0; first < n; first += BATCH) {
          await withTaskGroup(async (group) => {
            for (let i = first; i < first + BATCH; i++) {
              group.spawn(async () => {
                const value = await step(i);
                sum += value;
              });
            }
          });
        }
        return sum;
      },
      { host: false },
    ),

  sleepers: (n) =>
    run(
      async () => {
        let sum = 0;
        await withTaskGroup(async (group) => {
          for (let i = 0; i < n; i++) {
            group.spawn(async () => {
              await sleep(sleepMs(i));
              sum += i;
            });
          }
        });
        return sum;
      },
      { host: false },
    ),

  cancel: (n, begin) =>
    run(
      async () => {
        let ended = 0;
        let value: number | undefined;
        await withTaskGroup(async (outer) => {
          const parent = outer.spawn(() =>
            withTaskGroup(async (group) => {
              for (let i = 0; i < n; i++) {
                group.spawn(async () => {
                  try {
                    await sleepForever();
                  } finally {
                    ended++;
                  }
                });
              }
            }),
          );
          begin();
          parent.cancel();
          const outcome = await parent.outcome();
          value = outcome.status === "cancelled" ? ended : -1;
        });
        return value!;
      },
      { host: false },
    ),

  timeout: (n) =>
    run(
      async () => {
        let sum = 0;
        for (let i = 0; i < n; i++) sum += await failAfter(TIMEOUT_MS, () => step(i));
        return sum;
      },
      { host: false },
    ),
};
