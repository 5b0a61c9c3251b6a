/**
 * Acknowledged work: an item that was taken is only lent, until who took it says what came of it. One interface for what
 * lives in memory, on disk and on a broker, so whatever a home may have to wait for is async. What it promises is checked by
 * one suite for all homes, `test/queue-conformance.ts`.
 *
 * At least once, not exactly once (that cannot be had: https://en.wikipedia.org/wiki/Two_Generals%27_Problem): a worker that
 * dies after the work and before `ack()` leaves an item that comes again.
 */

/** How a lease stands: `held` until it is settled in one of the other ways. */
export type LeaseState = "held" | "acked" | "retried" | "rejected" | "returned" | "expired";

/**
 * An item on loan. Settle it once, with `ack`, `retry` or `reject`; what is not settled when the block of its `await using`
 * is left goes back to the queue.
 *
 * Settling always begins, also in a scope that is cancelled (rule C3).
 */
export interface Lease<T> extends AsyncDisposable {
  readonly item: T;
  /** How often the item is being tried, this time included: 1 at first. */
  readonly attempt: number;
  readonly state: LeaseState;

  /**
   * The work is done: the item is the queue's no more.
   *
   * Cancellation: Not a checkpoint on entry: it always begins; only the cut-off cuts its wait.
   *
   * @throws {InvalidStateError} If it was settled before, or has expired.
   */
  ack(): Promise<void>;

  /**
   * The work has failed, and is to be tried again. The item keeps its place in line; after a `delay` it comes behind what is
   * ready then. When it has been tried `maxAttempts` times it is rejected instead.
   *
   * Cancellation: Not a checkpoint on entry: it always begins; only the cut-off cuts its wait.
   *
   * @throws {InvalidStateError} If it was settled before, or has expired.
   * @throws {RangeError} If `delay` is not a number of milliseconds from 0.
   */
  retry(options?: RetryOptions): Promise<void>;

  /**
   * The work is given up: the item goes to `onReject` with `reason`.
   *
   * Cancellation: Not a checkpoint on entry: it always begins; only the cut-off cuts its wait.
   *
   * @throws {InvalidStateError} If it was settled before, or has expired.
   */
  reject(reason?: unknown): Promise<void>;

  /**
   * A lease that expires lasts for at least `ms` milliseconds from now. It is never shortened.
   *
   * Cancellation: Checkpoint, nothing lost.
   *
   * @throws {InvalidStateError} If it was settled before, or has expired.
   * @throws {RangeError} If `ms` is not a number of milliseconds from 0, or Infinity.
   */
  extend(ms: number): Promise<void>;

  /**
   * Gives the item back if the lease is still held: to its place in line, and with the same attempt number, since a worker
   * that was cut by a shutdown says nothing about the item. If the work has failed, say so with `retry` or `reject`.
   *
   * Cancellation: Not a checkpoint on entry: it always begins; only the cut-off cuts its wait.
   */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface RetryOptions {
  /** How long the item is kept back, in milliseconds; default 0. */
  readonly delay?: number;
  /** What went wrong, for `onReject` if this was the last attempt. */
  readonly reason?: unknown;
}

export interface PutOptions {
  /** How long the item is kept back once it is in the queue, in milliseconds; default 0. */
  readonly delay?: number;
}

export interface CloseOptions {
  /** true: what nobody holds is not handed out any more. */
  readonly now?: boolean;
}

/** An item that was given up. */
export interface DeadLetter<T> {
  readonly item: T;
  /** How often it was tried. */
  readonly attempt: number;
  /** What `reject` or the last `retry` was given; a `TimeoutError` if the last lease has expired. */
  readonly reason: unknown;
}

/** What every home of a queue understands. */
export interface QueueOptions<T> {
  /** How many items, ready and delayed, there may be before `put` waits: a whole number from 1, or Infinity. */
  readonly capacity?: number;
  /** How long a lease lasts, in milliseconds; then the item goes back, and that counts as an attempt. Infinity: no end. */
  readonly leaseMs?: number;
  /** How often an item is tried before it is rejected: a whole number from 1, or Infinity (default). */
  readonly maxAttempts?: number;
  /**
   * Gets what was given up: log it, or put it into a queue for dead letters. Called at once, in the context in which the queue
   * was made; what it throws fails the task that made the queue, not the worker.
   */
  readonly onReject?: (letter: DeadLetter<T>) => void;
  /** For reports and errors. */
  readonly name?: string;
}

/** What a queue has, and what it has seen. Of a home that others use too: as far as is known here. */
export interface QueueStatistics {
  /** Could be taken now. */
  readonly ready: number;
  /** Kept back for a time. */
  readonly delayed: number;
  /** Taken and not settled. */
  readonly leased: number;
  /** Acknowledged, so far. */
  readonly done: number;
  /** Given up, so far. */
  readonly rejected: number;
  /** Let go of by `close({ now: true })`. */
  readonly dropped: number;
  readonly waitingPuts: number;
  readonly waitingTakes: number;
  readonly waitingJoins: number;
}

/**
 * Work that is handed out piece by piece and acknowledged piece by piece. Who takes first is served first.
 *
 * Iterating gives lease after lease. It ends when the queue is closed and empty, and also when the scope around the loop
 * drains (`scope.drain()`, Ctrl-C): workers finish what they hold and take no more.
 */
export interface Queue<T> extends AsyncIterable<Lease<T>>, AsyncDisposable {
  readonly name: string | undefined;
  /** How many could be taken now. */
  readonly size: number;

  /**
   * Adds `item`; waits while the queue is full.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, the item is not in the queue.
   *
   * @throws {ClosedError} If the queue was closed before or during the call.
   * @throws {RangeError} If `delay` is not a number of milliseconds from 0.
   */
  put(item: T, options?: PutOptions): Promise<void>;

  /**
   * Takes the next item on loan; waits for one. Goes on in a scope that drains; iterating ends there.
   *
   * Cancellation: Checkpoint and intake, nothing lost: if this call is cancelled, it has taken nothing.
   *
   * @throws {EndOfStream} If the queue is closed, and no item is left or can come back.
   */
  take(): Promise<Lease<T>>;

  /**
   * Waits until every item that was put has been acknowledged, rejected or dropped.
   *
   * Cancellation: Checkpoint, nothing lost.
   */
  join(): Promise<void>;

  /**
   * Ends `put`: those that wait throw `ClosedError`. What is there may still be taken, and what workers hold may still come
   * back; then takers get `EndOfStream`. With `now: true` they get it at once, and what nobody holds, or is given back later,
   * is let go of: dropped where it lives in memory, kept for who opens it next where it is durable.
   *
   * Cancellation: Not a checkpoint on entry: it always begins; only the cut-off cuts its wait.
   */
  close(options?: CloseOptions): Promise<void>;

  statistics(): QueueStatistics;

  /**
   * Closes now, and lets go of the home.
   *
   * Cancellation: Not a checkpoint on entry: it always begins; only the cut-off cuts its wait.
   */
  [Symbol.asyncDispose](): Promise<void>;
}
