import { brief } from "../errors.ts";
import { Deque } from "../internal/deque.ts";
import {
  bound,
  openTaskGroup,
  passed,
  refused,
  WaitList,
  withTaskGroup,
  type OpenTaskGroup,
  type Task,
  type TaskGroup,
} from "../lowlevel.ts";
import { gaveNoValue } from "./children.ts";
import { feed, Room } from "./feed.ts";
import { checkLimit, checkOptions } from "./functions.ts";

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
 * The work begins with the first step, and belongs to the scope that called this. The first failure cancels the rest and
 * comes out of the loop when all have ended; leaving the loop early cancels and awaits the work too.
 *
 * Cancellation: Each step is a checkpoint, effects possible: if it is cancelled, so is the work.
 *
 * @throws {TypeError} If `items` is not iterable, `fn` not a function, or `ordered` neither true nor false.
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
  if (options !== undefined) checkOptions("mapConcurrent", options);
  const { limit, ordered = true }: Partial<MapConcurrentOptions> = options ?? {};
  checkLimit("mapConcurrent", limit);
  if (typeof ordered !== "boolean") {
    throw new TypeError(`Cannot run mapConcurrent with ordered ${brief(ordered)}: wanted true or false`);
  }
  return new Mapping("mapConcurrent", items, fn, limit, ordered).results();
}

/** An item in work, or its result. */
interface Entry<R> {
  ready: boolean;
  value: R | undefined;
}

/** Items on their way to becoming results. */
export class Mapping<T, R> {
  readonly #what: string;
  readonly #items: Iterable<T> | AsyncIterable<T>;
  readonly #fn: (item: T, index: number) => R | PromiseLike<R>;
  readonly #ordered: boolean;
  readonly #nameOf: ((item: T, index: number) => string) | undefined;
  readonly #room: Room;
  /** In the order in which results are given: of the items, or else those alone that are ready. */
  readonly #entries = new Deque<Entry<R>>();
  readonly #consumer: WaitList;
  /** Calls a function in the context and scope in which this was made. */
  readonly #inContext: (fn: () => void) => void = bound((fn: () => void) => fn());

  constructor(
    what: string,
    items: Iterable<T> | AsyncIterable<T>,
    fn: (item: T, index: number) => R | PromiseLike<R>,
    limit: number,
    ordered: boolean,
    nameOf?: (item: T, index: number) => string,
  ) {
    this.#what = what;
    this.#items = items;
    this.#fn = fn;
    this.#ordered = ordered;
    this.#nameOf = nameOf;
    this.#room = new Room(what, limit);
    this.#consumer = new WaitList({ describe: () => `a result of ${what}` });
  }

  /** Opens its group at the first step: of what is never iterated nothing is left open. */
  async *results(): AsyncGenerator<R, void, undefined> {
    let group: OpenTaskGroup | undefined;
    let work: Task<void>;
    let given = 0;
    await refused();
    try {
      this.#inContext(() => {
        group = openTaskGroup({ name: this.#what });
        work = group.attempt(() => withTaskGroup((children) => this.#feed(children)), { name: "feed" });
        work.onEnd(() => this.#consumer.wakeAll());
      });
      for (;;) {
        const head = this.#entries.first;
        if (head?.ready === true) {
          // Not at each: whether it is time for others asks for the time, which costs as much as the rest of a step.
          const pause = refused() ?? (++given % 64 === 0 ? passed() : undefined);
          if (pause !== undefined) await pause;
          this.#entries.shift();
          this.#room.leave();
          yield head.value as R;
        } else if (work!.status === "running") {
          await (refused() ?? this.#consumer.wait());
        } else {
          await work!;
          return;
        }
      }
    } finally {
      await group?.[Symbol.asyncDispose]();
    }
  }

  #feed(children: TaskGroup): Promise<void> {
    return feed(this.#items, this.#room, (item, index) => {
      const entry: Entry<R> = { ready: false, value: undefined };
      if (this.#ordered) this.#entries.push(entry);
      const mapItem = async (): Promise<void> => {
        try {
          entry.value = await this.#fn(item, index);
        } catch (error) {
          gaveNoValue(children);
          throw error;
        }
        entry.ready = true;
        if (!this.#ordered) this.#entries.push(entry);
        if (this.#entries.first === entry) this.#consumer.wake();
      };
      children.spawn(mapItem, this.#nameOf && { name: this.#nameOf(item, index) });
    });
  }
}
