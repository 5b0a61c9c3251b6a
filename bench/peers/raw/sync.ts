import type { Adapter } from "../../lib/contract.ts";
import { lineLengths } from "../../scenarios/sync.ts";
import { CONTENDERS, deal, numbers, PERMITS, step } from "../../scenarios/work.ts";
import { Line } from "./line.ts";

/** A counter and a line of resolve functions; with one permit, a mutex. */
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
  const mutex = new RawSemaphore(1);
  let sum = 0;
  async function turn(i: number): Promise<void> {
    await mutex.acquire();
    sum += await step(i);
    mutex.release();
  }
  await mutex.acquire();
  const turns = numbers(n).map(turn);
  begin();
  mutex.release();
  await Promise.all(turns);
  return sum;
};

function contended(permits: number): Adapter {
  return async (n) => {
    const semaphore = new RawSemaphore(permits);
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
  };
}

/** All that a mutex is while nobody contends. */
function addUnderFlag(): { add(i: number): void; readonly sum: number } {
  let taken = false;
  let sum = 0;
  return {
    add(i) {
      if (taken) throw new Error("The flag is taken");
      taken = true;
      try {
        sum += i;
      } finally {
        taken = false;
      }
    },
    get sum() {
      return sum;
    },
  };
}

export const awaitedFlag: Adapter = async (n) => {
  const flag = addUnderFlag();
  for (let i = 0; i < n; i++) await flag.add(i);
  return flag.sum;
};

export const rawSync: Record<string, Adapter> = {
  async mutex(n) {
    const flag = addUnderFlag();
    for (let i = 0; i < n; i++) flag.add(i);
    return flag.sum;
  },

  "mutex-contended": contended(1),
  ...Object.fromEntries(lineLengths.map((length) => [`mutex-line-${length}`, mutexLine])),

  semaphore: contended(PERMITS),
};
