import { brief, checkOptions, InvalidStateError } from "../errors.ts";
import { isCount } from "../internal/count.ts";
import {
  currentTask,
  passed,
  refused,
  unwatchEnd,
  WaitList,
  watchEnd,
  type EndWatcher,
  type Task,
  type Waitable,
} from "../lowlevel.ts";
import { holding } from "./holding.ts";

export interface CapacityLimiterOptions {
  /** For reports and errors. */
  readonly name?: string;
}

export interface CapacityLimiterStatistics {
  readonly total: number;
  readonly borrowed: number;
  readonly waiting: number;
}

/**
 * Lets at most so many borrow a token at a time, each at most one. How many can be changed at any time. First come, first
 * served; a token given back goes to the first waiter at once.
 *
 * A borrower is the running task, or whatever is named in its place. A task that ends has given its token back; one that
 * was borrowed in another name stays borrowed until somebody releases it.
 *
 * @example
 * ```ts
 * import { all, CapacityLimiter, sleep } from "tasktree";
 * import assert from "node:assert";
 * const limiter = new CapacityLimiter(2);
 * const work = () => limiter.with(() => sleep(1));
 * await all([work, work, work]);
 * assert.deepEqual(limiter.statistics(), { total: 2, borrowed: 0, waiting: 0 });
 * ```
 */
export class CapacityLimiter implements Waitable {
  readonly name: string | undefined;
  #total: number;
  readonly #tokens = new Map<unknown, Token>();
  readonly #waiters: WaitList<void, Token> = new WaitList(this);

  /**
   * @param total How many tokens there are: a whole number from 0 (nobody gets one until it is raised), or Infinity.
   * @throws {RangeError} If it is not that.
   */
  constructor(total: number, options: CapacityLimiterOptions = {}) {
    checkTotal(total);
    checkOptions("make a capacity limiter", options);
    this.#total = total;
    this.name = options.name;
  }

  /**
   * How many tokens there are. Raised, it lets waiters go on at once; set below what is borrowed, it takes nothing away, and
   * nobody gets a token until enough were given back.
   *
   * @throws {RangeError} If it is set to something else than a whole number from 0, or Infinity.
   */
  get total(): number {
    return this.#total;
  }

  set total(total: number) {
    checkTotal(total);
    this.#total = total;
    this.#serve();
  }

  /** How many tokens are borrowed: more than {@link total} if that was lowered meanwhile. */
  get borrowed(): number {
    return this.#tokens.size;
  }

