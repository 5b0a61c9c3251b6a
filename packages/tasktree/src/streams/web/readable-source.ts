/**
 * A platform's `ReadableStream` as a source. A read of the platform cannot be taken back: one that is under way when its reader is
 * cancelled stays, and what it brings is for the next one.
 */
import { brief, BrokenError, BusyError, ClosedError } from "../../errors.ts";
import { ByteQueue } from "../../internal/byte-queue.ts";
import { isCount } from "../../internal/count.ts";
import { bound, here, passed, refused, WaitList } from "../../lowlevel.ts";
import type { ByteSource, ByteSourceStatistics } from "../byte-stream.ts";
import { chunksOf } from "../chunk-steps.ts";
import { givenUp, ignore, waitForPlatform } from "./platform-wait.ts";

const defaultMax = 65_536;

export class ReadableSource implements ByteSource {
  readonly #label: string;
  readonly #platform: ReadableStreamDefaultReader<Uint8Array>;
  readonly #inbox = new ByteQueue();
  readonly #reader: WaitList<Uint8Array | undefined, number>;
  /** These call the platform in the context in which this was made: it may go on when who reads is long gone. */
  readonly #ask: () => void;
  readonly #cancel: (reason: unknown) => Promise<void>;
  #asking = false;
  #bytesRead = 0;
  #ended = false;
  #closed = false;
  #abortReason: unknown = undefined;
  #broken: { readonly why: string; readonly cause: unknown } | undefined = undefined;

  /** @throws {TypeError} If somebody has locked the stream. */
  constructor(readable: ReadableStream<Uint8Array>, label: string) {
    this.#label = label;
    this.#platform = readable.getReader();
    this.#reader = new WaitList({ describe: () => `bytes from ${label}` });
    this.#ask = bound(() => void this.#platform.read().then(this.#arrived, this.#failed));
    this.#cancel = bound((reason) => this.#platform.cancel(reason));
    this.#platform.closed.catch(this.#failed);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  read(max: number = defaultMax): Promise<Uint8Array | undefined> {
    if (!isCount(max, 1)) return Promise.reject(this.#wrongMax(max));
    const node = here();
    const refusal = refused(node);
    if (refusal !== undefined) return refusal;
    const error = this.#whyNot();
    if (error !== undefined) return Promise.reject(error);
    if (this.#inbox.size > 0) return passed(this.#take(max), node);
    if (this.#ended) return passed(undefined, node);
    const waiting = this.#reader.wait(max);
    this.#askOnce();
    return waiting;
  }

  close(): Promise<void> {
    const cancelling = this.#leave(undefined, givenUp);
    if (cancelling === undefined) return passed();
    return waitForPlatform(
      cancelling,
      `the end of ${this.#label}`,
      (cause) => new BrokenError(`Cannot close ${this.#label}: cancelling it has failed`, { cause }),
      { exempt: true },
    );
  }

  abort(reason?: unknown): void {
    this.#leave(reason)?.catch(ignore);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return chunksOf(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  statistics(): ByteSourceStatistics {
    return { bytesRead: this.#bytesRead, buffered: this.#inbox.size, reading: this.#reader.size > 0 };
  }

  // ---

  #askOnce(): void {
    if (this.#asking) return;
    this.#asking = true;
    this.#ask();
  }

  readonly #arrived = ({ done, value }: ReadableStreamReadResult<Uint8Array>): void => {
    this.#asking = false;
    if (this.#closed || this.#broken !== undefined) return;
    if (done) {
      this.#ended = true;
      this.#reader.wake(undefined);
    } else if (value instanceof Uint8Array) {
      this.#receive(value);
    } else {
      this.#breakUp(`it has given ${brief(value)}, wanted a Uint8Array`, undefined);
      this.#cancel(this.#whyNot()).catch(ignore);
    }
  };

  /** The platform's array may be another's too, as after `tee()`: what is given is a copy. */
  #receive(chunk: Uint8Array): void {
    this.#inbox.push(chunk);
    const max = this.#reader.first;
    if (max === undefined) return;
    if (this.#inbox.size > 0) this.#reader.wake(this.#take(max));
    else this.#askOnce();
  }

  readonly #failed = (error: unknown): void => {
    this.#asking = false;
    this.#breakUp("it has failed", error);
  };

  #breakUp(why: string, cause: unknown): void {
    if (this.#closed || this.#broken !== undefined) return;
    this.#broken = { why, cause };
    this.#inbox.clear();
    this.#reader.failAll(this.#whyNot());
  }

  /** Nobody reads any more; what the platform answers to that, unless it has ended already. */
  #leave(reason: unknown, told = reason): Promise<void> | undefined {
    if (this.#closed) return undefined;
    this.#closed = true;
    this.#abortReason = reason;
    this.#inbox.clear();
    this.#reader.failAll(this.#whyNot());
    return this.#ended || this.#broken !== undefined ? undefined : this.#cancel(told);
  }

  #take(max: number): Uint8Array {
    const bytes = this.#inbox.shift(max);
    this.#bytesRead += bytes.length;
    return bytes;
  }

  #whyNot(): Error | undefined {
    if (this.#closed)
      return new ClosedError(`Cannot read from ${this.#label}: it is closed`, { cause: this.#abortReason });
    if (this.#broken !== undefined)
      return new BrokenError(`Cannot read from ${this.#label}: ${this.#broken.why}`, { cause: this.#broken.cause });
    if (this.#reader.size > 0) return new BusyError(`Cannot read from ${this.#label}: somebody else waits to read`);
    return undefined;
  }

  #wrongMax(max: unknown): RangeError {
    return new RangeError(
      `Cannot read ${brief(max)} bytes from ${this.#label}: wanted a whole number from 1, or Infinity`,
    );
  }
}
