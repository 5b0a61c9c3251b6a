/**
 * A queue in memory. No task and no timer of its own works for it: what becomes due (a delay that is over, a lease that has
 * expired) is seen to by whoever calls next, and by a timer only while somebody waits, for an item or in `join()`.
 *
 * What comes back keeps its place in line, as in RabbitMQ (https://www.rabbitmq.com/docs/nack): a failure must not cost an item
 * its turn, and who wants to let others pass says for how long. Road not taken: giving back what a task holds when
 * that task ends. A task may well hand its lease on, as `race([() => a.take(), () => b.take()])` does.
 */
import { checkOptions, ClosedError, EndOfStream, TimeoutError } from "../errors.ts";
import { Deque } from "../internal/deque.ts";
import { Heap } from "../internal/heap.ts";
import { LinkedList } from "../internal/linked-list.ts";
import {
  bound,
  currentTask,
  drainingChoice,
  here,
  now,
  passed,
  quiet,
  refused,
  refusedIntake,
  taskAt,
  Timer,
  waitForOne,
  WaitList,
  type Choice,
  type Task,
  type Waitable,
} from "../lowlevel.ts";
import { checkCallback, checkCount, checkedDelay, checkLeaseMs, wrong } from "./check.ts";
import { MemoryLease, type LeaseHome } from "./memory-lease.ts";
import type {
  CloseOptions,
  DeadLetter,
  Lease,
  LeaseState,
  PutOptions,
  Queue,
  QueueOptions,
  QueueStatistics,
} from "./queue.ts";

export interface MemoryQueueOptions<T> extends QueueOptions<T> {
  /**
   * Which item is next: the oldest ("fifo", default), the newest ("lifo"), or the smallest by a comparison as for
   * `Array.sort`, the oldest of those that are equal.
   */
  readonly order?: "fifo" | "lifo" | ((a: T, b: T) => number);
}

/** What a waiting `put` brings. */
interface Put<T> {
  readonly item: T;
  readonly delay: number;
}

/** Stands for code outside of any task. */
const nobody: unique symbol = Symbol("nobody");

const finished: IteratorResult<never, undefined> = { done: true, value: undefined };

/**
 * Acknowledged work in memory. Without options it is unbounded, first in, first out; leases don't expire, and an item may be
 * tried for ever.
 *
 * Leases: take them with `await using`, or settle them in every case. What a task leaves behind held stays so (`join()` waits
 * for it, and reports name it), unless `leaseMs` brings it back.
 *
 * @example
 * ```ts
 * import { withTaskGroup } from "tasktree";
 * import { MemoryQueue } from "tasktree/queues";
 * import assert from "node:assert";
 * const queue = new MemoryQueue<number>();
 * let sum = 0;
 * await withTaskGroup(async (group) => {
 *   group.spawn(async () => {
 *     for await (await using lease of queue) {
 *       sum += lease.item;
 *       await lease.ack();
 *     }
 *   });
 *   for (const number of [1, 2, 3]) await queue.put(number);
 *   await queue.close();
 * });
 * assert.equal(sum, 6);
 * ```
 */
