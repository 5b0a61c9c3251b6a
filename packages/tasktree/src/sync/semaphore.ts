import { brief, checkOptions, InvalidStateError } from "../errors.ts";
import { isCount } from "../internal/count.ts";
import { LinkedList, type Linked } from "../internal/linked-list.ts";
import { currentTask, here, passed, refused, taskAt, WaitList, type Task, type Waitable } from "../lowlevel.ts";
import { holding } from "./holding.ts";

export interface SemaphoreOptions {
  /** More permits than this there cannot be; default: the initial number. Infinity makes a counter of signals. */
  readonly max?: number;
  /** For reports and errors. */
  readonly name?: string;
}

export interface SemaphoreStatistics {
  readonly free: number;
  readonly held: number;
  readonly waiting: number;
}

/** What `acquire` gives: to be released once, by `using` or by hand. A second release does nothing. */
export interface Permit extends Disposable {
  release(): void;
}

/**
 * Lets at most so many through at a time. First come, first served; a released permit goes to the first waiter at once.
 *
 * @example
 * ```ts
 * import { all, Semaphore, sleep } from "tasktree";
 * import assert from "node:assert";
 * const two = new Semaphore(2);
 * let inside = 0;
 * const visit = async () => {
 *   using permit = await two.acquire();
 *   assert(++inside <= 2);
 *   await sleep(1);
 *   inside--;
 * };
 * await all([visit, visit, visit]);
 * ```
 */
export class Semaphore implements Waitable {
  readonly name: string | undefined;
  /** More permits than this there cannot be. */
  readonly max: number;
  #free: number;
  readonly #held = new LinkedList<HeldPermit>();
  /** The same by task, kept from the first `release()` on: only that asks. */
  #heldBy: Map<Task | undefined, Set<HeldPermit>> | undefined = undefined;
  readonly #waiters: WaitList<Permit, Task | typeof nobody> = new WaitList(this);

  /**
   * @param permits How many are free at first: a whole number from 0, or Infinity.
   * @throws {RangeError} If `permits` or `max` is not that, or `max` is less than `permits`.
   */
  constructor(permits: number, options: SemaphoreOptions = {}) {
    checkOptions("make a semaphore", options);
    const { max = permits, name } = options;
    checkPermits(permits, 0);
    checkPermits(max, permits);
    this.max = max;
    this.#free = permits;
    this.name = name;
  }

  /** How many could be acquired now without waiting. */
  get free(): number {
    return this.#free;
  }

  /**
   * Waits for a permit.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, it holds no permit and its place in line is gone.
   */
  acquire(): Promise<Permit> {
    const node = here();
    const refusal = refused(node);
    if (refusal !== undefined) return refusal;
    const task = taskAt(node);
    return this.#free > 0 ? passed<Permit>(this.#take(task), node) : this.#waiters.waitIn(node, task ?? nobody);
  }

  /** A permit if one is free, which it never is while somebody waits. Not a checkpoint. */
  tryAcquire(): Permit | undefined {
    return this.#free > 0 ? this.#take(currentTask()) : undefined;
  }

  /**
   * Runs `fn` with a permit.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled while it waits, `fn` is not called.
   */
  with<T>(fn: () => T | PromiseLike<T>): Promise<T> {
    return holding(this, fn, acquire);
  }

  /**
   * Gives back a permit whose object is not at hand (one of the current task's if it holds one, else the oldest), or adds
   * one where none is held. Not a checkpoint.
   *
   * @throws {InvalidStateError} If there are `max` already.
   */
  release(): void {
    const held = this.#firstOf(currentTask()) ?? this.#held.first;
    if (held !== undefined) held.release();
    else if (this.#free < this.max) this.#pass();
    else throw new InvalidStateError(`Cannot release ${this.describe()}: nobody holds a permit`);
  }

  statistics(): SemaphoreStatistics {
    return { free: this.#free, held: this.#held.size, waiting: this.#waiters.size };
  }

  describe(): string {
    const name = this.name === undefined ? "" : ` '${this.name}'`;
    return `semaphore${name} (${this.#free} free, ${this.#held.size} held)`;
  }

  holders(): Iterable<Task> {
    return new Set([...this.#held].map((permit) => permit.task).filter((task) => task !== undefined));
  }

  #take(task: Task | undefined): Permit {
    this.#free--;
    return this.#give(task);
  }

  #give(task: Task | undefined): HeldPermit {
    const permit = new HeldPermit(this.#released, task);
    this.#held.push(permit);
    if (this.#heldBy !== undefined) note(permit, this.#heldBy);
    return permit;
  }

  #firstOf(task: Task | undefined): HeldPermit | undefined {
    if (this.#heldBy === undefined) {
      this.#heldBy = new Map();
      for (const permit of this.#held) note(permit, this.#heldBy);
    }
    return this.#heldBy.get(task)?.values().next().value;
  }

  readonly #released = (permit: HeldPermit): void => {
    this.#held.remove(permit);
    if (this.#heldBy !== undefined) forget(permit, this.#heldBy);
    this.#pass();
  };

  /** A permit goes to the first waiter, or is free. */
  #pass(): void {
    const next = this.#waiters.first;
    if (next === undefined) this.#free++;
    else this.#waiters.wake(this.#give(next === nobody ? undefined : next));
  }
}

function checkPermits(value: unknown, least: number): void {
  if (isCount(value, least)) return;
  throw new RangeError(
    `Cannot make a semaphore of ${brief(value)} permits: wanted a whole number from ${least}, or Infinity`,
  );
}

function note(permit: HeldPermit, heldBy: Map<Task | undefined, Set<HeldPermit>>): void {
  const permits = heldBy.get(permit.task);
  if (permits === undefined) heldBy.set(permit.task, new Set([permit]));
  else permits.add(permit);
}

function forget(permit: HeldPermit, heldBy: Map<Task | undefined, Set<HeldPermit>>): void {
  const permits = heldBy.get(permit.task);
  permits?.delete(permit);
  if (permits?.size === 0) heldBy.delete(permit.task);
}

function acquire(semaphore: Semaphore): Promise<Permit> {
  return semaphore.acquire();
}

/** Stands for code outside of any task. */
const nobody: unique symbol = Symbol("nobody");

class HeldPermit implements Permit, Linked<HeldPermit> {
  prev: HeldPermit | undefined = undefined;
  next: HeldPermit | undefined = undefined;
  list: LinkedList<HeldPermit> | undefined = undefined;
  readonly task: Task | undefined;
  readonly #released: (permit: HeldPermit) => void;

  constructor(released: (permit: HeldPermit) => void, task: Task | undefined) {
    this.#released = released;
    this.task = task;
  }

  release(): void {
    if (this.list !== undefined) this.#released(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
