/** What the scenarios and the adapters of all peers agree on. */

export const MILLION = 1_000_000;
export const BATCH = 1000;
export const TIMEOUT_MS = 1000;
/** How many tasks contend for a mutex or a semaphore, and how many permits that has. */
export const CONTENDERS = 100;
export const PERMITS = 10;
/** How many jobs, or items of a map, are in work at a time; and how many where the items come from a generator. */
export const LIMIT = 10;
export const GENERATOR_LIMIT = 16;
/** How many workers take from a queue, and how many send to and receive from a channel of many. */
export const WORKERS = 10;

export const sumBelow = (n: number): number => (n * (n - 1)) / 2;

/** The time a sleeper sleeps: 50 to 150 ms, spread evenly over the tasks. */
export const sleepMs = (index: number): number => 50 + (index % 101);

/** An asynchronous function that never waits; awaiting it is the trivial asynchronous step of a task on promises. */
export async function step(value: number): Promise<number> {
  return value;
}

/** An asynchronous source that has its next item at once. */
export async function* generate(n: number): AsyncGenerator<number, void, undefined> {
  for (let i = 0; i < n; i++) yield i;
}

/** The numbers below `n`. */
export function numbers(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

/** `n` numbers dealt out to `hands`: from one number, up to another. */
export function deal(n: number, hands: number): [from: number, to: number][] {
  return numbers(hands).map((hand) => [Math.floor((n * hand) / hands), Math.floor((n * (hand + 1)) / hands)]);
}

export function sumOf(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