export class MemoryQueue<T> implements Queue<T>, Waitable {
  readonly name: string | undefined;
  /** How many items, ready and delayed, there may be before `put` waits. What comes back may exceed it. */
  readonly capacity: number;
  readonly #leaseMs: number;
  readonly #maxAttempts: number;
  readonly #onReject: ((letter: DeadLetter<T>) => void) | undefined;
  readonly #compare: ((a: T, b: T) => number) | undefined;
  readonly #before: (a: MemoryLease<T>, b: MemoryLease<T>) => boolean;
  /** What is ready: in the order of coming where that is the order of going, sorted what is not. */
  readonly #inOrder: Deque<MemoryLease<T>> | undefined;
  readonly #sorted: Heap<MemoryLease<T>>;
  /** What is delayed or expires; among them some that are settled. */
  readonly #due: Heap<MemoryLease<T>> = new Heap((a, b) =>
    a.sortedBy === b.sortedBy ? a.place < b.place : a.sortedBy < b.sortedBy,
  );
  readonly #leased = new LinkedList<MemoryLease<T>>();
  #delayed = 0;
  #places = 0;
  #closed: false | "draining" | "now" = false;
  #done = 0;
  #rejected = 0;
  #dropped = 0;
  readonly #takers: WaitList<Lease<T>, Task | typeof nobody> = new WaitList({
    describe: () => `an item of ${this.describe()}`,
    holders: () => (this.#closed === false ? [] : this.holders()),
    left: () => this.#arm(),
  });
  readonly #putters: WaitList<void, Put<T>> = new WaitList({
    describe: () => `room in ${this.describe()}`,
    left: () => this.#admit(),
  });
  readonly #joiners: WaitList = new WaitList({
    describe: () => `all items of ${this.describe()} to be done`,
    holders: () => this.holders(),
    left: () => this.#arm(),
  });
  readonly #timer: Timer = new Timer(() => this.#ripen());
  readonly #home: LeaseHome<T> = {
    label: () => this.#label,
    ripen: () => this.#ripen(),
    end: (lease, how, delay, reason) => this.#end(lease, how, delay, reason),
    extend: (lease, ms) => this.#extend(lease, ms),
  };

  /**
   * @throws {RangeError} If a number among the options is not what it should be.
   * @throws {TypeError} If another option is not.
   */
  constructor(options: MemoryQueueOptions<T> = {}) {
    checkOptions("make a queue", options);
    const { capacity = Infinity, leaseMs = Infinity, maxAttempts = Infinity, onReject, order = "fifo", name } = options;
    this.name = name;
    checkCount("capacity", capacity, this.#label);
    checkLeaseMs(leaseMs, this.#label);
    checkCount("maxAttempts", maxAttempts, this.#label);
    checkCallback("onReject", onReject, this.#label);
    if (order !== "fifo" && order !== "lifo" && typeof order !== "function")
      throw wrong(order, "order", this.#label, `"fifo", "lifo" or a comparison`);
    this.capacity = capacity;
    this.#leaseMs = leaseMs;
    this.#maxAttempts = maxAttempts;
    // In a promise of its own, which nobody awaits: what it throws fails the task that made the queue.
    this.#onReject = onReject && bound((letter: DeadLetter<T>) => void (async () => onReject(letter))());
    this.#compare = typeof order === "function" ? order : undefined;
    this.#before = order === "fifo" ? older : order === "lifo" ? newer : smaller(order);
    this.#inOrder = order === "fifo" ? new Deque() : undefined;
    this.#sorted = new Heap(this.#before);
  }

  get size(): number {
    this.#ripen();
    return this.#ready;
  }

  put(item: T, options: PutOptions = {}): Promise<void> {
    const node = here();
    let delay: number;
    try {
      delay = checkedDelay(options, this.#label);
      const refusal = refused(node);
      if (refusal !== undefined) return refusal;
      this.#checkPut(item);
      if (this.#putNow(item, delay)) return passed(undefined, node);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#putters.waitIn(node, { item, delay });
  }

  /**
   * Adds `item` if there is room, which there never is while a `put` waits; tells whether it did. Not a checkpoint.
   *
   * @throws {ClosedError} If the queue was closed.
   * @throws {RangeError} If `delay` is not a number of milliseconds from 0.
   */
  tryPut(item: T, options: PutOptions = {}): boolean {
    const delay = checkedDelay(options, this.#label);
    this.#checkPut(item);
    return this.#putNow(item, delay);
  }

  take(): Promise<Lease<T>> {
    const node = here();
    const refusal = refusedIntake(node);
    if (refusal !== undefined) return refusal;
    const task = taskAt(node);
    const lease = this.#takeNow(task);
    if (lease !== undefined) return passed<Lease<T>>(lease, node);
    if (this.#over) return Promise.reject(this.#endOfStream());
    const wait = this.#takers.waitIn(node, task ?? nobody);
    this.#takerCame();
    return wait;
  }

  /** The next item on loan if one is ready, which none ever is while a `take` waits. Not a checkpoint. */
  tryTake(): Lease<T> | undefined {
    return this.#takeNow(currentTask());
  }

  /**
   * Lease after lease, until the queue is closed and empty or the scope around the loop drains.
   *
   * Cancellation: Each step is a checkpoint and intake, nothing lost.
   */
  [Symbol.asyncIterator](): AsyncIterator<Lease<T>, undefined> {
    return { next: () => this.#nextLease() };
  }

  join(): Promise<void> {
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    this.#ripen();
    if (this.#unfinished === 0) return passed();
    const wait = this.#joiners.wait();
    this.#arm();
    return wait;
  }

  close(options: CloseOptions = {}): Promise<void> {
    try {
      checkOptions(`close ${this.#label}`, options);
    } catch (error) {
      return Promise.reject(error);
    }
    if (this.#closed === false) {
      this.#closed = "draining";
      this.#putters.failAll(new ClosedError(`Cannot put into ${this.#label}: it was closed meanwhile`));
    }
    if (options.now === true && this.#closed !== "now") {
      this.#closed = "now";
      this.#drop();
    }
    this.#settled();
    return passed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close({ now: true });
  }

  statistics(): QueueStatistics {
    this.#ripen();
    return {
      ready: this.#ready,
      delayed: this.#delayed,
      leased: this.#leased.size,
      done: this.#done,
      rejected: this.#rejected,
      dropped: this.#dropped,
      waitingPuts: this.#putters.size,
      waitingTakes: this.#takers.size,
      waitingJoins: this.#joiners.size,
    };
  }

  describe(): string {
    const delayed = this.#delayed === 0 ? "" : `, ${this.#delayed} delayed`;
    return `${this.#label} (${this.#ready} ready${delayed}, ${this.#leased.size} leased)`;
  }

  /** Who holds leases, also tasks that have ended without settling theirs. */
  holders(): Iterable<Task> {
    return new Set([...this.#leased].map((lease) => lease.task).filter((task) => task !== undefined));
  }

  get #label(): string {
    return this.name === undefined ? "queue" : `queue '${this.name}'`;
  }

  get #ready(): number {
    return this.#sorted.size + (this.#inOrder?.size ?? 0);
  }

  get #unfinished(): number {
    return this.#ready + this.#delayed + this.#leased.size;
  }

  /** Whether nobody will get anything any more. */
  get #over(): boolean {
    return this.#closed === "now" || (this.#closed === "draining" && this.#unfinished === 0);
  }

  // --- coming in

  #checkPut(item: T): void {
    if (this.#closed !== false) throw new ClosedError(`Cannot put into ${this.#label}: it is closed`);
    // A comparison that throws for the item shall throw here, not when the item is moved.
    this.#compare?.(item, item);
  }

  #putNow(item: T, delay: number): boolean {
    this.#ripen();
    if (this.#putters.size > 0 || !this.#hasRoomFor(delay)) return false;
    this.#add(item, delay);
    return true;
  }

  /** What somebody waits for needs no room. */
  #hasRoomFor(delay: number): boolean {
    return this.#ready + this.#delayed < this.capacity || (delay === 0 && this.#takers.size > 0);
  }

  /** Lets in those who wait with an item, as far as there is room. */
  #admit(): void {
    for (let put = this.#putters.first; put !== undefined; put = this.#putters.first) {
      if (!this.#hasRoomFor(put.delay)) return;
      try {
        this.#add(put.item, put.delay);
        this.#putters.wake();
      } catch (error) {
        // A comparison has thrown: that is the matter of whoever brought the item.
        this.#putters.fail(error);
      }
    }
  }

  #add(item: T, delay: number): void {
    const lease = new MemoryLease(this.#home, item, 1, ++this.#places);
    if (delay > 0) this.#delay(lease, delay);
    else if (!this.#handOver(lease)) (this.#inOrder ?? this.#sorted).push(lease);
  }

  #delay(lease: MemoryLease<T>, ms: number): void {
    lease.phase = "delayed";
    this.#delayed++;
    this.#sortByTime(lease, now() + ms);
    this.#arm();
  }

  // --- going out

  #takeNow(task: Task | undefined): MemoryLease<T> | undefined {
    this.#ripen();
    const lease = this.#next();
    if (lease === undefined) return undefined;
    this.#lend(lease, task);
    this.#admit();
    return lease;
  }

  #next(): MemoryLease<T> | undefined {
    const first = this.#inOrder?.first;
    const back = this.#sorted.peek();
    if (first === undefined || (back !== undefined && this.#before(back, first))) return this.#sorted.pop();
    return this.#inOrder!.shift();
  }

  /** To the first who waits for it. */
  #handOver(lease: MemoryLease<T>): boolean {
    const taker = this.#takers.first;
    if (taker === undefined) return false;
    this.#lend(lease, taker === nobody ? undefined : taker);
    this.#takers.wake(lease);
    this.#arm();
    return true;
  }

  #lend(lease: MemoryLease<T>, task: Task | undefined): void {
    lease.phase = "held";
    lease.task = task;
    this.#leased.push(lease);
    if (this.#leaseMs !== Infinity) this.#sortByTime(lease, now() + this.#leaseMs);
  }

  /** One more waits for an item: a `put` may be waiting with one, and the time may have to be watched. */
  #takerCame(): void {
    this.#admit();
    this.#arm();
  }

  #nextLease(): Promise<IteratorResult<Lease<T>, undefined>> {
    const node = here();
    const refusal = refusedIntake(node);
    if (refusal !== undefined) return refusal;
    if (node.draining) return passed(finished, node);
    const lease = this.#takeNow(taskAt(node));
    if (lease !== undefined) return passed<IteratorResult<Lease<T>, undefined>>({ done: false, value: lease }, node);
    return this.#over ? passed(finished) : quiet(() => this.#waitForNext());
  }

  async #waitForNext(): Promise<IteratorResult<Lease<T>, undefined>> {
    const taking: Choice<Lease<T>> = {
      poll: () => undefined,
      line: this.#takers,
      payload: currentTask() ?? nobody,
      intake: true,
    };
    const chosen = waitForOne<Lease<T> | void>([taking, drainingChoice()]);
    this.#takerCame();
    try {
      const { index, value } = await chosen;
      return index === 0 ? { done: false, value: value as Lease<T> } : finished;
    } catch (error) {
      if (error instanceof EndOfStream) return finished;
      throw error;
    }
  }

  // --- coming back

  #end(lease: MemoryLease<T>, how: Exclude<LeaseState, "held">, delay: number, reason: unknown): void {
    this.#leased.remove(lease);
    lease.phase = how;
    lease.until = Infinity;
    lease.task = undefined;
    if (how === "acked") {
      this.#done++;
    } else if (how === "returned") {
      this.#comeBack(lease, lease.attempt, 0);
    } else if (how !== "rejected" && lease.attempt < this.#maxAttempts) {
      this.#comeBack(lease, lease.attempt + 1, delay);
    } else {
      if (how === "retried") lease.phase = "rejected";
      this.#rejected++;
      this.#onReject?.({ item: lease.item, attempt: lease.attempt, reason });
    }
    this.#settled();
  }

  #comeBack({ item, place }: MemoryLease<T>, attempt: number, delay: number): void {
    if (this.#closed === "now") {
      this.#dropped++;
      return;
    }
    const lease = new MemoryLease(this.#home, item, attempt, place);
    if (delay > 0) this.#delay(lease, delay);
    else if (!this.#handOver(lease)) this.#sorted.push(lease);
  }

  #drop(): void {
    this.#dropped += this.#ready + this.#delayed;
    this.#inOrder?.clear();
    this.#sorted.retain(() => false);
    this.#due.retain(({ phase }) => phase === "held");
    this.#delayed = 0;
  }

  #settled(): void {
    if (this.#unfinished === 0) this.#joiners.wakeAll();
    if (this.#over && this.#takers.size > 0) this.#takers.failAll(this.#endOfStream());
    this.#arm();
  }

  #endOfStream(): EndOfStream {
    return new EndOfStream(`Cannot take from ${this.#label}: it is closed, and nothing is left to take`);
  }

  // --- time

  #extend(lease: MemoryLease<T>, ms: number): void {
    lease.until = Math.max(lease.until, now() + ms);
    this.#arm();
  }

  #sortByTime(lease: MemoryLease<T>, until: number): void {
    // Settled leases stay until their time has come, or are many.
    if (this.#due.size > 1024 + 2 * (this.#delayed + this.#leased.size))
      this.#due.retain((other) => other.until !== Infinity);
    lease.until = lease.sortedBy = until;
    this.#due.push(lease);
  }

  /** What is due first; settled leases before it are gone, extended ones at their new place. */
  #firstDue(): MemoryLease<T> | undefined {
    for (let first = this.#due.peek(); first !== undefined; first = this.#due.peek()) {
      if (first.sortedBy === first.until) return first;
      this.#due.pop();
      if (first.until !== Infinity) this.#sortByTime(first, first.until);
    }
    return undefined;
  }

  /** Does what is due by now. */
  #ripen(): void {
    if (this.#due.size === 0) return;
    const time = now();
    for (let first = this.#firstDue(); first !== undefined && first.until <= time; first = this.#firstDue()) {
      this.#due.pop();
      if (first.phase === "delayed") this.#ripe(first);
      else this.#end(first, "expired", 0, this.#expired(first));
    }
    this.#arm();
  }

  #ripe(lease: MemoryLease<T>): void {
    this.#delayed--;
    lease.phase = "ready";
    lease.until = Infinity;
    lease.place = ++this.#places;
    if (this.#handOver(lease)) this.#admit();
    else (this.#inOrder ?? this.#sorted).push(lease);
  }

  #expired({ until }: MemoryLease<T>): TimeoutError {
    return new TimeoutError(`The lease of an item of ${this.#label} has expired`, { deadline: until });
  }

  /** Only while somebody waits, for an item or for the end of all, does time have to be watched. */
  #arm(): void {
    const watched = this.#takers.size > 0 || this.#joiners.size > 0;
    this.#timer.set((watched ? this.#firstDue()?.until : undefined) ?? Infinity);
  }
}

function older<T>(a: MemoryLease<T>, b: MemoryLease<T>): boolean {
  return a.place < b.place;
}

function newer<T>(a: MemoryLease<T>, b: MemoryLease<T>): boolean {
  return a.place > b.place;
}

function smaller<T>(compare: (a: T, b: T) => number): (a: MemoryLease<T>, b: MemoryLease<T>) => boolean {
  return function isBefore(a, b) {
    const order = compare(a.item, b.item);
    return order < 0 || (!(order > 0) && a.place < b.place);
  };
}
