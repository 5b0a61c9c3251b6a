import { Sema } from "async-sema";
import type { Adapter, Peer } from "../lib/contract.ts";
import { packageVersion } from "../lib/version.ts";
import { lineLengths } from "../scenarios/sync.ts";
import { CONTENDERS, deal, LIMIT, numbers, PERMITS, step, sumOf } from "../scenarios/work.ts";

function contended(permits: number): Adapter {
  return async (n) => {
    const sema = new Sema(permits, { capacity: CONTENDERS });
    let sum = 0;
    async function contend([from, to]: [number, number]): Promise<void> {
      for (let i = from; i < to; i++) {
        await sema.acquire();
        const value = await step(i);
        sum += value;
        sema.release();
      }
    }
    await Promise.all(deal(n, CONTENDERS).map(contend));
    return sum;
  };
}

const mutexLine: Adapter = async (n, begin) => {
  const sema = new Sema(1, { capacity: n });
  let sum = 0;
  async function turn(i: number): Promise<void> {
    await sema.acquire();
    sum += await step(i);
    sema.release();
  }
  await sema.acquire();
  const turns = numbers(n).map(turn);
  begin();
  sema.release();
  await Promise.all(turns);
  return sum;
};

const limiter: Adapter = async (n) => {
  const sema = new Sema(LIMIT, { capacity: n });
  async function limited(i: number): Promise<number> {
    await sema.acquire();
    try {
      return await step(i);
    } finally {
      sema.release();
    }
  }
  return sumOf(await Promise.all(numbers(n).map(limited)));
};

export const asyncSema: Peer = {
  name: "async-sema",
  describe: () => `async-sema ${packageVersion("node_modules/async-sema")}, with its capacity as a hint`,
  scenarios: {
    async mutex(n) {
      const sema = new Sema(1);
      let sum = 0;
      for (let i = 0; i < n; i++) {
        await sema.acquire();
        sum += i;
        sema.release();
      }
      return sum;
    },

    "mutex-contended": contended(1),
    ...Object.fromEntries(lineLengths.map((length) => [`mutex-line-${length}`, mutexLine])),
    semaphore: contended(PERMITS),

    limiter,
    "limiter-million": limiter,
  },
};
