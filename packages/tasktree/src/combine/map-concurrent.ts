import { brief } from "../errors.ts";
import { openTaskGroup, refused, WaitList, withTaskGroup, type OpenTaskGroup, type TaskGroup } from "../lowlevel.ts";
import { Semaphore, type Permit } from "../sync/semaphore.ts";
import { checkLimit } from "./functions.ts";

export interface MapConcurrentOptions {
  /** How many items are in work, or done and not yet taken, at a time. */
  readonly limit: number;
  /** true (default): results come in the order of the items. false: as they are ready. */
  readonly ordered?: boolean;
}

/**
 * Calls `fn` for each item, `limit` at a time, and gives the results as an async iterable. Items are taken as results are
 * taken: a slow consumer slows the source.
 *
 * The work belongs to the scope that calls. The first failure cancels the rest and comes out of the loop when all have
 * ended; leaving the loop early cancels and awaits the work too.
 *
 * Cancellation: Each step is a checkpoint, effects possible: if it is cancelled, so is the work.
 *
 * @throws {TypeError} If `items` is not iterable, or `fn` not a function.
 * @throws {RangeError} If `limit` is not a whole number from 1, or Infinity.
 * @example
 * ```ts
 * import { mapConcurrent, sleep } from "tasktree";
 * import assert from "node:assert";
 * const squares: number[] = [];
 * const square = async (n: number) => (await sleep(5 - n), n * n);
 * for await (const value of mapConcurrent([1, 2, 3], square, { limit: 2 })) squares.push(value);
 * assert.deepEqual(squares, [1, 4, 9]);
 * ```
 */
export function mapConcurrent<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  fn: (item: T, index: number) => R | PromiseLike<R>,
  options: MapConcurrentOptions,
): AsyncGenerator<R, void, undefined> {
  const source = items as Partial<Iterable<T> & AsyncIterable<T>> | null | undefined;
  if (typeof source?.[Symbol.asyncIterator] !== "function" && typeof source?.[Symbol.iterator] !== "function") {
    throw new TypeError(`Cannot map ${brief(items)}: wanted something to iterate`);
  }
  if (typeof fn !== "function") throw new TypeError(`Cannot map with ${brief(fn)}: wanted a function`);
  checkLimit("mapConcurrent", (options as MapConcurrentOptions | undefined)?.limit);
  return results(openTaskGroup({ name: "mapConcurrent" }), items, fn, options);
}

/** An item in work, or its result. */
interface Entry<R> {
  readonly permit: Permit;
  result: { readonly value: R } | undefined;
}

async function* results<T, R>(
  group: OpenTaskGroup,
  items: Iterable<T> | AsyncIterable<T>,
  fn: (item: T, index: number) => R | PromiseLike<R>,
  { limit, ordered = true }: MapConcurrentOptions,
): AsyncGenerator<R, void, undefined> {
  const slots = new Semaphore(limit, { name: "mapConcurrent" });
  const entries: Entry<R>[] = [];
  const changed = new WaitList({ describe: () => "a result of mapConcurrent" });

  async function feed(workers: TaskGroup): Promise<void> {
    let index = 0;
    let permit = await slots.acquire();
    for await (const item of items) {
      const entry: Entry<R> = { permit, result: undefined };
      if (ordered) entries.push(entry);
      const at = index++;
      const task = workers.spawn(async function mapItem() {
        entry.result = { value: await fn(item, at) };
        if (!ordered) entries.push(entry);
        changed.wakeAll();
      });
      // An item that was cancelled by itself has no result that the loop could wait for.
      task.onEnd((outcome) => {
        if (outcome.status === "cancelled") workers.trySpawn(() => Promise.reject(outcome.error));
      });
      permit = await slots.acquire();
    }
  }

  try {
    const work = group.attempt(() => withTaskGroup(feed), { name: "feed" });
    work.onEnd(() => changed.wakeAll());
    for (;;) {
      const head = entries[0];
      if (head?.result !== undefined) {
        entries.shift();
        head.permit.release();
        yield head.result.value;
      } else if (work.status === "running") {
        await (refused() ?? changed.wait());
      } else {
        await work;
        return;
      }
    }
  } finally {
    await group[Symbol.asyncDispose]();
  }
}
