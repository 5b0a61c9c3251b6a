/**
 * A function for each item of a source, so many at a time: slots, each with a task that takes item after item. As long as
 * nobody can tell, the task of an item that is done is the next one's too (see `Turns`); else that gets its own.
 */
import { passed, refusedIntake, Turns, type Named, type TaskGroup } from "../lowlevel.ts";
import { gaveNoValue } from "./children.ts";
import type { Room } from "./feed.ts";

/** Whether it is others' turn asks for the time, which costs as much as a short function. */
const askEvery = 16;

/** What is to be done with the items. `E` is what keeps an item's place until it is done. */
export interface Work<T, R, E> {
  readonly what: string;
  readonly limit: number;
  /** Where a slot waits before it takes another item; undefined where it never has to. */
  readonly room?: Room;
  readonly nameOf?: ((item: T, index: number) => string) | undefined;
  enter(item: T, index: number): E;
  call(item: T, index: number): R | PromiseLike<R>;
  done(entry: E, value: Awaited<R>): void;
}

/** An item that was taken, and its place: of one item after the other, as long as they share a task. */
class Taken<T, R, E> implements Named {
  readonly #work: Work<T, R, E>;
  item: T | undefined = undefined;
  entry: E | undefined = undefined;
  index = 0;

  constructor(work: Work<T, R, E>) {
    this.#work = work;
  }

  get name(): string {
    const { nameOf, what } = this.#work;
    try {
      return nameOf!(this.item as T, this.index);
    } catch {
      return `${what}[${this.index}]`; // a function whose name cannot be read must still be able to end
    }
  }
}

export class Slots<T, R, E> {
  readonly #group: TaskGroup;
  readonly #work: Work<T, R, E>;
  readonly #source: Iterator<T>;
  #over = false;
  #count = 0;

  constructor(group: TaskGroup, items: Iterable<T>, work: Work<T, R, E>) {
    this.#group = group;
    this.#work = work;
    this.#source = items[Symbol.iterator]();
  }

  /** Starts the first items. The slots go on by themselves, as children of the group. */
  start(): void {
    for (let slot = 0; slot < this.#work.limit && this.#spawn(); slot++);
  }

  /** Closes the source, if it was not read to its end. */
  close(): void {
    if (!this.#over) this.#source.return?.();
    this.#over = true;
  }

  #take(taken: Taken<T, R, E>): boolean {
    if (this.#over) return false;
    // Whatever goes wrong here, there is nothing to close any more.
    this.#over = true;
    const { done, value } = this.#source.next();
    if (done === true) return false;
    this.#over = false;
    this.#work.room?.enter();
    taken.item = value;
    taken.index = this.#count++;
    taken.entry = this.#work.enter(value, taken.index);
    return true;
  }

  /** A task for the next item, if there is one. */
  #spawn(): boolean {
    const taken = new Taken(this.#work);
    if (!this.#take(taken)) return false;
    const mapItem = (): Promise<void> => this.#run(taken);
    this.#group.spawn(mapItem, this.#work.nameOf && { name: taken.name });
    return true;
  }

  async #run(taken: Taken<T, R, E>): Promise<void> {
    const { room, nameOf } = this.#work;
    const turns = new Turns();
    for (let count = 1; ; count++) {
      let value: Awaited<R>;
      try {
        value = await turns.call(this.#call, taken.item as T, taken.index);
      } catch (error) {
        gaveNoValue(this.#group);
        throw error;
      }
      turns.over();
      this.#work.done(taken.entry as E, value);
      if (!turns.renew(nameOf && taken)) return this.#leaveSlot();
      while (room?.full === true) {
        await room.wait();
        if (refusedIntake() !== undefined) return;
      }
      if (!this.#take(taken)) return;
      if (count % askEvery === 0) await passed();
    }
  }

  readonly #call = (item: T, index: number): R | PromiseLike<R> => this.#work.call(item, index);

  /** This task is done with its item, and is not another's. Its slot gets a new one, unless the group was cancelled. */
  #leaveSlot(): void {
    const { what, room, nameOf } = this.#work;
    if (room?.full !== true && refusedIntake() === undefined) {
      this.#spawn();
      return;
    }
    const mapItem = async (): Promise<void> => {
      while (room?.full === true) await room.wait();
      const taken = new Taken(this.#work);
      if (refusedIntake() !== undefined || !this.#take(taken)) return;
      if (nameOf !== undefined) new Turns().renew(taken);
      await this.#run(taken);
    };
    this.#group.trySpawn(mapItem, nameOf && { name: what });
  }
}
