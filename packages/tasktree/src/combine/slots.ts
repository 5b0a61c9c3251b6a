/**
 * A function for each item of a source, so many at a time: slots, each with a task that works on item after item. As long as
 * nobody can tell, the task of an item that is done is the next one's too (see `Turns`); else that gets its own.
 *
 * What gives its items at once is read by the slots, each when it has nothing to do. An async source is read by the group's
 * block, in one task and context, and the items are given to slots that rest.
 */
import {
  outcomeNow,
  passed,
  promiseTry,
  refusedIntake,
  spawnChild,
  Turns,
  type Child,
  type EndWatcher,
  type Named,
  type Task,
  type TaskGroup,
  type Waitable,
} from "../lowlevel.ts";
import { failForGap, gaveNoValue } from "./children.ts";
import { feed, type Room } from "./feed.ts";
import { isAsync } from "./functions.ts";

/** Whether it is others' turn asks for the time, which costs as much as a short function. */
const askEvery = 16;

/** What is to be done with the items. `E` is what keeps an item's place until it is done. */
export interface Work<T, R, E> {
  readonly what: string;
  readonly limit: number;
  /** Where a slot waits before it takes another item. */
  readonly room: Room;
  readonly nameOf?: ((item: T, index: number) => string) | undefined;
  enter(item: T, index: number): E;
  call(item: T, index: number): R | PromiseLike<R>;
  done(entry: E, value: Awaited<R>): void;
}

/** An item that was taken, and its place: of one item after the other, as long as they share a task. */
class Taken<T, R, E> implements Named {
  readonly #work: Work<T, R, E>;
  turns: Turns | undefined = undefined;
  item: T | undefined = undefined;
  entry: E | undefined = undefined;
  /** -1: there is none. */
  index = -1;
  /** What its function has returned. */
  result: R | PromiseLike<R> | undefined = undefined;

  constructor(work: Work<T, R, E>) {
    this.#work = work;
  }

  get name(): string {
    return this.index === -1 ? this.#work.what : nameIn(this.#work, this.item as T, this.index);
  }
}

function nameIn<T, R, E>({ what, nameOf }: Work<T, R, E>, item: T, index: number): string {
  try {
    const name: unknown = nameOf?.(item, index);
    if (typeof name === "string") return name;
  } catch {
    // a function whose name cannot be read must still be able to end
  }
  return `${what}[${index}]`;
}

/** An item with a task of its own: nothing in that waits but its function. */
class Single<T, R, E> implements Child {
  previousWatcher: EndWatcher | undefined = undefined;
  nextWatcher: EndWatcher | undefined = undefined;
  watched: Task | undefined = undefined;
  readonly #group: TaskGroup;
  readonly #work: Work<T, R, E>;
  readonly #item: T;
  readonly #index: number;
  readonly #entry: E;

  constructor(group: TaskGroup, work: Work<T, R, E>, item: T, index: number) {
    this.#group = group;
    this.#work = work;
    this.#item = item;
    this.#index = index;
    this.#entry = work.enter(item, index);
  }

