/**
 * One end of a connection: what it holds and who waits at it. How the two ends hear of each other is the matter of a wire: at
 * once in memory, after a journey on a simulated network.
 *
 * Room is counted where the bytes come from, as in TCP: an end may have as many bytes on the way, or unread at the other end, as
 * the connection's capacity; what is read there gives room here.
 */
import { brief, BrokenError, BusyError, ClosedError } from "../errors.ts";
import { ByteQueue } from "../internal/byte-queue.ts";
import { isCount } from "../internal/count.ts";
import { here, passed, refused } from "../lowlevel.ts";
import type { ByteStream, ByteStreamStatistics } from "./byte-stream.ts";
import { chunksOf } from "./chunk-steps.ts";
import { WatchedLine } from "./watched-line.ts";

/** What an end tells the other one. */
export interface Wire {
  /** `bytes` are only lent: they are copied before this returns. */
  data(bytes: Uint8Array): void;
  /** Nothing more will be written here. */
  end(): void;
  /** So many bytes were read here: there is room for as many. */
  room(count: number): void;
  /** This end is closed. */
  close(): void;
  /** This end has torn the connection. */
  reset(reason: unknown): void;
  /** Sees to it that what has happened by now has arrived. */
  catchUp(): void;
  /** Somebody has come to wait at this end, or waits no more. */
  waits(change: 1 | -1): void;
}

/** What waits to be written. */
interface Outgoing {
  rest: Uint8Array;
}

const defaultMax = 65_536;

export class WiredStream implements ByteStream {
  readonly #name: string;
  readonly #wire: Wire;
  readonly #inbox = new ByteQueue();
  readonly #reader: WatchedLine<Uint8Array | undefined, number>;
  readonly #writer: WatchedLine<void, Outgoing>;
  #room: number;
  #bytesRead = 0;
  #bytesWritten = 0;
  #closed = false;
  #abortReason: unknown = undefined;
  /** This end has said that it writes no more. */
  #saidAll = false;
  /** The other end has said so. */
  #heardAll = false;
  /** The other end reads no more. */
  #otherClosed = false;
  #broken: { readonly why: string; readonly cause: unknown } | undefined = undefined;

