/**
 * Hand-over from task to task, after Trio's memory channels.
 *
 * Two lines, one buffer. Senders wait only while the buffer is full, receivers only while it is empty and no sender waits;
 * so an item that comes goes to the first receiver or into the buffer, and a place that gets free goes to the first sender,
 * in the same step.
 */
import { brief, BrokenError, checkOptions, ClosedError, EndOfStream } from "../errors.ts";
import { isCount } from "../internal/count.ts";
import { Deque } from "../internal/deque.ts";
import {
  here,
  passed,
  quiet,
  refused,
  refusedIntake,
  WaitList,
  type Choice,
  type Selectable,
  type Waitable,
} from "../lowlevel.ts";
import { Items } from "./items.ts";

export interface ChannelOptions {
  /** For reports and errors. */
  readonly name?: string;
  /** What reports call it. @internal */
  readonly noun?: string;
}

export interface ChannelStatistics {
  readonly buffered: number;
  /** How many wait to send. */
  readonly sending: number;
  /** How many wait to receive. */
  readonly receiving: number;
  /** Ends made by `sender()` and `receiver()` that are open. */
  readonly senders: number;
  readonly receivers: number;
  /** Items that were buffered when the receiving side was closed. */
  readonly dropped: number;
}

/** An end of a channel to send on. When all that were made are closed, so is the channel. */
export interface Sender<T> extends Disposable {
  readonly isClosed: boolean;
  /** As {@link Channel.send}. @throws {ClosedError} Also if this end was closed before or during the call. */
  send(item: T): Promise<void>;
  /** As {@link Channel.trySend}. @throws {ClosedError} Also if this end is closed. */
  trySend(item: T): boolean;
  /** Sending `item`, as a case of `select`. */
  sending(item: T): Selectable<void>;
  /** One more end of the same channel. @throws {ClosedError} If this end, or the channel, is closed. */
  clone(): Sender<T>;
  /** Its waiting sends reject, and their items were not sent. Once is enough. Not a checkpoint. */
  close(): void;
}

/** An end of a channel to receive from. When all that were made are closed, so is the channel's receiving side. */
export interface Receiver<T> extends Disposable, Selectable<T> {
  readonly isClosed: boolean;
  /** As {@link Channel.receive}. @throws {ClosedError} Also if this end was closed before or during the call. */
  receive(): Promise<T>;
  /** As {@link Channel.receiveMany}. @throws {ClosedError} Also if this end was closed before or during the call. */
  receiveMany(max?: number): Promise<T[]>;
  /** As {@link Channel.tryReceive}. @throws {ClosedError} Also if this end is closed. */
  tryReceive(): { readonly value: T } | undefined;
  /** Receives until the end, as iterating the channel. */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined>;
  /** One more end of the same channel. @throws {ClosedError} If this end, or the channel's receiving side, is closed. */
  clone(): Receiver<T>;
  /** Its waiting receives reject, and took nothing. Once is enough. Not a checkpoint. */
  close(): void;
}

/**
 * Hands items from tasks that send to tasks that receive, each to one of them. First in, first out: the items, who waits to
 * send, and who waits to receive. Put promises and tasks into an object to send them: JavaScript awaits what `receive()` gives.
 *
 * @example A producer and a consumer
 * ```ts
 * import { Channel, withTaskGroup } from "tasktree";
 * import assert from "node:assert";
 * const jobs = new Channel<number>(2);
 * const done: number[] = [];
 * await withTaskGroup(async (group) => {
 *   group.spawn(async () => {
 *     for (const job of [1, 2, 3]) await jobs.send(job);
 *     jobs.close();
 *   });
 *   for await (const job of jobs) done.push(job);
 * });
 * assert.deepEqual(done, [1, 2, 3]);
 * ```
 */
export class Channel<T> implements Selectable<T>, Waitable {
  readonly name: string | undefined;
  /** How many items it buffers. */
  readonly capacity: number;
  readonly #noun: string;
  readonly #buffer = new Deque<T>();
  readonly #senders: WaitList<void, unknown> = new WaitList(new Side("room in", this));
  readonly #receivers: WaitList<T, unknown> = new WaitList(new Side("an item of", this));
  #ended = false;
  #cause: unknown = undefined;
  #deaf = false;
  #openSenders = 0;
  #openReceivers = 0;
  #dropped = 0;

