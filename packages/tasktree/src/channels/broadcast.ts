/** One item to everybody: each subscription is a channel that the broadcast fills. */
import { brief, BrokenError, checkOptions, ClosedError } from "../errors.ts";
import { isCount } from "../internal/count.ts";
import { LinkedList, type Linked } from "../internal/linked-list.ts";
import { passed, refused, WaitList, type Choice, type Selectable, type Waitable } from "../lowlevel.ts";
import { Channel } from "./channel.ts";
import { Items } from "./items.ts";

export interface BroadcastOptions {
  /** For reports and errors. */
  readonly name?: string;
}

/**
 * What happens when an item is published and a subscription's buffer is full. "wait": publishers wait. "drop oldest": the
 * oldest buffered item makes room. "fail": the subscription ends, with `BrokenError` after what it has buffered.
 */
export type WhenFull = "wait" | "drop oldest" | "fail";

export interface SubscribeOptions {
  /** How many items it buffers: a whole number from 1, or Infinity. */
  readonly capacity: number;
  readonly whenFull: WhenFull;
  /** For reports and errors. */
  readonly name?: string;
}

export interface BroadcastStatistics {
  readonly subscribers: number;
  /** Subscriptions for which publishers wait. */
  readonly full: number;
  /** How many wait to publish. */
  readonly publishing: number;
}

export interface SubscriptionStatistics {
  readonly buffered: number;
  /** How many wait to receive. */
  readonly receiving: number;
  readonly dropped: number;
}

/** What one subscriber of a {@link Broadcast} receives. */
export interface Subscription<T> extends Disposable, Selectable<T> {
  readonly name: string | undefined;
  /** How many items were lost because it was full, with "drop oldest". */
  readonly dropped: number;
  /**
   * Takes the first item; waits for one while there is none.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, it has taken no item. New work: in cleanup after a
   * cancellation it throws at every call.
   *
   * @throws {EndOfStream} If the broadcast is closed and everything was received; the cause it was closed with, if any.
   * @throws {BrokenError} If it was full when an item was published ("fail"), and what it had buffered was received.
   * @throws {ClosedError} If it was closed before or during the call.
   */
  receive(): Promise<T>;
  /** The first item if there is one; throws as `receive()` would. Not a checkpoint. */
  tryReceive(): { readonly value: T } | undefined;
  /** Receives until the broadcast is closed. Leaving the loop early does not close the subscription. */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined>;
  /** Ends it: what is buffered is dropped, publishers no longer wait for it, receiving rejects. Not a checkpoint. */
  close(): void;
  statistics(): SubscriptionStatistics;
}

/**
 * Gives each item to every subscriber: what is published after it subscribed, and to all in the same order.
 *
 * @example
 * ```ts
 * import { Broadcast } from "tasktree";
 * import assert from "node:assert";
 * const prices = new Broadcast<number>({ name: "prices" });
 * using all = prices.subscribe({ capacity: 8, whenFull: "wait" });
 * using latest = prices.subscribe({ capacity: 1, whenFull: "drop oldest" });
 * for (const price of [3, 4, 5]) await prices.publish(price);
 * prices.close();
 * assert.equal(await latest.receive(), 5);
 * const seen: number[] = [];
 * for await (const price of all) seen.push(price);
 * assert.deepEqual(seen, [3, 4, 5]);
 * ```
 */
export class Broadcast<T> implements Waitable {
  readonly name: string | undefined;
  readonly #subscribers = new LinkedList<Subscriber<T>>();
  /** Somebody waits here only while a subscription is full. */
  readonly #publishers: WaitList<void, unknown> = new WaitList(this);
  #full = 0;
  #ended = false;
  #cause: unknown = undefined;

  constructor(options: BroadcastOptions = {}) {
    checkOptions("make a broadcast", options);
    this.name = options.name;
  }

  /** How many subscribe. */
  get subscribers(): number {
    return this.#subscribers.size;
  }

