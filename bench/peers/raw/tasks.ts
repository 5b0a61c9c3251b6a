import type { Adapter, Begin, Look } from "../../lib/contract.ts";
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

/** Starts `n` tasks at once, and awaits their results. */
function atOnce(enter: Enter, task: (i: number) => Promise<number>): Adapter {
  return async (n) => {
    let sum = 0;
    const tasks: Promise<number>[] = [];
    for (let i = 0; i < n; i++) tasks.push(enter(() => task(i)));
    for (const value of await Promise.all(tasks)) sum += value;
    return sum;
  };
}

async function suspended(i: number): Promise<number> {
  await null;
  return i;
}

export function sleepersWith(enter: Enter, sleep: (ms: number) => Promise<void>): Adapter {
  return async (n: number, _begin: Begin, look: Look) => {
    let sum = 0;
    const tasks: Promise<void>[] = [];
    for (let i = 0; i < n; i++) {
      tasks.push(
        enter(async () => {
          await sleep(sleepMs(i));
          sum += i;
        }),
      );
    }
    look();
    await Promise.all(tasks);
    return sum;
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

export function rawTasks(enter: Enter): Record<string, Adapter> {
  async function tree(from: number, to: number): Promise<number> {
    if (to - from === 1) return await step(from);
    const middle = (from + to) >>> 1;
    const [left, right] = await Promise.all([enter(() => tree(from, middle)), enter(() => tree(middle, to))]);
    return left + right;
  }

  async function chain(from: number, to: number): Promise<number> {
    const value = await step(from);
    return to - from === 1 ? value : value + (await enter(() => chain(from + 1, to)));
  }

  async function cancel(n: number, begin: Begin): Promise<number> {
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
  }

  return {
    "spawn-ready": atOnce(enter, step),
    "spawn-ready-million": atOnce(enter, step),
    "spawn-suspend": atOnce(enter, suspended),
    "spawn-suspend-million": atOnce(enter, suspended),

    async "spawn-one"(n) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += await enter(() => suspended(i));
      return sum;
    },

    async "group-open"(n) {
      let sum = 0;
      for (let i = 0; i < n; i++) {
        const child = enter(async () => {
          const value = await step(i);
          sum += value;
        });
        const group = [child];
        await Promise.all(group);
      }
      return sum;
    },

    tree: (n) => tree(0, n),

    async chain(n) {
      let sum = 0;
      for (let first = 0; first < n; first += BATCH) sum += await chain(first, first + BATCH);
      return sum;
    },

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

    sleepers: sleepersWith(enter, sleep),
    "sleepers-million": sleepersWith(enter, sleep),

    cancel,
    async timeout(n) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += await enter(() => timeoutAfter(TIMEOUT_MS, () => step(i)));
      return sum;
    },
  };
}
