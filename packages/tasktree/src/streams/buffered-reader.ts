import { brief, BusyError, checkOptions, IncompleteReadError, LimitExceededError } from "../errors.ts";
import { ByteQueue } from "../internal/byte-queue.ts";
import { isCount } from "../internal/count.ts";
import { here, passed, quiet, refused } from "../lowlevel.ts";
import type { ByteSource, ByteSourceStatistics } from "./byte-stream.ts";
import { asStep, chunksOf } from "./chunk-steps.ts";
import { checkSource } from "./ends.ts";
import { carriageReturn, LineDecoder } from "./line-decoder.ts";

export interface BufferedReaderOptions {
  /** How many bytes a line, or what is read up to a delimiter, may have: a whole number from 1 (default 65,536), or Infinity. */
  readonly limit?: number;
  /** What lines are written in, as `TextDecoder` names it; default UTF-8. */
  readonly encoding?: string;
  /** Whether a line that is not valid in its encoding is an error; default: what is wrong becomes U+FFFD. */
  readonly fatal?: boolean;
  /** For reports and errors. */
  readonly name?: string;
}

export interface LimitOptions {
  /** How many bytes it may have at most: a whole number from 1, or Infinity. */
  readonly limit?: number;
}

const newline: Uint8Array = new Uint8Array([10]);
const defaultLimit = 65_536;
/** How many bytes are asked of the source at once. */
const atOnce = 65_536;

/** Not enough has come yet. */
const more: unique symbol = Symbol("more");

/** Takes what was asked for out of what has come; `ended` if nothing more will. What it throws leaves everything there. */
type Take<T> = (ended: boolean) => T | typeof more;

/**
 * Reads lines, messages of known length and what stands before a delimiter from any source of bytes. It reads ahead, so read
 * from the reader only, no longer from the source. It is a source itself, and closing it closes the source.
 *
 * An error takes nothing: what had come when a line was too long, the stream ended too early, or a call was cancelled, is what
 * the next call begins with. One at a time: while somebody waits, whoever else reads gets a `BusyError`.
 *
 * @example
 * ```ts
 * import { BufferedReader, memoryStreamPair } from "tasktree/streams";
 * import assert from "node:assert";
 * const [here, there] = memoryStreamPair();
 * await there.write(Buffer.from("length: 5\r\n\r\nhellobye"));
 * await there.close();
 * await using reader = new BufferedReader(here);
 * assert.equal(await reader.readLine(), "length: 5");
 * assert.equal(await reader.readLine(), "");
 * assert.equal(Buffer.from(await reader.readExactly(5)).toString(), "hello");
 * assert.equal(await reader.readLine(), "bye");
 * assert.equal(await reader.readLine(), undefined);
 * ```
 */
export class BufferedReader implements ByteSource {
  readonly #source: ByteSource;
  readonly #label: string;
  readonly #limit: number;
  readonly #queue = new ByteQueue();
  readonly #decoder: LineDecoder;
  /** The last one that was text: mostly it is the next one, too. */
  #delimiter = { text: "\n", bytes: newline };
  #bytesRead = 0;
  #busy = false;
  #ended = false;

  /** @throws {RangeError} If `limit` or `encoding` is not what it should be. */
  constructor(source: ByteSource, options: BufferedReaderOptions = {}) {
    checkOptions("make a buffered reader", options);
    const { limit = defaultLimit, encoding = "utf-8", fatal = false, name } = options;
    checkSource("make a buffered reader of", source);
    checkLimit(limit);
    this.#source = source;
    this.#label = name === undefined ? "the stream" : `stream '${name}'`;
    this.#limit = limit;
    this.#decoder = new LineDecoder(this.#queue, encoding, fatal);
  }

  get isClosed(): boolean {
    return this.#source.isClosed;
  }

  /**
   * As `read()` of any source: first what was read ahead, then what the source gives, which is not read ahead.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, what comes is there for the next one.
   */
  read(max: number = atOnce): Promise<Uint8Array | undefined> {
    return this.#perform(
      () => {
        if (!isCount(max, 1)) throw this.#wrongCount(max, "from 1, or Infinity");
        return (ended) => (this.#queue.size > 0 ? this.#shift(max) : ended ? undefined : more);
      },
      () => this.#source.read(max),
    );
  }

