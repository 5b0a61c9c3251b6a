import { BrokenError, checkOptions, DeadlockError, InvalidStateError } from "../errors.ts";
import {
  currentTask,
  here,
  passed,
  refused,
  taskAt,
  unwatchEnd,
  WaitList,
  watchEnd,
  type EndWatcher,
  type Task,
  type Waitable,
} from "../lowlevel.ts";
import { holding } from "./holding.ts";

export interface MutexOptions {
  /** For reports and errors. */
  readonly name?: string;
}

export interface MutexStatistics {
  readonly locked: boolean;
  readonly broken: boolean;
  readonly waiting: number;
}

/** What `acquire` gives: to be released once, by `using` or by hand, from anywhere. A second release does nothing. */
export interface MutexGuard extends Disposable {
  release(): void;
}

/** Who waits to hold a mutex, in its own line or in that of a condition. */
export type HoldLine = WaitList<MutexGuard, Hold>;

/**
 * Lets one at a time hold it. First come, first served; a released mutex goes to the first waiter at once.
 *
 * The task that acquires it owns it, and must not end before it is released. If it does, the mutex is broken: nobody can
 * vouch for what it protects, so whoever waits and whoever comes gets a {@link BrokenError} until {@link reset}.
 *
 * Not reentrant. Works outside of tasks too: then nobody owns it, and what is checked for owners is not.
 *
 * @example
 * ```ts
 * import { all, Mutex, sleep } from "tasktree";
 * import assert from "node:assert";
 * const mutex = new Mutex();
 * let balance = 0;
 * const deposit = async () => {
 *   using guard = await mutex.acquire();
 *   const before = balance;
 *   await sleep(1);
 *   balance = before + 10;
 * };
 * await all([deposit, deposit]);
 * assert.equal(balance, 20);
 * ```
 */
export class Mutex implements Waitable {
  readonly name: string | undefined;
  #held: Hold | undefined = undefined;
  #broken = false;
  readonly #waiters: HoldLine = new WaitList(this);
  /** Lines of conditions in which somebody waits: to be told if it breaks. */
  #conditions: Set<HoldLine> | undefined = undefined;

  constructor(options: MutexOptions = {}) {
    checkOptions("make a mutex", options);
    this.name = options.name;
  }

  /** Whether somebody holds it, or has broken it. */
  get locked(): boolean {
    return this.#held !== undefined;
  }

  /** The task that holds it, or has broken it; undefined if nobody does, or code outside of any task. */
  get owner(): Task | undefined {
    return this.#held?.task;
  }

