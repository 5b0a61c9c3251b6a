import type { Adapter } from "../../lib/contract.ts";
import { LIMIT, numbers, step, sumOf, WORKERS } from "../../scenarios/work.ts";
import { Line } from "./line.ts";

async function loops(count: number, loop: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, loop));
}

/** Results in order, `limit` in work or not yet taken. */
async function* mapAhead(items: Iterable<number>, limit: number): AsyncGenerator<number> {
  const ahead = new Line<Promise<number>>();
  for (const item of items) {
    if (ahead.size === limit) yield await ahead.shift()!;
    ahead.push(step(item));
  }
  while (ahead.size > 0) yield await ahead.shift()!;
}

export const rawCombine: Record<string, Adapter> = {
  async limit(n) {
    const results: number[] = [];
    let next = 0;
    await loops(LIMIT, async () => {
      while (next < n) {
        const at = next++;
        results[at] = await step(at);
      }
    });
    return sumOf(results);
  },

  async map(n) {
    let sum = 0;
    for await (const value of mapAhead(numbers(n), LIMIT)) sum += value;
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
