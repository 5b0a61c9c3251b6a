import type { Adapter, Begin } from "../../lib/contract.ts";
import { tasktree as tt } from "../../lib/subject.ts";
import { BATCH, numbers, sleepMs, step, sumOf, TIMEOUT_MS } from "../../scenarios/work.ts";

const { all, failAfter, mapConcurrent, run, sleep, sleepForever, withTaskGroup } = tt;

async function suspended(i: number): Promise<number> {
  await null;
  return i;
}

/** Starts `n` tasks at once, and awaits their results. */
function atOnce(task: (i: number) => Promise<number>): Adapter {
  return (n) =>
    run(
      async () => {
        let sum = 0;
        await withTaskGroup(async (group) => {
          const tasks: PromiseLike<number>[] = [];
          for (let i = 0; i < n; i++) tasks.push(group.spawn(() => task(i)));
          for (const task of tasks) sum += await task;
        });
        return sum;
      },
      { host: false },
    );
}

const sleepers: Adapter = (n, _begin, look) =>
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
        look();
      });
      return sum;
    },
    { host: false },
  );

function tree(from: number, to: number): Promise<number> {
  if (to - from === 1) return step(from);
  const middle = (from + to) >>> 1;
  return withTaskGroup(async (group) => {
    const left = group.spawn(() => tree(from, middle));
    const right = group.spawn(() => tree(middle, to));
    return (await left) + (await right);
  });
}

async function chain(from: number, to: number): Promise<number> {
  const value = await step(from);
  if (to - from === 1) return value;
  return await withTaskGroup(async (group) => value + (await group.spawn(() => chain(from + 1, to))));
}

const bulkAll: Adapter = (n) =>
  run(async () => sumOf(await all(numbers(n).map((i) => () => step(i)))), { host: false });

const bulkMap: Adapter = (n) =>
  run(
    async () => {
      let sum = 0;
      for await (const value of mapConcurrent(numbers(n), step, { limit: Infinity })) sum += value;
      return sum;
    },
    { host: false },
  );

function cancel(n: number, begin: Begin): Promise<number> {
  return run(
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
  );
}

export const bulkAlls: Record<string, Adapter> = { "spawn-ready": bulkAll, "spawn-ready-million": bulkAll };
export const bulkMaps: Record<string, Adapter> = { "spawn-ready": bulkMap, "spawn-ready-million": bulkMap };

export const tasks: Record<string, Adapter> = {
  "spawn-ready": atOnce(step),
  "spawn-ready-million": atOnce(step),
  "spawn-suspend": atOnce(suspended),
  "spawn-suspend-million": atOnce(suspended),

  "spawn-one": (n) =>
    run(
      async () => {
        let sum = 0;
        await withTaskGroup(async (group) => {
          for (let i = 0; i < n; i++) sum += await group.spawn(() => suspended(i));
        });
        return sum;
      },
      { host: false },
    ),

  "group-open": (n) =>
    run(
      async () => {
        let sum = 0;
        for (let i = 0; i < n; i++) {
          await withTaskGroup((group) => {
            group.spawn(async () => {
              const value = await step(i);
              sum += value;
            });
          });
        }
        return sum;
      },
      { host: false },
    ),

  tree: (n) => run(() => tree(0, n), { host: false }),

  chain: (n) =>
    run(
      async () => {
        let sum = 0;
        for (let first = 0; first < n; first += BATCH) sum += await chain(first, first + BATCH);
        return sum;
      },
      { host: false },
    ),

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

  sleepers,
  "sleepers-million": sleepers,

  cancel,
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