  /**
   * Waits until it is free, and holds it.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, the mutex is not held and its place in line is gone.
   *
   * @throws {DeadlockError} If the running task holds it already.
   * @throws {BrokenError} If its owner ended while it held it, before or during the call.
   */
  acquire(): Promise<MutexGuard> {
    const node = here();
    const refusal = refused(node);
    if (refusal !== undefined) return refusal;
    const task = taskAt(node);
    if (task !== undefined && task === this.owner) return Promise.reject(this.#ownWait(task));
    return this.take(new Hold(this, task), node);
  }

  /**
   * Holds it if it is free, which it never is while somebody waits. Not a checkpoint.
   *
   * @throws {BrokenError} If its owner ended while it held it.
   */
  tryAcquire(): MutexGuard | undefined {
    if (this.#held === undefined) return this.#give(new Hold(this, currentTask()));
    if (this.#isBroken()) throw this.#brokenError();
    return undefined;
  }

  /**
   * Runs `fn` while holding it.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled while it waits, `fn` is not called.
   *
   * @throws {DeadlockError} If the running task holds it already.
   * @throws {BrokenError} If its owner ended while it held it, before or during the call.
   */
  with<T>(fn: () => T | PromiseLike<T>): Promise<T> {
    return holding(this, fn, acquire);
  }

  /**
   * Releases it where the guard is not at hand. Not a checkpoint.
   *
   * @throws {InvalidStateError} If the running task does not hold it.
   */
  release(): void {
    const task = currentTask();
    const hold = this.heldBy(task);
    if (hold === undefined) throw this.notHeldBy(task, `release ${this.describe()}`, "it");
    this.letGo(hold);
  }

  /** Makes a broken mutex usable again, once what it protects was put right; else does nothing. Not a checkpoint. */
  reset(): void {
    if (!this.#isBroken()) return;
    this.#broken = false;
    this.#held = undefined;
  }

  statistics(): MutexStatistics {
    return { locked: this.locked, broken: this.#isBroken(), waiting: this.#waiters.size };
  }

  describe(): string {
    return this.name === undefined ? "mutex" : `mutex '${this.name}'`;
  }

  holders(): Iterable<Task> {
    return this.owner === undefined ? [] : [this.owner];
  }

  // --- for guards and conditions

  /** What `task` may let go: its own, or what nobody owns. @internal */
  heldBy(task: Task | undefined): Hold | undefined {
    const held = this.#held;
    return held?.task === undefined || held.task === task ? held : undefined;
  }

  /** @internal */
  notHeldBy(task: Task | undefined, what: string, it: string): InvalidStateError {
    const held = this.#held;
    const who = task === undefined ? "code outside of any task" : `task '${task.name}'`;
    const holder = held === undefined ? "nobody does" : `held by '${held.task!.name}'`;
    return new InvalidStateError(`Cannot ${what}: ${who} does not hold ${it} (${holder})`);
  }

  /** Waits for `hold`, which may have been let go before. Not itself a checkpoint on entry. @internal */
  take(hold: Hold, node = here()): Promise<MutexGuard> {
    const held = this.#held;
    if (held === undefined) return passed(this.#give(hold), node);
    if (this.#isBroken()) return Promise.reject(this.#brokenError());
    this.#watch(held);
    return this.#waiters.waitIn(node, hold);
  }

  /** Passes it to the first waiter, if `hold` holds it; else does nothing. @internal */
  letGo(hold: Hold): void {
    if (this.#held !== hold || this.#isBroken()) return;
    unwatchEnd(hold);
    const next = this.#waiters.first;
    this.#held = next;
    if (next === undefined) return;
    this.#waiters.wake(next);
    this.#watch(next);
  }

  /** Lets the first in `line` wait here, behind the others, or hold it at once. @internal */
  lineUp(line: HoldLine): void {
    if (this.#held === undefined) line.wake(this.#give(line.first!));
    else line.moveFirst(this.#waiters);
  }

  /** Somebody waits in `line` who is to be told if it breaks. @internal */
  addLine(line: HoldLine): void {
    (this.#conditions ??= new Set()).add(line);
  }

  /** @internal */
  removeLine(line: HoldLine): void {
    this.#conditions?.delete(line);
    if (this.#conditions?.size === 0) this.#conditions = undefined;
  }

  /** Who holds it has ended. @internal */
  break(): void {
    this.#broken = true;
    const error = this.#brokenError();
    this.#waiters.failAll(error);
    for (const line of this.#conditions ?? []) line.failAll(error);
  }

  #give(hold: Hold): Hold {
    this.#held = hold;
    if (this.#conditions !== undefined) this.#watch(hold);
    return hold;
  }

  /** Somebody waits: the owner's end must be known at once. Else it is enough to look when somebody comes. */
  #watch(held: Hold): void {
    if (held.watched === undefined && held.task !== undefined && !watchEnd(held.task, held)) this.break();
  }

  #isBroken(): boolean {
    const owner = this.#held?.task;
    return this.#broken || (owner !== undefined && owner.status !== "running");
  }

  #brokenError(): BrokenError {
    const path = this.owner!.path;
    return new BrokenError(`${capital(this.describe())} is broken: task '${path}' ended while it held it`);
  }

  #ownWait(task: Task): DeadlockError {
    return new DeadlockError(
      `Cannot acquire ${this.describe()}: task '${task.name}' holds it, and would wait for itself`,
    );
  }
}

function acquire(mutex: Mutex): Promise<MutexGuard> {
  return mutex.acquire();
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A guard: what holds a mutex, did so, or stands in line to. */
export class Hold implements MutexGuard, EndWatcher {
  previousWatcher: EndWatcher | undefined = undefined;
  nextWatcher: EndWatcher | undefined = undefined;
  watched: Task | undefined = undefined;
  readonly task: Task | undefined;
  readonly #mutex: Mutex;

  constructor(mutex: Mutex, task: Task | undefined) {
    this.#mutex = mutex;
    this.task = task;
  }

  release(): void {
    this.#mutex.letGo(this);
  }

  [Symbol.dispose](): void {
    this.release();
  }

  taskEnded(): void {
    this.#mutex.break();
  }
}