  /**
   * Gives `item` to all subscribers in one step; waits until those that want to be waited for have room. Without subscribers
   * it goes to nobody. First come, first served among publishers.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, no subscriber has got the item.
   *
   * @throws {ClosedError} If the broadcast was closed before or during the call; the item was not published.
   */
  publish(item: T): Promise<void> {
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    if (this.#ended) return Promise.reject(this.#closed("publish to"));
    if (this.#full > 0) return this.#publishers.wait(item);
    this.#give(item);
    return passed();
  }

  /**
   * Publishes `item` if that need not wait; tells whether. Not a checkpoint.
   *
   * @throws {ClosedError} If the broadcast is closed.
   */
  tryPublish(item: T): boolean {
    if (this.#ended) throw this.#closed("publish to");
    if (this.#full > 0) return false;
    this.#give(item);
    return true;
  }

  /**
   * A new subscription: it receives what is published from now on. Close it when done, with `using` say: publishers wait for
   * one that waits and is forgotten.
   *
   * @throws {RangeError} If `capacity` is not a whole number from 1, or Infinity.
   * @throws {TypeError} If `whenFull` is none of the three words.
   * @throws {ClosedError} If the broadcast is closed.
   */
  subscribe(options: SubscribeOptions): Subscription<T> {
    checkSubscription(options);
    if (this.#ended) throw this.#closed("subscribe to");
    const subscriber = new Subscriber<T>(this, options);
    this.#subscribers.push(subscriber);
    return subscriber;
  }

  /**
   * Nothing more will be published. Subscribers receive what they have buffered, then `EndOfStream`, or `cause` itself if one
   * is given. Waiting publishers reject with `ClosedError`: their items were not published. The first call counts. Not a
   * checkpoint.
   */
  close(cause?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cause = cause;
    if (this.#publishers.size > 0) this.#publishers.failAll(this.#closed("publish to"));
    this.#full = 0;
    for (const subscriber of this.#subscribers) {
      this.#subscribers.remove(subscriber);
      subscriber.end(cause);
    }
  }

  statistics(): BroadcastStatistics {
    return { subscribers: this.#subscribers.size, full: this.#full, publishing: this.#publishers.size };
  }

  describe(): string {
    const name = this.name === undefined ? "" : ` '${this.name}'`;
    return `broadcast${name} (${this.#full} of ${this.#subscribers.size} subscribers full)`;
  }

  /** A subscription for which publishers wait has room, or is gone. @internal */
  hasRoom(): void {
    this.#full--;
    while (this.#full === 0 && this.#publishers.size > 0) {
      const item = this.#publishers.first as T;
      this.#publishers.wake();
      this.#give(item);
    }
  }

  /** @internal */
  unsubscribe(subscriber: Subscriber<T>): void {
    this.#subscribers.remove(subscriber);
  }

  #give(item: T): void {
    for (let subscriber = this.#subscribers.first; subscriber !== undefined;) {
      const { next } = subscriber; // before it, since one that fails is gone
      if (subscriber.give(item)) this.#full++;
      subscriber = next;
    }
  }

  #closed(what: string): ClosedError {
    return new ClosedError(`Cannot ${what} ${this.describe()}: it is closed`, { cause: this.#cause });
  }
}

function checkSubscription(options: SubscribeOptions): void {
  checkOptions("subscribe", options);
  const { capacity, whenFull } = options;
  if (!isCount(capacity, 1)) {
    throw new RangeError(
      `Cannot subscribe with capacity ${brief(capacity)}: wanted a whole number from 1, or Infinity`,
    );
  }
  if (!["wait", "drop oldest", "fail"].includes(whenFull)) {
    throw new TypeError(`Cannot subscribe with ${brief(whenFull)} as whenFull: wanted "wait", "drop oldest" or "fail"`);
  }
}

class Subscriber<T> implements Subscription<T>, Linked<Subscriber<T>> {
  prev: Subscriber<T> | undefined = undefined;
  next: Subscriber<T> | undefined = undefined;
  list: LinkedList<Subscriber<T>> | undefined = undefined;
  dropped = 0;
  readonly #broadcast: Broadcast<T>;
  readonly #items: Channel<T>;
  readonly #whenFull: WhenFull;
  /** Whether publishers wait for it. */
  #holdsUp = false;

  constructor(broadcast: Broadcast<T>, { capacity, whenFull, name }: SubscribeOptions) {
    this.#broadcast = broadcast;
    this.#items = new Channel(capacity, { noun: "subscription", ...(name === undefined ? undefined : { name }) });
    this.#whenFull = whenFull;
  }

  get name(): string | undefined {
    return this.#items.name;
  }

  receive(): Promise<T> {
    const received = this.#items.receive();
    this.#freed();
    return received;
  }

  tryReceive(): { readonly value: T } | undefined {
    const received = this.#items.tryReceive();
    this.#freed();
    return received;
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return new Items(this);
  }

  choice(): Choice<T> {
    return { ...this.#items.choice(), poll: () => this.tryReceive() };
  }

  close(): void {
    this.#broadcast.unsubscribe(this);
    this.#items.closeReceiving();
    this.#freed();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  statistics(): SubscriptionStatistics {
    const { buffered, receiving } = this.#items.statistics();
    return { buffered, receiving, dropped: this.dropped };
  }

  /** Takes in what was published; true if from now on publishers must wait for it. */
  give(item: T): boolean {
    if (!this.#items.trySend(item)) this.#overflow(item);
    this.#holdsUp = this.#whenFull === "wait" && this.#items.size === this.#items.capacity;
    return this.#holdsUp;
  }

  /** The broadcast is closed. */
  end(cause: unknown): void {
    this.#holdsUp = false;
    this.#items.close(cause);
  }

  #overflow(item: T): void {
    if (this.#whenFull === "drop oldest") {
      this.#items.tryReceive();
      this.dropped++;
      this.#items.trySend(item);
    } else {
      this.#broadcast.unsubscribe(this);
      this.#items.close(new BrokenError(`Cannot receive from ${this.#items.describe()}: it was too slow`));
    }
  }

  #freed(): void {
    if (!this.#holdsUp || this.#items.size === this.#items.capacity) return;
    this.#holdsUp = false;
    this.#broadcast.hasRoom();
  }
}
