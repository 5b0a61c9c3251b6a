/** Starting children for what a source gives, as there is room for them. */
import { refused, Turns, WaitList, type Waitable } from "../lowlevel.ts";
import { both, isAsync } from "./functions.ts";

/**
 * How many may be in work at a time.
 *
 * A semaphore without permits: an object for each item would cost more than the item.
 */
export class Room implements Waitable {
  readonly #what: string;
  #free: number;
  /** Who waits for room: {@link feed}, or the slots that read a source. */
  readonly line: WaitList = new WaitList(this);

  constructor(what: string, limit: number) {
    this.#what = what;
    this.#free = limit;
  }

  get full(): boolean {
    return this.#free === 0;
  }

  enter(): void {
    this.#free--;
  }

  leave(): void {
    this.#free++;
    this.line.wake();
  }

  /** Cancellation: Checkpoint, nothing lost. */
  wait(): Promise<void> {
    return refused() ?? this.line.wait();
  }

  describe(): string {
    return `room for another item of ${this.#what}`;
  }
}

/**
 * Calls `start` for each item, in order, as there is room; an item is taken from its source only then.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled, the rest is not taken, and the source is closed.
 */
export async function feed<T>(
  items: Iterable<T> | AsyncIterable<T>,
  room: Room,
  start: (item: T, index: number) => void,
): Promise<void> {
  let index = 0;
  const pauses = new Turns(room); // one wait for all
  if (isAsync(items)) {
    for await (const item of items) {
      room.enter();
      try {
        start(item, index++);
      } catch (error) {
        // It came in the step in which the rest was called off: a lease goes back.
        await both(error, () => disposed(item));
        throw error;
      }
      if (room.full) await (refused() ?? pauses.rest(room.line));
    }
  } else {
    // A loop of its own: `for await` would let the first ones run on before the last ones have started.
    for (const item of items) {
      room.enter();
      start(item, index++);
      if (room.full) await (refused() ?? pauses.rest(room.line));
    }
  }
}

/** Disposes of what nobody will get, if that can be done. */
async function disposed(item: unknown): Promise<void> {
  const { [Symbol.asyncDispose]: later, [Symbol.dispose]: now } = Object(item) as Partial<AsyncDisposable & Disposable>;
  if (later !== undefined) await later.call(item as AsyncDisposable);
  else now?.call(item as Disposable);
}