  /**
   * So many bytes.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, what has come is there for the next one.
   *
   * @param count A whole number from 0. There must be memory for as many: don't take it from a stranger without a look at it.
   * @throws {IncompleteReadError} If the stream ends before, also if it ends at once; `hasMore()` tells. What has come is still there.
   * @throws {RangeError} If `count` is not a whole number from 0.
   */
  readExactly(count: number): Promise<Uint8Array> {
    return this.#perform(() => {
      if (!isCount(count, 0) || count === Infinity) throw this.#wrongCount(count, "from 0");
      return (ended) => {
        if (this.#queue.size >= count) return this.#shift(count);
        if (!ended) return more;
        throw this.#incomplete(`${count} bytes`, count);
      };
    });
  }

  /**
   * What stands before the next delimiter, which is taken too and not given; `undefined` if nothing more comes.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, what has come is there for the next one.
   *
   * @param delimiter One byte at least; a string stands for its bytes in UTF-8.
   * @param options.limit How many bytes may stand before it; default: the reader's limit.
   * @throws {IncompleteReadError} If the stream ends after some bytes and without a delimiter. What has come is still there.
   * @throws {LimitExceededError} If more bytes than `limit` have come without one. They are still there.
   * @throws {TypeError} If `delimiter` is neither a string nor a `Uint8Array`.
   * @throws {RangeError} If `delimiter` is empty, or `limit` is not a whole number from 1, or Infinity.
   */
  readUntil(delimiter: string | Uint8Array, options: LimitOptions = {}): Promise<Uint8Array | undefined> {
    return this.#perform(() => {
      const limit = limitIn("read up to a delimiter", options, this.#limit);
      return this.#takeUntil(delimiter, this.#bytesOf(delimiter), limit);
    });
  }

  /**
   * The next line, without its end: `\n` or `\r\n`. The last one needs none, a lone `\r` is part of the line. `undefined` if nothing more comes. A byte order mark
   * at the beginning of it all is left out.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, what has come is there for the next one.
   *
   * @throws {LimitExceededError} If it has more bytes than the reader's limit, its end not counted. They are still there.
   * @throws {TypeError} If the line is not valid in its encoding, and the reader was made `fatal`. It is still there.
   */
  readLine(): Promise<string | undefined> {
    return this.#perform(() => this.#takeLine());
  }

  /**
   * Line after line, as `readLine()`, until the end. Leaving the loop early does not close the stream, and between two lines
   * anything may be read.
   *
   * Cancellation: Each step is a checkpoint, nothing lost, as `readLine()`.
   */
  lines(): AsyncIterableIterator<string, undefined> {
    const iterator: AsyncIterableIterator<string, undefined> = {
      next: () => this.#perform(() => this.#takeLineStep()),
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /**
   * Everything up to the end, an empty array if nothing comes.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, what has come is there for the next one.
   *
   * @param options.limit How many bytes it may be; default: Infinity.
   * @throws {LimitExceededError} If it is more than `limit`. What has come is still there.
   * @throws {RangeError} If `limit` is not a whole number from 1, or Infinity.
   */
  readAll(options: LimitOptions = {}): Promise<Uint8Array> {
    return this.#perform(() => {
      const limit = limitIn("read everything", options, Infinity);
      return (ended) => {
        if (this.#queue.size > limit) throw this.#tooLong("everything", limit);
        return ended ? this.#shift(this.#queue.size) : more;
      };
    });
  }

  /**
   * Whether there is another byte to read; waits until one has come, or the end.
   *
   * Cancellation: Checkpoint, nothing lost.
   */
  hasMore(): Promise<boolean> {
    return this.#perform(() => (ended) => (this.#queue.size > 0 ? true : ended ? false : more));
  }

  /** Closes the source, too; what was read ahead is dropped. */
  close(): Promise<void> {
    this.#queue.clear();
    return this.#source.close();
  }

  /** Tears the source, too; what was read ahead is dropped. */
  abort(reason?: unknown): void {
    this.#queue.clear();
    this.#source.abort(reason);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return chunksOf(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  statistics(): ByteSourceStatistics {
    const buffered = this.#queue.size + this.#source.statistics().buffered;
    return { bytesRead: this.#bytesRead, buffered, reading: this.#busy };
  }

  // ---

  /** Lets what `prepare` gives try what has come, and again each time that `fetch` has got some more. */
  #perform<T>(prepare: () => Take<T>, fetch?: () => Promise<Uint8Array | undefined>): Promise<T> {
    try {
      const take = prepare();
      const node = here();
      const refusal = refused(node);
      if (refusal !== undefined) return refusal;
      if (this.#busy) throw new BusyError(`Cannot read from ${this.#label}: somebody else waits to read`);
      // a source that is closed says so itself
      if (this.#source.isClosed) return this.#source.read() as Promise<never>;
      const taken = take(this.#ended);
      return taken === more ? quiet(() => this.#performLater(take, fetch)) : passed<T>(taken, node);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #performLater<T>(take: Take<T>, fetch = () => this.#source.read(atOnce)): Promise<T> {
    this.#busy = true;
    try {
      for (;;) {
        const chunk = await fetch();
        if (chunk === undefined) this.#ended = true;
        else this.#queue.adopt(chunk);
        const taken = take(this.#ended);
        if (taken !== more) return taken;
      }
    } finally {
      this.#busy = false;
      if (this.#source.isClosed) this.#queue.clear();
    }
  }

  #takeLine(): Take<string | undefined> {
    let searched = 0;
    return (ended) => {
      const { size } = this.#queue;
      const end = this.#queue.indexOf(newline, searched);
      if (this.#isTooLong(end === -1 ? size : end, end !== -1 || !ended)) throw this.#tooLong("a line", this.#limit);
      if (end !== -1) return this.#decode(end, end + 1);
      searched = size;
      if (!ended) return more;
      return size === 0 ? undefined : this.#decode(size, size);
    };
  }

  /** A `\r` is not counted where a `\n` stands behind it, or may come. */
  #isTooLong(length: number, mayEndHere: boolean): boolean {
    if (length <= this.#limit) return false;
    const last = mayEndHere && length === this.#limit + 1 ? this.#queue.view(length - 1, length)[0] : undefined;
    return last !== carriageReturn;
  }

  #takeLineStep(): Take<IteratorResult<string, undefined>> {
    const take = this.#takeLine();
    return (ended) => {
      const line = take(ended);
      return line === more ? more : asStep(line);
    };
  }

  #takeUntil(shown: unknown, delimiter: Uint8Array, limit: number): Take<Uint8Array | undefined> {
    let searched = 0;
    return (ended) => {
      const { size } = this.#queue;
      const end = this.#queue.indexOf(delimiter, searched);
      searched = Math.max(0, size - delimiter.length + 1);
      if (end > limit || (end === -1 && searched > limit)) throw this.#tooLong(`up to ${brief(shown)}`, limit);
      if (end !== -1) return this.#shift(end, delimiter.length);
      if (!ended) return more;
      if (size === 0) return undefined;
      throw this.#incomplete(`up to ${brief(shown)}`, undefined);
    };
  }

  #bytesOf(delimiter: string | Uint8Array): Uint8Array {
    if (delimiter === this.#delimiter.text) return this.#delimiter.bytes;
    const bytes = typeof delimiter === "string" ? new TextEncoder().encode(delimiter) : delimiter;
    if (!(bytes instanceof Uint8Array))
      throw new TypeError(`Cannot read up to ${brief(delimiter)}: wanted a string or a Uint8Array`);
    if (bytes.length === 0) throw new RangeError("Cannot read up to an empty delimiter: wanted at least one byte");
    if (typeof delimiter === "string") this.#delimiter = { text: delimiter, bytes };
    return bytes;
  }

  #decode(length: number, taken: number): string {
    const line = this.#decoder.decode(length, this.#bytesRead, taken > length);
    this.#queue.drop(taken);
    this.#bytesRead += taken;
    return line;
  }

  #shift(most: number, dropped = 0): Uint8Array {
    const bytes = this.#queue.shift(most);
    this.#queue.drop(dropped);
    this.#bytesRead += bytes.length + dropped;
    return bytes;
  }

  #incomplete(what: string, expected: number | undefined): IncompleteReadError {
    const partial = this.#queue.view(0, this.#queue.size).slice();
    return new IncompleteReadError(`Cannot read ${what} from ${this.#label}: it ended after ${partial.length} bytes`, {
      partial,
      expected,
    });
  }

  #tooLong(what: string, limit: number): LimitExceededError {
    return new LimitExceededError(`Cannot read ${what} from ${this.#label}: more than ${limit} bytes`, { limit });
  }

  #wrongCount(count: unknown, wanted: string): RangeError {
    return new RangeError(`Cannot read ${brief(count)} bytes from ${this.#label}: wanted a whole number ${wanted}`);
  }
}

function limitIn(what: string, options: LimitOptions, otherwise: number): number {
  checkOptions(what, options);
  const { limit = otherwise } = options;
  checkLimit(limit);
  return limit;
}

function checkLimit(limit: unknown): void {
  if (isCount(limit, 1)) return;
  throw new RangeError(`Cannot read with a limit of ${brief(limit)} bytes: wanted a whole number from 1, or Infinity`);
}