  /**
   * @param capacity How many items it buffers: a whole number from 0 (each send waits for its receiver), or Infinity.
   * @throws {RangeError} If `capacity` is not that.
   */
  constructor(capacity: number, options: ChannelOptions = {}) {
    if (!isCount(capacity, 0)) {
      throw new RangeError(
        `Cannot make a channel of capacity ${brief(capacity)}: wanted a whole number from 0, or Infinity`,
      );
    }
    checkOptions("make a channel", options);
    this.capacity = capacity;
    this.name = options.name;
    this.#noun = options.noun ?? "channel";
  }

  /** How many items are buffered. */
  get size(): number {
    return this.#buffer.size;
  }

  /** Whether nothing more can be sent: one of its sides is closed. */
  get isClosed(): boolean {
    return this.#ended || this.#deaf;
  }

  // --- sending

  /**
   * Hands `item` to the first receiver that waits, or puts it in the buffer; waits while that is full.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, the item was not sent.
   *
   * @throws {ClosedError} If the channel was closed before or during the call; the item was not sent.
   * @throws {BrokenError} If nobody will receive, since the receiving side was closed; the item was not sent.
   */
  send(item: T): Promise<void> {
    return this.sendBy(undefined, item);
  }

  /**
   * Sends `item` if it can be taken at once: true if there is room in the buffer, or somebody waits to receive. Not a
   * checkpoint.
   *
   * @throws {ClosedError} If the channel is closed.
   * @throws {BrokenError} If the receiving side is closed.
   */
  trySend(item: T): boolean {
    return this.trySendBy(undefined, item);
  }

  /**
   * Sending `item`, as a case of `select`.
   *
   * @example
   * ```ts
   * import { Channel, select } from "tasktree";
   * import assert from "node:assert";
   * const [full, free] = [new Channel<string>(0), new Channel<string>(1)];
   * const { key } = await select({ full: full.sending("a"), free: free.sending("a") });
   * assert.equal(key, "free");
   * ```
   */
  sending(item: T): Selectable<void> {
    return { choice: () => this.sendChoice(undefined, item) };
  }

