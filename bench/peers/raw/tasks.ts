import type { Adapter, Begin } from "../../lib/contract.ts";
import { BATCH, sleepMs, step, TIMEOUT_MS } from "../../scenarios/work.ts";

/** How a task is entered: called, or called within a context. */
export type Enter = <T>(task: () => Promise<T>) => Promise<T>;

async function timeoutAfter(ms: number, work: () => Promise<number>): Promise<number> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("timeout")), ms);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

export function rawTasks(enter: Enter): Record<string, Adapter> {
  return {
    async "spawn-join"(n) {
      let sum = 0;
      for (let first = 0; first < n; first += BATCH) {
        const tasks: Promise<number>[] = [];
        for (let i = first; i < first + BATCH; i++) {
          tasks.push(
            enter(async () => {
              return await step(i);
            }),
          );
        }
        for (const value of await Promise.all(tasks)) sum += value;
      }
      return sum;
    },

    async "group-join"(n) {
      let sum = 0;
      for (let first = 0; first < n; first += BATCH) {
        const tasks: Promise<void>[] = [];
        for (let i = first; i < first + BATCH; i++) {
          tasks.push(
            enter(async () => {
              const value = await step(i);
              sum += value;
            }),
          );
        }
        await Promise.all(tasks);
      }
      return sum;
    },

    async sleepers(n) {
      let sum = 0;
      const tasks: Promise<void>[] = [];
      for (let i = 0; i < n; i++) {
        tasks.push(
          enter(async () => {
            await new Promise((resolve) => setTimeout(resolve, sleepMs(i)));
            sum += i;
          }),
        );
      }
      await Promise.all(tasks);
      return sum;
    },

    async cancel(n: number, begin: Begin) {
      let ended = 0;
      const controllers: AbortController[] = [];
      const tasks: Promise<void>[] = [];
      for (let i = 0; i < n; i++) {
        const controller = new AbortController();
        controllers.push(controller);
        tasks.push(
          enter(async () => {
            try {
              await untilAborted(controller.signal);
            } finally {
              ended++;
            }
          }),
        );
      }
      begin();
      const reason = new Error("cancelled");
      const all = Promise.allSettled(tasks);
      for (const controller of controllers) controller.abort(reason);
      await all;
      return ended;
    },

    async timeout(n) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += await enter(() => timeoutAfter(TIMEOUT_MS, () => step(i)));
      return sum;
    },
  };
}
