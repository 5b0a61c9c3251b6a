import { brief, checkOptions } from "../errors.ts";
import { Deque } from "../internal/deque.ts";
import {
  bound,
  openTaskGroup,
  outcomeNow,
  WaitList,
  withTaskGroup,
  type OpenTaskGroup,
  type Task,
} from "../lowlevel.ts";
import { Room } from "./feed.ts";
import { both, checkLimit } from "./functions.ts";
import { Results, type Working } from "./results.ts";
import { Slots, type Work } from "./slots.ts";

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
 * comes out of the loop when all have ended; leaving the loop early cancels and awaits the work too. An item that has come
 * from an async source in that very step, and will not be worked on, is disposed of, if it can be: a lease goes back.
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
  if (options !== undefined) checkOptions("run mapConcurrent", options);
  const { limit, ordered = true }: Partial<MapConcurrentOptions> = options ?? {};
  checkLimit("mapConcurrent", limit);
  if (typeof ordered !== "boolean") {
    throw new TypeError(`Cannot run mapConcurrent with ordered ${brief(ordered)}: wanted true or false`);
  }
  return new Results(new Mapping("mapConcurrent", items, fn, limit, ordered));
}

/** An item in work, or its result. */
interface Entry<R> {
  ready: boolean;
  value: R | undefined;
}

/** Items on their way to becoming results. */
export class Mapping<T, R> implements Work<T, R, Entry<R>>, Working<R> {
  readonly what: string;
  readonly limit: number;
  readonly room: Room;
  readonly nameOf: ((item: T, index: number) => string) | undefined;
  readonly #items: Iterable<T> | AsyncIterable<T>;
  readonly call: (item: T, index: number) => R | PromiseLike<R>;
  readonly #ordered: boolean;
  /** In the order in which results are given: of the items, or else those alone that are ready. */
  readonly #entries = new Deque<Entry<R>>();
  readonly #consumer: WaitList;
  #group: OpenTaskGroup | undefined = undefined;
  #task: Task<void> | undefined = undefined;
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
    this.what = what;
    this.#items = items;
    this.call = fn;
    this.limit = limit;
    this.#ordered = ordered;
    this.nameOf = nameOf;
    this.room = new Room(what, limit);
    this.#consumer = new WaitList({ describe: () => `a result of ${what}` });
  }

  /** In the context and scope in which this was made. */
  begin(): void {
    this.#inContext(() => {
      this.#group = openTaskGroup({ name: this.what });
      this.#task = this.#group.attempt(() => this.#runAll(), { name: "items" });
      this.#task.onEnd(() => this.#consumer.wakeAll());
    });
  }

  get ready(): boolean {
    return this.#entries.first?.ready === true;
  }

  take(): R {
    this.room.leave();
    return this.#entries.shift()!.value as R;
  }

  get going(): boolean {
    return this.#task!.status === "running";
  }

  wait(): Promise<void> {
    return this.#consumer.wait();
  }

  outcome(): PromiseLike<void> {
    return this.#task!;
  }

  wasCut(error: unknown): boolean {
    const outcome = this.#task === undefined ? undefined : outcomeNow(this.#task);
    return outcome?.status === "cancelled" && outcome.error === error;
  }

  end(): Promise<void> {
    return this.#group![Symbol.asyncDispose]();
  }

  async #runAll(): Promise<void> {
    let slots: Slots<T, R, Entry<R>> | undefined;
    try {
      await withTaskGroup((group) => (slots = new Slots(group, this.#items, this)).start());
    } catch (error) {
      await both(error, () => slots?.close());
      throw error;
    }
  }

  enter(): Entry<R> {
    const entry: Entry<R> = { ready: false, value: undefined };
    if (this.#ordered) this.#entries.push(entry);
    return entry;
  }

  done(entry: Entry<R>, value: Awaited<R>): void {
    entry.value = value;
    entry.ready = true;
    if (!this.#ordered) this.#entries.push(entry);
    if (this.#entries.first === entry) this.#consumer.wake();
  }
}