  /**
   * A new end to send on, for one of several producers. The channel is closed when all that were made are.
   *
   * @throws {ClosedError} If the channel is closed.
   * @example
   * ```ts
   * import { Channel, withTaskGroup } from "tasktree";
   * import assert from "node:assert";
   * const channel = new Channel<string>(0);
   * let names = "";
   * await withTaskGroup(async (group) => {
   *   for (const name of ["a", "b"]) {
   *     const sender = channel.sender();
   *     group.spawn(() => sender.send(name).finally(() => sender.close()));
   *   }
   *   for await (const name of channel) names += name;
   * });
   * assert.equal(names, "ab");
   * ```
   */
  sender(): Sender<T> {
    if (this.#ended) throw new ClosedError(`Cannot make a sender of ${this.describe()}: it is closed`);
    this.#openSenders++;
    return new SendingEnd(this);
  }

  /**
   * Nothing more will be sent. What is buffered can still be received, then receivers get `EndOfStream`, or `cause` itself
   * if one is given. Waiting senders reject with `ClosedError`: their items were not sent. The first call counts. Not a
   * checkpoint.
   */
  close(cause?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cause = cause;
    if (this.#senders.size > 0) this.#senders.failAll(this.#whyNotSend(undefined));
    if (this.#receivers.size > 0) this.#receivers.failAll(this.#whyNotReceive(undefined));
  }

  // --- receiving

  /**
   * Takes the first item: of the buffer, or of a sender that waits; waits for one while there is none. Where the buffer was
   * full, the first waiting sender's item moves in.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, it has taken no item; an item that was handed to it
   * before the cancellation is returned. New work: in cleanup after a cancellation it throws at every call.
   *
   * @throws {EndOfStream} If the channel is closed and empty. If it was closed with a cause, that is thrown instead.
   * @throws {ClosedError} If the receiving side was closed before or during the call.
   */
  receive(): Promise<T> {
    return this.receiveBy(undefined);
  }

  /**
   * Takes what there is, in order: of the buffer and of senders that wait, `max` items at most. While there is nothing, waits
   * for one, and gives with it what else has come until the call goes on.
   *
   * Cancellation: Checkpoint, nothing lost: as with `receive()`.
   *
   * @param max Default: Infinity.
   * @throws {EndOfStream} If the channel is closed and empty. If it was closed with a cause, that is thrown instead.
   * @throws {ClosedError} If the receiving side was closed before or during the call.
   * @throws {RangeError} If `max` is not a whole number from 1, or Infinity.
   * @example Writing in batches
   * ```ts
   * import { Channel } from "tasktree";
   * import assert from "node:assert";
   * const rows = new Channel<number>(10);
   * for (const row of [1, 2, 3]) await rows.send(row);
   * assert.deepEqual(await rows.receiveMany(2), [1, 2]);
   * assert.deepEqual(await rows.receiveMany(2), [3]);
   * ```
   */
  receiveMany(max: number = Infinity): Promise<T[]> {
    return this.receiveManyBy(undefined, max);
  }

  /**
   * The first item if there is one, in an object since it may be undefined. Not a checkpoint.
   *
   * @throws {EndOfStream} If the channel is closed and empty. If it was closed with a cause, that is thrown instead.
   * @throws {ClosedError} If the receiving side is closed.
   */
  tryReceive(): { readonly value: T } | undefined {
    return this.tryReceiveBy(undefined);
  }

  /**
   * Receives until the channel is closed and empty; the cause it was closed with is thrown. Leaving the loop early does not
   * close the channel.
   *
   * Cancellation: Each step is a checkpoint, nothing lost, as `receive()`.
   */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return new Items(this);
  }

  /** Receiving, as a case of `select`. */
  choice(): Choice<T> {
    return this.receiveChoice(undefined);
  }

  /**
   * A new end to receive from, for one of several consumers. The receiving side is closed when all that were made are.
   *
   * @throws {ClosedError} If the receiving side is closed.
   * @example A consumer that fails doesn't leave its producer waiting
   * ```ts
   * import { BrokenError, Channel } from "tasktree";
   * import assert from "node:assert";
   * const channel = new Channel<string>(0);
   * const receiver = channel.receiver();
   * const sent = channel.send("a");
   * receiver.close();
   * await assert.rejects(sent, BrokenError);
   * ```
   */
  receiver(): Receiver<T> {
    if (this.#deaf) throw new ClosedError(`Cannot make a receiver of ${this.describe()}: its receiving side is closed`);
    this.#openReceivers++;
    return new ReceivingEnd(this);
  }

  /**
   * Nobody will receive. Waiting and later senders reject with `BrokenError`, waiting and later receivers with
   * `ClosedError`. What is buffered is dropped, and counted in `statistics()`. Not a checkpoint.
   */
  closeReceiving(): void {
    if (this.#deaf) return;
    this.#deaf = true;
    this.#dropped = this.#buffer.size;
    this.#buffer.clear();
    if (this.#senders.size > 0) this.#senders.failAll(this.#whyNotSend(undefined));
    if (this.#receivers.size > 0) this.#receivers.failAll(this.#whyNotReceive(undefined));
  }

  statistics(): ChannelStatistics {
    return {
      buffered: this.#buffer.size,
      sending: this.#senders.size,
      receiving: this.#receivers.size,
      senders: this.#openSenders,
      receivers: this.#openReceivers,
      dropped: this.#dropped,
    };
  }

  describe(): string {
    const name = this.name === undefined ? "" : ` '${this.name}'`;
    return `${this.#noun}${name} (${this.#buffer.size} of ${this.capacity} buffered)`;
  }

  // --- what the channel and its ends share; `undefined` stands for the channel itself

  /** @internal */
  sendBy(sender: SendingEnd<T> | undefined, item: T): Promise<void> {
    const node = here();
    const refusal = refused(node);
    if (refusal !== undefined) return refusal;
    const error = this.#whyNotSend(sender);
    if (error !== undefined) return Promise.reject(error);
    if (this.#put(item)) return passed(undefined, node);
    if (sender !== undefined) sender.waits++;
    return this.#senders.waitIn(node, brought(sender, item));
  }

  /** @internal */
  trySendBy(sender: SendingEnd<T> | undefined, item: T): boolean {
    const error = this.#whyNotSend(sender);
    if (error !== undefined) throw error;
    return this.#put(item);
  }

  /** @internal */
  sendChoice(sender: SendingEnd<T> | undefined, item: T): Choice<void> {
    if (sender !== undefined) sender.waits++;
    return {
      poll: () => (this.trySendBy(sender, item) ? sent : undefined),
      line: this.#senders,
      payload: brought(sender, item),
    };
  }

  /** @internal */
  receiveBy(receiver: ReceivingEnd<T> | undefined): Promise<T> {
    const node = here();
    const refusal = this.#refusedToReceive(receiver, node);
    if (refusal !== undefined) return refusal;
    return this.#hasItem ? passed(this.#take(), node) : this.#waitForItem(receiver, node);
  }

  /** @internal */
  receiveManyBy(receiver: ReceivingEnd<T> | undefined, max: number): Promise<T[]> {
    if (!isCount(max, 1)) {
      const wanted = "wanted a whole number from 1, or Infinity";
      return Promise.reject(
        new RangeError(`Cannot receive ${brief(max)} items from ${this.describe()} at a time: ${wanted}`),
      );
    }
    const node = here();
    const refusal = this.#refusedToReceive(receiver, node);
    if (refusal !== undefined) return refusal;
    if (this.#hasItem) return passed(this.#takeMany([], max), node);
    return quiet(() =>
      this.#waitForItem(receiver, node).then((item) =>
        this.#whyNotReceive(receiver) === undefined ? this.#takeMany([item], max) : [item],
      ),
    );
  }

  /** @internal */
  tryReceiveBy(receiver: ReceivingEnd<T> | undefined): { readonly value: T } | undefined {
    const error = this.#whyNotReceive(receiver);
    if (error !== undefined) throw error;
    return this.#hasItem ? { value: this.#take() } : undefined;
  }

  /** @internal */
  receiveChoice(receiver: ReceivingEnd<T> | undefined): Choice<T> {
    if (receiver !== undefined) receiver.waits++;
    return { poll: () => this.tryReceiveBy(receiver), line: this.#receivers, payload: receiver, intake: true };
  }

  /** @internal */
  senderClosed(sender: SendingEnd<T>): void {
    if (sender.waits > 0) {
      this.#senders.failWhere(
        (payload) => senderOf(payload) === sender,
        () => this.#whyNotSend(sender),
      );
    }
    if (--this.#openSenders === 0) this.close();
  }

  /** @internal */
  receiverClosed(receiver: ReceivingEnd<T>): void {
    if (receiver.waits > 0) {
      this.#receivers.failWhere(
        (payload) => payload === receiver,
        () => this.#whyNotReceive(receiver),
      );
    }
    if (--this.#openReceivers === 0) this.closeReceiving();
  }

  #whyNotSend(sender: SendingEnd<T> | undefined): Error | undefined {
    if (sender?.isClosed === true) return new ClosedError(`Cannot send to ${this.describe()}: this sender is closed`);
    if (this.#ended) return new ClosedError(`Cannot send to ${this.describe()}: it is closed`, { cause: this.#cause });
    if (this.#deaf) return new BrokenError(`Cannot send to ${this.describe()}: nobody will receive`);
    return undefined;
  }

  #whyNotReceive(receiver: ReceivingEnd<T> | undefined): unknown {
    if (receiver?.isClosed === true)
      return new ClosedError(`Cannot receive from ${this.describe()}: this receiver is closed`);
    if (this.#deaf) return new ClosedError(`Cannot receive from ${this.describe()}: its receiving side is closed`);
    if (!this.#ended || this.#buffer.size > 0) return undefined;
    if (this.#cause !== undefined) return this.#cause;
    return new EndOfStream(`Cannot receive from ${this.describe()}: it is closed, and everything was received`);
  }

  #refusedToReceive(receiver: ReceivingEnd<T> | undefined, node: ReturnType<typeof here>): Promise<never> | undefined {
    const refusal = refusedIntake(node);
    if (refusal !== undefined) return refusal;
    const error = this.#whyNotReceive(receiver);
    return error === undefined ? undefined : Promise.reject(error);
  }

  #waitForItem(receiver: ReceivingEnd<T> | undefined, node: ReturnType<typeof here>): Promise<T> {
    if (receiver !== undefined) receiver.waits++;
    return this.#receivers.waitIn(node, receiver);
  }

  get #hasItem(): boolean {
    return this.#buffer.size > 0 || this.#senders.size > 0;
  }

  #put(item: T): boolean {
    const receiver = this.#receivers.first as ReceivingEnd<T> | undefined;
    if (this.#receivers.wake(item)) {
      if (receiver !== undefined) receiver.waits--;
      return true;
    }
    if (this.#buffer.size >= this.capacity) return false;
    this.#buffer.push(item);
    return true;
  }

  #take(): T {
    if (this.#buffer.size === 0) return this.#takeFromSender();
    const item = this.#buffer.shift() as T;
    if (this.#senders.size > 0) this.#buffer.push(this.#takeFromSender());
    return item;
  }

  #takeMany(items: T[], max: number): T[] {
    while (items.length < max && this.#hasItem) items.push(this.#take());
    return items;
  }

  #takeFromSender(): T {
    const payload = this.#senders.first;
    this.#senders.wake();
    if (!(payload instanceof Parcel)) return payload as T;
    payload.sender.waits--;
    return payload.item as T;
  }
}

const sent = { value: undefined };

/** What those wait for who stand in one of the two lines. */
class Side<T> implements Waitable {
  readonly #what: string;
  readonly #channel: Channel<T>;

  constructor(what: string, channel: Channel<T>) {
    this.#what = what;
    this.#channel = channel;
  }

  describe(): string {
    return `${this.#what} ${this.#channel.describe()}`;
  }
}

/** An item in the line of senders that came by one of the channel's ends; others stand there as they are. */
class Parcel<T> {
  readonly sender: SendingEnd<T>;
  readonly item: T;

  constructor(sender: SendingEnd<T>, item: T) {
    this.sender = sender;
    this.item = item;
  }
}

function brought<T>(sender: SendingEnd<T> | undefined, item: T): unknown {
  return sender === undefined ? item : new Parcel(sender, item);
}

function senderOf(payload: unknown): unknown {
  return payload instanceof Parcel ? payload.sender : undefined;
}

class SendingEnd<T> implements Sender<T> {
  isClosed = false;
  /** How many wait by it, at most: what was cut, or done by `select` elsewhere, still counts. For 0 nobody need be looked for. */
  waits = 0;
  readonly #channel: Channel<T>;

  constructor(channel: Channel<T>) {
    this.#channel = channel;
  }

  send(item: T): Promise<void> {
    return this.#channel.sendBy(this, item);
  }

  trySend(item: T): boolean {
    return this.#channel.trySendBy(this, item);
  }

  sending(item: T): Selectable<void> {
    return { choice: () => this.#channel.sendChoice(this, item) };
  }

  clone(): Sender<T> {
    if (this.isClosed)
      throw new ClosedError(`Cannot clone a sender of ${this.#channel.describe()}: this sender is closed`);
    return this.#channel.sender();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#channel.senderClosed(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

class ReceivingEnd<T> implements Receiver<T> {
  isClosed = false;
  /** As with a sender. */
  waits = 0;
  readonly #channel: Channel<T>;

  constructor(channel: Channel<T>) {
    this.#channel = channel;
  }

  receive(): Promise<T> {
    return this.#channel.receiveBy(this);
  }

  receiveMany(max: number = Infinity): Promise<T[]> {
    return this.#channel.receiveManyBy(this, max);
  }

  tryReceive(): { readonly value: T } | undefined {
    return this.#channel.tryReceiveBy(this);
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return new Items(this);
  }

  choice(): Choice<T> {
    return this.#channel.receiveChoice(this);
  }

  clone(): Receiver<T> {
    if (this.isClosed)
      throw new ClosedError(`Cannot clone a receiver of ${this.#channel.describe()}: this receiver is closed`);
    return this.#channel.receiver();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#channel.receiverClosed(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
