/**
 * A function for each item of a source, so many at a time: slots, each with a task that takes item after item. As long as
 * nobody can tell, the task of an item that is done is the next one's too (see `renewTask`); else that gets its own.
 */
import { passed, refusedIntake, renewTask, Turn, type TaskGroup } from "../lowlevel.ts";
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

export class Slots<T, R, E> {
  readonly #group: TaskGroup;
  readonly #work: Work<T, R, E>;
  readonly #source: Iterator<T>;
  #over = false;
  #taken = 0;
  /** The item that was taken last, and its place. */
  #item: T | undefined = undefined;
  #entry: E | undefined = undefined;

  constructor(group: TaskGroup, items: Iterable<T>, work: Work<T, R, E>) {
    this.#group = group;
    this.#work = work;
    this.#source = items[Symbol.iterator]();
  }

  /** Starts the first items. The slots go on by themselves, as children of the group. */
  start(): void {
    for (let slot = 0; slot < this.#work.limit && this.#take(); slot++) this.#spawn();
  }

  /** Closes the source, if it was not read to its end. */
  close(): void {
    if (!this.#over) this.#source.return?.();
    this.#over = true;
  }

  #take(): boolean {
    if (this.#over) return false;
    // Whatever goes wrong here, there is nothing to close any more.
    this.#over = true;
    const { done, value } = this.#source.next();
    if (done === true) return false;
    this.#over = false;
    this.#work.room?.enter();
    this.#item = value;
    this.#entry = this.#work.enter(value, this.#taken++);
    return true;
  }

  /** A task for what was taken last. */
  #spawn(): void {
    const [item, entry, index] = [this.#item as T, this.#entry as E, this.#taken - 1];
    const name = this.#work.nameOf?.(item, index);
    const mapItem = (): Promise<void> => this.#run(item, entry, index);
    this.#group.spawn(mapItem, name === undefined ? undefined : { name });
  }

  async #run(item: T, entry: E, index: number): Promise<void> {
    const { room, nameOf } = this.#work;
    for (let count = 1; ; count++) {
      const turn = new Turn();
      let value: Awaited<R>;
      try {
        value = await turn.call(this.#call, item, index);
      } catch (error) {
        gaveNoValue(this.#group);
        throw error;
      }
      turn.over = true;
      this.#work.done(entry, value);
      if (!renewTask()) return this.#leaveSlot();
      while (room?.full === true) {
        await room.wait();
        if (refusedIntake() !== undefined) return;
      }
      if (!this.#take()) return;
      index = this.#taken - 1;
      if (nameOf !== undefined) renewTask(nameOf(this.#item as T, index));
      item = this.#item as T;
      entry = this.#entry as E;
      if (count % askEvery === 0) await passed();
    }
  }

  readonly #call = (item: T, index: number): R | PromiseLike<R> => this.#work.call(item, index);

  /** This task is done with its item, and is not another's. Its slot gets a new one, unless the group was cancelled. */
  #leaveSlot(): void {
    const { what, room, nameOf } = this.#work;
    if (room?.full !== true && refusedIntake() === undefined) {
      if (this.#take()) this.#spawn();
      return;
    }
    const mapItem = async (): Promise<void> => {
      while (room?.full === true) await room.wait();
      if (refusedIntake() !== undefined || !this.#take()) return;
      const [item, entry, index] = [this.#item as T, this.#entry as E, this.#taken - 1];
      if (nameOf !== undefined) renewTask(nameOf(item, index));
      await this.#run(item, entry, index);
    };
    this.#group.trySpawn(mapItem, nameOf && { name: what });
  }
}
