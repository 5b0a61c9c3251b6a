import type { Adapter } from "../../lib/contract.ts";
import { lineLengths } from "../../scenarios/sync.ts";
import { CONTENDERS, deal, numbers, PERMITS, step } from "../../scenarios/work.ts";
import { Line } from "./line.ts";

/** Each turn waits for the promise of the turn before. */
class ChainedMutex {
  #last: Promise<void> = Promise.resolve();

  async acquire(): Promise<() => void> {
    const before = this.#last;
    let release: () => void;
    this.#last = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    return release!;
  }
}

class RawSemaphore {
  #free: number;
  readonly #waiting = new Line<() => void>();

  constructor(permits: number) {
    this.#free = permits;
  }

  acquire(): Promise<void> | undefined {
    if (this.#free > 0) {
      this.#free--;
      return undefined;
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

const mutexLine: Adapter = async (n, begin) => {
  const mutex = new ChainedMutex();
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

export const rawSync: Record<string, Adapter> = {
  async mutex(n) {
    const mutex = new ChainedMutex();
    let sum = 0;
    for (let i = 0; i < n; i++) {
      const release = await mutex.acquire();
      sum += i;
      release();
    }
    return sum;
  },

  async "mutex-contended"(n) {
    const mutex = new ChainedMutex();
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
    const semaphore = new RawSemaphore(PERMITS);
    let sum = 0;
    async function contend([from, to]: [number, number]): Promise<void> {
      for (let i = from; i < to; i++) {
        await semaphore.acquire();
        const value = await step(i);
        sum += value;
        semaphore.release();
      }
    }
    await Promise.all(deal(n, CONTENDERS).map(contend));
    return sum;
  },
};