  /** How many could be acquired now without waiting. */
  get available(): number {
    return Math.max(this.#total - this.#tokens.size, 0);
  }

  /** Who has a token, in the order they got it. */
  borrowers(): unknown[] {
    return [...this.#tokens.keys()];
  }

  /**
   * Waits for a token.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, it has no token and its place in line is gone.
   *
   * @param borrower Default: the running task.
   * @throws {InvalidStateError} If the borrower has a token, or one that it waited for came first; if there is no task and no
   * borrower is named.
   */
  acquire(borrower?: unknown): Promise<void> {
    return this.#acquire(this.#tokenFor(borrower));
  }

  /**
   * Takes a token if one is there, which it never is while somebody waits; tells whether it did. Not a checkpoint.
   *
   * @throws {InvalidStateError} As {@link acquire}.
   */
  tryAcquire(borrower?: unknown): boolean {
    const token = this.#tokenFor(borrower);
    const problem = this.#problemOf(token);
    if (problem !== undefined) throw problem;
    return this.available > 0 && this.#lend(token);
  }

  /**
   * Runs `fn` with a token of the running task's.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled while it waits, `fn` is not called.
   *
   * @throws {InvalidStateError} As {@link acquire}.
   */
  with<T>(fn: () => T | PromiseLike<T>): Promise<T> {
    const token = this.#tokenFor(undefined);
    return holding(this, fn, () => this.#acquire(token), token);
  }

  /**
   * Gives back the borrower's token. Not a checkpoint.
   *
   * @param borrower Default: the running task.
   * @throws {InvalidStateError} If the borrower has none.
   */
  release(borrower?: unknown): void {
    const by = borrower === undefined ? currentTask() : borrower;
    const token = this.#tokens.get(by);
    if (token === undefined)
      throw new InvalidStateError(`Cannot release ${this.describe()}: ${shown(by)} has no token`);
    this.giveBack(token);
  }

  statistics(): CapacityLimiterStatistics {
    return { total: this.#total, borrowed: this.#tokens.size, waiting: this.#waiters.size };
  }

  describe(): string {
    const name = this.name === undefined ? "" : ` '${this.name}'`;
    return `capacity limiter${name} (${this.#tokens.size} of ${this.#total} borrowed)`;
  }

  *holders(): Iterable<Task> {
    for (const { task } of this.#tokens.values()) if (task !== undefined) yield task;
  }

  /** Does nothing if it was given back. @internal */
  giveBack(token: Token): void {
    if (this.#tokens.get(token.borrower) !== token) return;
    this.#tokens.delete(token.borrower);
    unwatchEnd(token);
    this.#serve();
  }

  #acquire(token: Token): Promise<void> {
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    const problem = this.#problemOf(token);
    if (problem !== undefined) return Promise.reject(problem);
    if (this.#tokens.size >= this.#total) return this.#waiters.wait(token);
    this.#lend(token);
    return passed();
  }

  #tokenFor(borrower: unknown): Token {
    const task = currentTask();
    const by = borrower === undefined ? task : borrower;
    return new Token(this, by, by === task ? task : undefined);
  }

  #problemOf({ borrower }: Token): InvalidStateError | undefined {
    if (borrower === undefined)
      return new InvalidStateError(`Cannot acquire ${this.describe()} outside of any task: wanted a borrower`);
    if (this.#tokens.has(borrower))
      return new InvalidStateError(`Cannot acquire ${this.describe()}: ${shown(borrower)} has a token already`);
    return undefined;
  }

  /** A borrower that has ended, and left its wait behind, has given back what it gets now. */
  #lend(token: Token): true {
    if (token.task === undefined || watchEnd(token.task, token)) this.#tokens.set(token.borrower, token);
    return true;
  }

  /** Lets the first waiters have what is there. */
  #serve(): void {
    while (this.#tokens.size < this.#total) {
      const next = this.#waiters.first;
      if (next === undefined) return;
      const problem = this.#problemOf(next);
      if (problem !== undefined) {
        this.#waiters.fail(problem);
      } else {
        this.#lend(next);
        this.#waiters.wake();
      }
    }
  }
}

function checkTotal(value: unknown): void {
  if (isCount(value, 0)) return;
  throw new RangeError(`Cannot limit capacity to ${brief(value)} tokens: wanted a whole number from 0, or Infinity`);
}

function shown(borrower: unknown): string {
  if (borrower === undefined) return "code outside of any task";
  return borrower === currentTask() ? `task '${currentTask()!.name}'` : brief(borrower);
}

/** What a borrower has, or stands in line for. */
class Token implements EndWatcher, Disposable {
  previousWatcher: EndWatcher | undefined = undefined;
  nextWatcher: EndWatcher | undefined = undefined;
  watched: Task | undefined = undefined;
  readonly borrower: unknown;
  /** The borrower, if it is the task that has asked. */
  readonly task: Task | undefined;
  readonly #limiter: CapacityLimiter;

  constructor(limiter: CapacityLimiter, borrower: unknown, task: Task | undefined) {
    this.#limiter = limiter;
    this.borrower = borrower;
    this.task = task;
  }

  taskEnded(): void {
    this.#limiter.giveBack(this);
  }

  [Symbol.dispose](): void {
    this.#limiter.giveBack(this);
  }
}
