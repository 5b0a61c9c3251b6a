/** Waiting for one of several things: standing in many lines at once, and leaving all of them together. */
import type { LinkedList } from "../internal/linked-list.ts";
import { here } from "./current.ts";
import type { Task } from "./task.ts";
import { Wait, type InLine, type Waitable } from "./wait-list.ts";

/** A line of waiters (a `WaitList`), as far as it concerns those who stand in several. */
export interface Line {
  /** @internal */
  readonly owner: Waitable;
  /** @internal */
  add(place: InLine): void;
}

/** One thing that `select` can wait for. */
export interface Choice<T> {
  /** What is there now, taken: an item is out of its channel; undefined if that would mean to wait. May throw. */
  poll(): { readonly value: T } | undefined;
  /** Where to wait: who wakes the first in this line has done what `poll()` does. */
  readonly line: Line;
  /** What to bring there. */
  readonly payload?: unknown;
  /** Whether it takes in new work, which a task that is on its way out must not. */
  readonly intake?: boolean;
}

/** What `select` accepts as a case. */
export interface Selectable<T> {
  /** How `select` waits for it. */
  choice(): Choice<T>;
}

/** Which one of several it was, and what it gave. */
export interface Chosen<T> {
  readonly index: number;
  readonly value: T;
}

/**
 * Waits in the lines of all `choices` until one of them wakes it. Not itself a checkpoint on entry, and does not ask
 * `poll()`: ask `refused()` and them first, and have no effect before.
 *
 * Cancellation: Checkpoint, nothing lost: if this call is cancelled, its places in all lines are gone.
 */
export function waitForOne<T>(choices: readonly Choice<T>[]): Promise<Chosen<T>> {
  const owners = choices.map(({ line }) => line.owner);
  const wait = new Wait(new OneOf(owners), here());
  const places = choices.map(({ payload }, index) => new Place(wait, index, payload, leaveAll));
  // Its places are left before anything else can run: what is given to a place is not lost to a cancellation.
  wait.onCut = (error) => {
    leaveAll();
    wait.onCut = undefined;
    wait.cut(error);
  };
  choices.forEach(({ line }, index) => line.add(places[index]!));
  return wait.promise as Promise<Chosen<T>>;

  function leaveAll(chosen?: Place): void {
    for (const place of places) place.list?.remove(place);
    owners.forEach((owner, index) => {
      if (places[index] !== chosen) owner.left?.();
    });
  }
}

class OneOf implements Waitable {
  readonly #owners: readonly Waitable[];

  constructor(owners: readonly Waitable[]) {
    this.#owners = owners;
  }

  describe(): string {
    return `one of: ${this.#owners.map((owner) => owner.describe()).join(", ")}`;
  }

  *holders(): Iterable<Task> {
    for (const owner of this.#owners) yield* owner.holders?.() ?? [];
  }
}

/** A place in one of the lines. */
class Place implements InLine {
  prev: InLine | undefined = undefined;
  next: InLine | undefined = undefined;
  list: LinkedList<InLine> | undefined = undefined;
  readonly payload: unknown;
  readonly #wait: Wait;
  readonly #index: number;
  readonly #leaveAll: (chosen: Place) => void;

  constructor(wait: Wait, index: number, payload: unknown, leaveAll: (chosen: Place) => void) {
    this.#wait = wait;
    this.#index = index;
    this.payload = payload;
    this.#leaveAll = leaveAll;
  }

  wake(value: unknown): void {
    this.#leaveAll(this);
    this.#wait.wake({ index: this.#index, value });
  }

  fail(error: unknown): void {
    this.#leaveAll(this);
    this.#wait.fail(error);
  }

  handled(): void {
    this.#wait.handled();
  }
}
