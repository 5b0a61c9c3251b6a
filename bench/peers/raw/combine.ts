import type { Adapter } from "../../lib/contract.ts";
import { generate, GENERATOR_LIMIT, LIMIT, numbers, step, sumOf, WORKERS } from "../../scenarios/work.ts";
import { Line } from "./line.ts";
import type { Enter } from "./tasks.ts";

async function loops(count: number, loop: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, loop));
}

/** A counter and a line; a job that ends passes its place on. */
class Limiter {
  #free: number;
  readonly #waiting = new Line<() => void>();

  constructor(limit: number) {
    this.#free = limit;
  }

  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await job();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}

const limiter: Adapter = async (n) => {
  const limiter = new Limiter(LIMIT);
  return sumOf(await Promise.all(numbers(n).map((i) => limiter.run(() => step(i)))));
};

export function mapRange(enter: Enter): Adapter {
  return async (n) => {
    const results: number[] = [];
    let next = 0;
    await loops(LIMIT, async () => {
      while (next < n) {
        const at = next++;
        results[at] = await enter(() => step(at));
      }
    });
    return sumOf(results);
  };
}

export const rawCombine: Record<string, Adapter> = {
  limiter,
  "limiter-million": limiter,

  "map-range": mapRange((item) => item()),

  async "map-generator"(n) {
    const ahead = new Line<Promise<number>>();
    let sum = 0;
    for await (const item of generate(n)) {
      if (ahead.size === GENERATOR_LIMIT) sum += await ahead.shift()!;
      ahead.push(step(item));
    }
    while (ahead.size > 0) sum += await ahead.shift()!;
    return sum;
  },

  async race(n) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += await Promise.race([step(i), step(-1)]);
    return sum;
  },

  async queue(n) {
    const queue = new Line<number>();
    for (let i = 0; i < n; i++) queue.push(i);
    let sum = 0;
    await loops(WORKERS, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
        const value = await step(item);
        sum += value;
      }
    });
    return sum;
  },
};