  constructor(name: string, capacity: number, wire: Wire) {
    this.#name = name;
    this.#room = capacity;
    this.#wire = wire;
    const changed = (change: 1 | -1): void => wire.waits(change);
    this.#reader = new WatchedLine(changed, () => `bytes from ${this.#name}`);
    this.#writer = new WatchedLine(changed, () => `room in ${this.#name}`);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  // --- for who uses it

  read(max: number = defaultMax): Promise<Uint8Array | undefined> {
    if (!isCount(max, 1)) return Promise.reject(this.#wrongMax(max));
    const node = here();
    const refusal = refused(node);
    if (refusal !== undefined) return refusal;
    this.#wire.catchUp();
    const error = this.#whyGone("read from") ?? this.#whyBusy("read from", this.#reader);
    if (error !== undefined) return Promise.reject(error);
    if (this.#inbox.size > 0) return passed(this.#take(max), node);
    return this.#heardAll ? passed(undefined, node) : this.#reader.wait(max);
  }

  write(bytes: Uint8Array): Promise<void> {
    if (!(bytes instanceof Uint8Array)) return Promise.reject(this.#wrongBytes(bytes));
    const node = here();
    const refusal = refused(node);
    if (refusal !== undefined) return refusal;
    this.#wire.catchUp();
    const error = this.#whyNotWrite() ?? this.#whyBusy("write to", this.#writer);
    if (error !== undefined) return Promise.reject(error);
    const outgoing = { rest: bytes };
    this.#send(outgoing);
    if (this.#broken !== undefined) return Promise.reject(this.#whyGone("write to"));
    return outgoing.rest.length === 0 ? passed(undefined, node) : this.#writer.wait(outgoing);
  }

  closeWriting(): Promise<void> {
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    this.#wire.catchUp();
    const error = this.#whyGone("close the writing of") ?? this.#whyBusy("close the writing of", this.#writer);
    if (error !== undefined) return Promise.reject(error);
    if (!this.#saidAll) this.#wire.end();
    this.#saidAll = true;
    return passed();
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#wire.catchUp();
      this.#leave();
      if (this.#broken === undefined) this.#wire.close();
    }
    return passed();
  }

  abort(reason?: unknown): void {
    if (this.#closed) return;
    this.#wire.catchUp();
    this.#abortReason = reason;
    this.#leave();
    if (this.#broken === undefined) this.#wire.reset(reason);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return chunksOf(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  statistics(): ByteStreamStatistics {
    this.#wire.catchUp();
    return {
      bytesRead: this.#bytesRead,
      bytesWritten: this.#bytesWritten,
      buffered: this.#inbox.size,
      reading: this.#reader.size > 0,
      writing: this.#writer.size > 0,
    };
  }

  // --- for the wire: what the other end has told

  receive(bytes: Uint8Array): void {
    if (this.#closed || this.#broken !== undefined) return;
    this.#inbox.push(bytes);
    const max = this.#reader.first;
    if (max !== undefined) this.#reader.wake(this.#take(max));
  }

  receiveEnd(): void {
    this.#heardAll = true;
    this.#reader.wake(undefined);
  }

  getRoom(count: number): void {
    this.#room += count;
    const outgoing = this.#writer.first;
    if (outgoing === undefined) return;
    this.#send(outgoing);
    if (outgoing.rest.length === 0) this.#writer.wake();
  }

  /** The other end reads no more, and has said all it had to say. */
  receiveClose(): void {
    this.#otherClosed = true;
    this.#writer.failAll(() => this.#whyNotWrite());
    this.receiveEnd();
  }

  /** The connection is gone, as `why` says. */
  breakUp(why: string, cause?: unknown): void {
    if (this.#closed || this.#broken !== undefined) return;
    this.#broken = { why, cause };
    this.#inbox.clear();
    this.#failWaiting();
  }

  // ---

  #take(max: number): Uint8Array {
    const bytes = this.#inbox.shift(max);
    this.#bytesRead += bytes.length;
    this.#wire.room(bytes.length);
    return bytes;
  }

  /** Sends what there is room for; in memory that may make more room at once. */
  #send(outgoing: Outgoing): void {
    while (outgoing.rest.length > 0 && this.#room > 0 && this.#broken === undefined) {
      const part = outgoing.rest.subarray(0, this.#room);
      outgoing.rest = outgoing.rest.subarray(part.length);
      this.#room -= part.length;
      this.#bytesWritten += part.length;
      this.#wire.data(part);
    }
  }

  #leave(): void {
    this.#closed = true;
    this.#inbox.clear();
    this.#failWaiting();
  }

  #failWaiting(): void {
    this.#reader.failAll(() => this.#whyGone("read from"));
    this.#writer.failAll(() => this.#whyGone("write to"));
  }

  #whyNotWrite(): Error | undefined {
    const gone = this.#whyGone("write to");
    if (gone !== undefined) return gone;
    if (this.#saidAll) return new ClosedError(`Cannot write to ${this.#name}: its writing side is closed`);
    if (this.#otherClosed) return new BrokenError(`Cannot write to ${this.#name}: the other end is closed`);
    return undefined;
  }

  #whyBusy(what: string, line: { readonly size: number }): Error | undefined {
    if (line.size === 0) return undefined;
    return new BusyError(
      `Cannot ${what} ${this.#name}: somebody else waits to ${line === this.#reader ? "read" : "write"}`,
    );
  }

  #whyGone(what: string): Error | undefined {
    if (this.#closed)
      return new ClosedError(`Cannot ${what} ${this.#name}: it is closed`, { cause: this.#abortReason });
    if (this.#broken === undefined) return undefined;
    const { why, cause } = this.#broken;
    return new BrokenError(`Cannot ${what} ${this.#name}: ${why}`, { cause });
  }

  #wrongMax(max: unknown): RangeError {
    return new RangeError(
      `Cannot read ${brief(max)} bytes from ${this.#name}: wanted a whole number from 1, or Infinity`,
    );
  }

  #wrongBytes(bytes: unknown): TypeError {
    return new TypeError(`Cannot write ${brief(bytes)} to ${this.#name}: wanted a Uint8Array`);
  }
}
