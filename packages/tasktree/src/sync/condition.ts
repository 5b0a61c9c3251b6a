import { brief, BrokenError, checkOptions, isObject } from "../errors.ts";
import { isCount } from "../internal/count.ts";
import { currentTask, quiet, refused, shield, WaitList, type Task, type Waitable } from "../lowlevel.ts";
import { Mutex, type Hold, type HoldLine, type MutexGuard } from "./mutex.ts";

/** What is left of a type when `if` has let it through. */
export type Truthy<T> = Exclude<T, undefined | null | false | 0 | 0n | "">;

export interface ConditionOptions {
  /** For reports and errors. */
  readonly name?: string;
}

export interface ConditionStatistics {
  /** How many wait to be notified. */
  readonly waiting: number;
  /** How many were notified, and wait for the mutex. */
  readonly notified: number;
}

/**
 * Waits, inside of a mutex, until somebody else inside of it says that something has changed.
 *
 * Waiters are notified in the order they came, and stand in the mutex's line from that moment. No notification is lost: if
 * a waiter is cancelled after it was notified and before it holds the mutex again, the next one is notified in its place.
 * A notification that nobody waits for is not remembered.
 *
 * @example
 * ```ts
 * import { Condition, withTaskGroup } from "tasktree";
 * import assert from "node:assert";
 * const condition = new Condition();
 * const stock: string[] = [];
 * await withTaskGroup(async (group) => {
 *   const taken = group.spawn(() =>
 *     condition.with(async () => {
 *       await condition.waitFor(() => stock.length > 0);
 *       return stock.pop();
 *     }),
 *   );
 *   await condition.with(() => {
 *     stock.push("bread");
 *     condition.notify();
 *   });
 *   assert.equal(await taken, "bread");
 * });
 * ```
 */
export class Condition implements Waitable {
  readonly name: string | undefined;
  readonly mutex: Mutex;
  readonly #waiters: HoldLine = new WaitList(this);
  /** Those who were notified, and have not gone on yet. */
  readonly #notified = new Set<Hold>();

  /**
   * @param mutex One that others use too; default: one of its own.
   * @throws {TypeError} If `mutex` is not a Mutex.
   */
  constructor(mutex?: Mutex, options: ConditionOptions = {}) {
    if (mutex !== undefined && !(mutex instanceof Mutex))
      throw new TypeError(`Cannot make a condition of ${brief(mutex)}: wanted a Mutex`);
    checkOptions("make a condition", options);
    this.name = options.name;
    this.mutex = mutex ?? new Mutex(options);
  }

  /** As {@link Mutex.acquire}. */
  acquire(): Promise<MutexGuard> {
    return this.mutex.acquire();
  }

  /** As {@link Mutex.tryAcquire}. */
  tryAcquire(): MutexGuard | undefined {
    return this.mutex.tryAcquire();
  }

  /** As {@link Mutex.with}. */
  with<T>(fn: () => T | PromiseLike<T>): Promise<T> {
    return this.mutex.with(fn);
  }

  /** As {@link Mutex.release}. */
  release(): void {
    this.mutex.release();
  }

  /**
   * Releases the mutex, waits to be notified, and holds the mutex again, with the guard of before. What it waits for may
   * have passed by then: ask again, or use {@link waitFor}.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, it holds the mutex again before it rejects, however
   * long that takes, and a notification that it got meanwhile goes to the next waiter.
   *
   * @throws {InvalidStateError} If the running task does not hold the mutex.
   * @throws {BrokenError} If the mutex broke during the call, which then ends without it.
   */
  wait(): Promise<void> {
    return quiet(async () => {
      const refusal = refused();
      if (refusal !== undefined) return refusal;
      const hold = this.#hold("wait for");
      const waiting = this.#waiters.wait(hold);
      this.mutex.addLine(this.#waiters);
      this.mutex.letGo(hold);
      try {
        await waiting;
      } catch (error) {
        if (!(error instanceof BrokenError)) await this.#comeBack(hold);
        throw error;
      } finally {
        this.#gone(hold);
      }
    });
  }

  /**
   * Waits until `predicate` gives something truthy, and gives that. Asks at once, and then after each notification, always
   * holding the mutex.
   *
   * Cancellation: Checkpoint, nothing lost: as {@link wait}.
   *
   * @param predicate Synchronous; what it throws, this call throws.
   * @throws {TypeError} If `predicate` is not a function, or gives a promise.
   * @throws {InvalidStateError} If the running task does not hold the mutex.
   * @throws {BrokenError} If the mutex broke during the call, which then ends without it.
   */
  waitFor<T>(predicate: () => T): Promise<Truthy<T>> {
    return quiet(async () => {
      if (typeof predicate !== "function")
        throw new TypeError(`Cannot wait for ${this.describe()}: ${brief(predicate)} is not a function`);
      const refusal = refused();
      if (refusal !== undefined) return refusal;
      this.#hold("wait for");
      for (;;) {
        const value = this.#ask(predicate);
        if (value) return value as Truthy<T>;
        await this.wait();
      }
    });
  }

  /**
   * Lets the first `n` waiters go on, each as soon as it gets the mutex. Not a checkpoint.
   *
   * @throws {InvalidStateError} If the running task does not hold the mutex.
   * @throws {RangeError} If `n` is not a whole number from 0, or Infinity.
   */
  notify(n = 1): void {
    if (!isCount(n, 0))
      throw new RangeError(
        `Cannot notify ${brief(n)} waiters of ${this.describe()}: wanted a whole number from 0, or Infinity`,
      );
    this.#hold("notify");
    for (let left = Math.min(n, this.#waiters.size); left > 0; left--) this.#notifyFirst();
  }

  /**
   * Lets all waiters go on, one after the other, in the order they came. Not a checkpoint.
   *
   * @throws {InvalidStateError} If the running task does not hold the mutex.
   */
  notifyAll(): void {
    this.notify(Infinity);
  }

  statistics(): ConditionStatistics {
    return { waiting: this.#waiters.size, notified: this.#notified.size };
  }

  describe(): string {
    return this.name === undefined ? "condition" : `condition '${this.name}'`;
  }

  /** Who waits here needs the mutex in any case. */
  holders(): Iterable<Task> {
    return this.mutex.holders();
  }

  #hold(what: string): Hold {
    const task = currentTask();
    const hold = this.mutex.heldBy(task);
    if (hold === undefined) throw this.mutex.notHeldBy(task, `${what} ${this.describe()}`, "its mutex");
    return hold;
  }

  #ask<T>(predicate: () => T): T {
    const value = predicate();
    if (isObject(value) && typeof (value as { then?: unknown }).then === "function")
      throw new TypeError(`Cannot wait for ${this.describe()}: the predicate gave a promise, which is always truthy`);
    return value;
  }

  #notifyFirst(): void {
    this.#notified.add(this.#waiters.first!);
    this.mutex.lineUp(this.#waiters);
  }

  async #comeBack(hold: Hold): Promise<void> {
    if (this.#notified.delete(hold) && this.#waiters.size > 0) this.#notifyFirst();
    await shield(() => this.mutex.take(hold), { timeout: Infinity });
  }

  #gone(hold: Hold): void {
    this.#notified.delete(hold);
    if (this.#waiters.size === 0) this.mutex.removeLine(this.#waiters);
  }
}
