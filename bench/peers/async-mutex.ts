import { Mutex, Semaphore } from "async-mutex";
import type { Adapter, Peer } from "../lib/contract.ts";
import { packageVersion } from "../lib/version.ts";
import { lineLengths } from "../scenarios/sync.ts";
import { CONTENDERS, deal, LIMIT, numbers, PERMITS, step, sumOf } from "../scenarios/work.ts";

const mutexLine: Adapter = async (n, begin) => {
  const mutex = new Mutex();
  let sum = 0;
  async function turn(i: number): Promise<void> {
    const release = await mutex.acquire();
    sum += await step(i);
    release();
  }
  const release = await mutex.acquire();
  const turns = numbers(n).map(turn);
  begin();
  release();
  await Promise.all(turns);
  return sum;
};

export const asyncMutex: Peer = {
  name: "async-mutex",
  describe: () => `async-mutex ${packageVersion("node_modules/async-mutex")}`,
  scenarios: {
    async mutex(n) {
      const mutex = new Mutex();
      let sum = 0;
      for (let i = 0; i < n; i++) {
        const release = await mutex.acquire();
        sum += i;
        release();
      }
      return sum;
    },

    async "mutex-contended"(n) {
      const mutex = new Mutex();
      let sum = 0;
      async function contend([from, to]: [number, number]): Promise<void> {
        for (let i = from; i < to; i++) {
          const release = await mutex.acquire();
          sum += await step(i);
          release();
        }
      }
      await Promise.all(deal(n, CONTENDERS).map(contend));
      return sum;
    },

    ...Object.fromEntries(lineLengths.map((length) => [`mutex-line-${length}`, mutexLine])),

    async semaphore(n) {
      const semaphore = new Semaphore(PERMITS);
      let sum = 0;
      async function contend([from, to]: [number, number]): Promise<void> {
        for (let i = from; i < to; i++) {
          const [, release] = await semaphore.acquire();
          const value = await step(i);
          sum += value;
          release();
        }
      }
      await Promise.all(deal(n, CONTENDERS).map(contend));
      return sum;
    },

    async limiter(n) {
      const semaphore = new Semaphore(LIMIT);
      return sumOf(await Promise.all(numbers(n).map((i) => semaphore.runExclusive(() => step(i)))));
    },
  },
};