  get name(): string {
    return nameIn(this.#work, this.#item, this.#index);
  }

  /** What is given or thrown at once takes the step that a promise takes: ties go in list order. */
  run(): Promise<R> {
    return promiseTry(callItem<R>, this);
  }

  call(): R | PromiseLike<R> {
    return this.#work.call(this.#item, this.#index);
  }

  taskEnded(task: Task): void {
    if (task.status === "ok") this.#work.done(this.#entry, (outcomeNow(task) as { value: Awaited<R> }).value);
    else if (task.status === "cancelled") failForGap(this.#group, task);
  }
}

function callItem<R>(single: { call(): R | PromiseLike<R> }): R | PromiseLike<R> {
  return single.call();
}

export class Slots<T, R, E> implements Waitable {
  readonly #group: TaskGroup;
  readonly #work: Work<T, R, E>;
  readonly #items: Iterable<T> | AsyncIterable<T>;
  /** What gives its items at once. */
  readonly #source: Iterator<T> | undefined;
  /** Who has no item of an async source. */
  readonly #resting: Taken<T, R, E>[] = [];
  /** Between two items of a list no code runs that could change it. */
  #context: "now" | Turns | undefined;
  /** New tasks are for one item each: nothing waits for room, or functions over an async source keep theirs anyway. */
  #alone: boolean;
  #over = false;
  /** Whether its source was read to the end. */
  exhausted = false;
  #count = 0;

  constructor(group: TaskGroup, items: Iterable<T> | AsyncIterable<T>, work: Work<T, R, E>) {
    this.#group = group;
    this.#work = work;
    this.#items = items;
    this.#source = isAsync(items) ? undefined : items[Symbol.iterator]();
    const isList = (items as Iterable<T>)[Symbol.iterator] === Array.prototype.values;
    this.#context = isList ? "now" : undefined;
    this.#alone = work.limit === Infinity;
  }

  /** The block of the group. Of a source that gives its items at once it starts the first; the slots go on by themselves. */
  start(): Promise<void> | undefined {
    if (this.#source === undefined) return this.#read(this.#items as AsyncIterable<T>);
    if (this.#alone) {
      for (let next = this.#next(); next !== undefined; next = this.#next()) this.#startAlone(next.value);
    } else {
      for (let slot = 0; slot < this.#work.limit && this.#spawn(); slot++);
    }
    return undefined;
  }

  /** Closes the source, if it gives its items at once and was not read to its end. */
  close(): void {
    if (!this.#over) this.#source?.return?.();
    this.#over = true;
  }

  describe(): string {
    return `another item of ${this.#work.what}`;
  }

  async #read(items: AsyncIterable<T>): Promise<void> {
    try {
      await feed(items, this.#work.room, (item) => this.#give(item));
      this.exhausted = true;
    } finally {
      this.#over = true;
      for (const { turns } of this.#resting) if (turns!.resting) turns!.go();
    }
  }

  /** Has an item worked on, in the context of its source. Throws if the group was cancelled. */
  #give(item: T): void {
    let taken = this.#resting.pop();
    while (taken?.turns!.resting === false) taken = this.#resting.pop(); // was cancelled
    if (taken !== undefined) {
      this.#enter(taken, item);
      taken.turns!.go(); // first: a function that cancels its task at once must not cut the rest
      this.#begin(taken);
    } else if (this.#alone) {
      this.#startAlone(item);
    } else {
      taken = new Taken(this.#work);
      this.#enter(taken, item);
      this.#startTask(taken);
    }
  }

  /** The next item of what gives them at once; undefined if there is none. */
  #next(): { readonly value: T } | undefined {
    if (this.#over) return undefined;
    // Whatever goes wrong here, there is nothing to close any more.
    this.#over = true;
    const next = this.#source!.next();
    if (next.done === true) {
      this.exhausted = true;
      return undefined;
    }
    this.#over = false;
    this.#work.room.enter();
    return next;
  }

  #take(taken: Taken<T, R, E>): boolean {
    const next = this.#next();
    if (next === undefined) return false;
    this.#enter(taken, next.value);
    return true;
  }

  #enter(taken: Taken<T, R, E>, item: T): void {
    taken.item = item;
    taken.index = this.#count++;
    taken.entry = this.#work.enter(item, taken.index);
  }

  /** A task for the next item, if there is one. */
  #spawn(): boolean {
    const taken = new Taken(this.#work);
    if (!this.#take(taken)) return false;
    this.#startTask(taken);
    return true;
  }

  #startAlone(item: T): void {
    spawnChild(this.#group, new Single(this.#group, this.#work, item, this.#count++));
  }

  #startTask(taken: Taken<T, R, E>): void {
    this.#group.spawn(() => this.#run(taken), { name: taken.name });
  }

  /** Calls the function of an item. */
  #begin(taken: Taken<T, R, E>): void {
    try {
      taken.result = taken.turns!.call(this.#call, taken.item as T, taken.index);
    } catch (error) {
      taken.result = Promise.reject<R>(error);
    }
  }

  readonly #call = (item: T, index: number): R | PromiseLike<R> => this.#work.call(item, index);

  async #run(taken: Taken<T, R, E>): Promise<void> {
    const { room } = this.#work;
    const turns = (taken.turns = this.#turns());
    this.#begin(taken);
    for (let count = 1; ; count++) {
      let value: Awaited<R>;
      try {
        value = await (taken.result as R);
      } catch (error) {
        gaveNoValue(this.#group);
        throw error;
      }
      turns.over();
      this.#work.done(taken.entry as E, value);
      if (!turns.renew(taken)) return this.#leaveSlot();
      if (this.#source === undefined) {
        if (this.#over) return;
        taken.item = taken.entry = taken.result = undefined;
        taken.index = -1;
        this.#resting.push(taken);
        await turns.rest();
        if (taken.index === -1) return;
      } else {
        while (room.full) {
          await turns.rest(room.line);
          if (refusedIntake() !== undefined) return;
        }
        if (!this.#take(taken)) return;
        if (count % askEvery === 0) await passed();
        this.#begin(taken);
      }
    }
  }

  #turns(): Turns {
    const turns = new Turns(this.#source === undefined ? this : this.#work.room, this.#context);
    if (this.#context === "now") this.#context = turns;
    return turns;
  }

  /** This task is done with its item, and is not another's. Its slot gets a new one, unless the group was cancelled. */
  #leaveSlot(): void {
    const { what, room, nameOf } = this.#work;
    if (this.#source === undefined) {
      this.#alone = true;
      return;
    }
    if (!room.full && refusedIntake() === undefined) {
      this.#spawn();
      return;
    }
    const mapItem = async (): Promise<void> => {
      while (room.full) await room.wait();
      const taken = new Taken(this.#work);
      if (refusedIntake() !== undefined || !this.#take(taken)) return;
      new Turns(room).renew(taken);
      await this.#run(taken);
    };
    this.#group.trySpawn(mapItem, nameOf && { name: what });
  }
}
