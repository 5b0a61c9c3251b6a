import type { Stats } from "node:fs";
import fs, { type FileHandle } from "node:fs/promises";
import { brief, BusyError, checkOptions, ClosedError } from "../errors.ts";
import { isCount } from "../internal/count.ts";
import { passed, quiet, refused } from "../lowlevel.ts";
import { BufferedReader } from "../streams/buffered-reader.ts";
import type { ByteStream, ByteStreamStatistics } from "../streams/byte-stream.ts";
import { chunksOf } from "../streams/chunk-steps.ts";
import { begun, eachStep, InFlight, left, raise, seenThrough } from "./calls.ts";
import { checkPlace, FileWriter } from "./file-writer.ts";
import { checkPath, shown, type FilePath } from "./paths.ts";

export interface OpenFileOptions {
  /** The rights of a file that is made, less what the process's umask takes; default `0o666`. */
  readonly mode?: number;
}

export interface LinesOptions {
  /** How many bytes a line may have: a whole number from 1 (default 65,536), or Infinity. */
  readonly limit?: number;
  /** What lines are written in, as `TextDecoder` names it; default UTF-8. */
  readonly encoding?: string;
  /** Whether a line that is not valid in its encoding is an error; default: what is wrong becomes U+FFFD. */
  readonly fatal?: boolean;
}

const atOnce = 65_536;
/** So much is read by one call at most. */
const pieceSize = 512 * 1024;

/**
 * Opens a file, which is the caller's to close; `await using` does.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled, it returns at once, also while a FIFO keeps it waiting. A file that
 * is open later is closed then; flags that make a file, or empty it, may have done so.
 *
 * @param flags As `node:fs` has them: "r" (default), "r+", "w", "wx", "a", …
 * @example
 * ```ts
 * import { openFile, tempDirectory } from "tasktree/fs";
 * import assert from "node:assert";
 * await using folder = await tempDirectory();
 * await using file = await openFile(`${folder.path}/notes`, "wx+");
 * await file.write(Buffer.from("one\ntwo\n"));
 * const lines: string[] = [];
 * for await (const line of file.lines()) lines.push(line);
 * assert.deepEqual(lines, ["one", "two"]);
 * ```
 */
export function openFile(
  path: FilePath,
  flags: string | number = "r",
  options: OpenFileOptions = {},
): Promise<OpenFile> {
  return quiet(async () => {
    checkPath("open", path);
    checkOptions(`open ${shown(path)}`, options);
    return await left(`file ${shown(path)} to be opened`, () => opened(path, flags, options.mode), abandon);
  });
}

/** @internal */
export async function opened(
  path: FilePath,
  flags: string | number,
  mode: number | undefined,
  removal?: () => Promise<void>,
): Promise<OpenFile> {
  const handle = await fs.open(path, flags, mode);
  try {
    return new OpenFile(shown(path), path, handle, await handle.stat(), isAppending(flags), removal);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function abandon(file: OpenFile): void {
  file.abort();
}

function isAppending(flags: string | number): boolean {
  return typeof flags === "string" ? flags.includes("a") : (flags & fs.constants.O_APPEND) !== 0;
}

/**
 * An open file, as a stream of bytes: `read` goes from its beginning to its end, and `write`, on a way of its own, too; of a file opened to
 * append, at the end. `readAt` and `writeAt` leave both ways as they are. `handle` is Node's, for everything else.
 *
 * Nothing can interrupt what a thread does with a file. So a call that is cancelled leaves that alone, and the next one begins where it ends.
 */
export class OpenFile implements ByteStream {
  /** As it was opened. */
  readonly path: FilePath;
  /** Node's own. Don't close it. */
  readonly handle: FileHandle;
  readonly #name: string;
  readonly #writer: FileWriter;
  readonly #removal: (() => Promise<void>) | undefined;
  /** Where to go on; undefined where only the system knows: pipes and terminals have no places, what is appended to has one. */
  #readAt: number | undefined;
  #reading: InFlight<Uint8Array> | undefined = undefined;
  #busyReading = false;
  #unread: Uint8Array = nothing;
  #bytesRead = 0;
  #closing: InFlight<void> | undefined = undefined;
  #abortReason: unknown = undefined;

  /** @internal */
  constructor(
    name: string,
    path: FilePath,
    handle: FileHandle,
    stats: Stats,
    appends: boolean,
    removal: (() => Promise<void>) | undefined,
  ) {
    const hasPlaces = stats.isFile() || stats.isBlockDevice();
    this.#name = `file ${name}`;
    this.path = path;
    this.handle = handle;
    this.#readAt = hasPlaces ? 0 : undefined;
    this.#removal = removal;
    const place = hasPlaces && !appends ? 0 : undefined;
    this.#writer = new FileWriter(handle, this.#name, { place, appends, whyClosed: (what) => this.#whyClosed(what) });
  }

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  get bytesWritten(): number {
    return this.#writer.bytesWritten;
  }

  /**
   * The next bytes, at least one, in an array that is the caller's; `undefined` at the end. A later call asks again: a file can grow.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, it returns at once, and what is read is there for the next one.
   *
   * @param max At most so many bytes: a whole number from 1; default 65,536.
   * @throws {ClosedError} If the file was closed before or during the call.
   * @throws {BusyError} If somebody else waits to read.
   * @throws {RangeError} If `max` is not a whole number from 1, or Infinity.
   */
  read(max: number = atOnce): Promise<Uint8Array | undefined> {
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    const error = this.#wrongMax(max) ?? this.#whyClosed("read from") ?? this.#whyBusy();
    if (error !== undefined) return Promise.reject(error);
    return this.#unread.length > 0 ? passed(this.#take(max)) : quiet(() => this.#readOn(max));
  }

  /**
   * Bytes from a place on, at least one, or `undefined` if the file ends there. Any number may do so at once.
   *
   * Cancellation: Checkpoint, nothing lost.
   *
   * @param place How many bytes stand before it: a whole number from 0.
   * @param max At most so many bytes: a whole number from 1; default 65,536.
   * @throws {ClosedError} If the file was closed before the call.
   * @throws {RangeError} If `place` or `max` is not what it should be.
   */
  readAt(place: number, max: number = atOnce): Promise<Uint8Array | undefined> {
    return quiet(async () => {
      const error = this.#wrongMax(max);
      if (error !== undefined) throw error;
      checkPlace("read from", this.#name, place);
      const call = await this.#begin(() => readPiece(this.handle, max, place));
      const bytes = await call.wait();
      return bytes.length === 0 ? undefined : bytes;
    });
  }

  /**
   * Writes all of `bytes` behind what was written before. It has resolved when the system has them; after a power cut they are there if
   * `sync()` has resolved too.
   *
   * Cancellation: Checkpoint, effects possible: cut on entry, it has written nothing. If it is cancelled later, it returns at once, and
   * some of the bytes, from the first on, were taken over: `bytesWritten` tells how many. They are being written, the next
   * call comes right behind them, and throws what they fail with.
   *
   * @throws {ClosedError} If the file, or its writing, was closed before or during the call.
   * @throws {BusyError} If somebody else writes, or syncs.
   * @throws {TypeError} If `bytes` are not a `Uint8Array`.
   */
  write(bytes: Uint8Array): Promise<void> {
    return this.#writer.write(bytes);
  }

  /**
   * Writes all of `bytes` at a place, over what is there. Not to a file opened to append: the system would put them at its end.
   *
   * Cancellation: Checkpoint, effects possible, as `write()`; `bytesWritten` does not tell.
   *
   * @param place How many bytes stand before it: a whole number from 0.
   * @throws As `write()`, and {RangeError} if `place` is not what it should be.
   * @throws {InvalidStateError} If the file was opened to append.
   */
  writeAt(place: number, bytes: Uint8Array): Promise<void> {
    return this.#writer.writeAt(place, bytes);
  }

  /**
   * Waits until the system has brought to the disk what was written.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, it returns at once; what it fails with later, the next call throws.
   *
   * @throws {ClosedError} If the file was closed before or during the call.
   * @throws {BusyError} If somebody else writes, or syncs.
   */
  sync(): Promise<void> {
    return this.#writer.sync();
  }

  /**
   * Line after line of what `read` would give, without their ends: `\n` or `\r\n`. It reads ahead, so use nothing else to read after it. Leaving the loop early
   * does not close the file.
   *
   * Cancellation: Each step is a checkpoint, nothing lost.
   *
   * @throws {LimitExceededError} If a line has more bytes than `limit`.
   */
  lines(options: LinesOptions = {}): AsyncIterableIterator<string, undefined> {
    checkOptions(`read lines of ${this.#name}`, options);
    return new BufferedReader(this, { ...options, name: this.#name }).lines();
  }

  /**
   * Says that nothing more will be written, and waits for what is being written.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled on entry, writing goes on.
   *
   * @throws {ClosedError} If the file is closed.
   * @throws {BusyError} If somebody writes, or syncs.
   */
  closeWriting(): Promise<void> {
    return this.#writer.end();
  }

  /**
   * Closes it, when what is being written is through; what is being read from a pipe or a terminal it leaves alone. Whoever waits for that gets a `ClosedError`. Once is enough. What a write failed with
   * after it was cancelled is thrown here, if nobody has heard of it.
   *
   * Cancellation: Not a checkpoint: it always begins. If the scope is cancelled, it waits for a thread that does not come back five seconds more.
   */
  close(): Promise<void> {
    const closing = this.#closing ?? this.#leave(undefined, true);
    return this.#hangs ? this.#leftAlone(closing) : quiet(() => seenThrough(closing));
  }

  /** Closes it without waiting; nobody hears of a write that failed. After `close()` it does nothing. Not a checkpoint. */
  abort(reason?: unknown): void {
    if (this.isClosed) return;
    void this.#leftAlone(this.#leave(reason, false));
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return chunksOf(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  statistics(): ByteStreamStatistics {
    return {
      bytesRead: this.#bytesRead,
      bytesWritten: this.bytesWritten,
      buffered: this.#unread.length,
      reading: this.#busyReading,
      writing: this.#writer.busy,
    };
  }

  async #readOn(max: number): Promise<Uint8Array | undefined> {
    this.#busyReading = true;
    try {
      if (this.#reading === undefined || this.#reading.told)
        this.#reading = await this.#begin(() => this.#readPiece(max));
      this.#unread = await this.#reading.wait();
      return this.#unread.length === 0 ? undefined : this.#take(max);
    } finally {
      this.#busyReading = false;
    }
  }

  async #readPiece(max: number): Promise<Uint8Array> {
    const bytes = await readPiece(this.handle, max, this.#readAt);
    if (this.#readAt !== undefined) this.#readAt += bytes.length;
    return bytes;
  }

  #take(max: number): Uint8Array {
    const bytes = this.#unread.subarray(0, max);
    this.#unread = this.#unread.subarray(bytes.length);
    this.#bytesRead += bytes.length;
    return bytes;
  }

  #begin(start: () => Promise<Uint8Array>): Promise<InFlight<Uint8Array>> {
    return begun(`bytes of ${this.#name}`, () => this.#whyClosed("read from"), start);
  }

  #leave(reason: unknown, tell: boolean): InFlight<void> {
    const last = async (): Promise<void> => {
      if (tell) await this.#writer.unheard();
    };
    this.#abortReason = reason;
    this.#unread = nothing;
    const closing = new InFlight(
      `${this.#name} to be closed`,
      eachStep(last, () => this.handle.close(), this.#removal ?? (() => Promise.resolve())),
    );
    this.#closing = closing;
    this.#reading?.turnAway(this.#whyClosed("read from"));
    this.#writer.turnAway(this.#whyClosed("write to"));
    return closing;
  }

  /** Whether a thread reads that may never come back, and whom nobody needs. */
  get #hangs(): boolean {
    return this.#readAt === undefined && this.#reading?.isOver === false;
  }

  #leftAlone(closing: InFlight<void>): Promise<void> {
    closing.afterwards((outcome) => outcome.ok || raise(outcome.error));
    return passed();
  }

  #whyClosed(what: string): Error | undefined {
    if (!this.isClosed) return undefined;
    return new ClosedError(`Cannot ${what} ${this.#name}: it is closed`, { cause: this.#abortReason });
  }

  #whyBusy(): Error | undefined {
    if (!this.#busyReading) return undefined;
    return new BusyError(`Cannot read from ${this.#name}: somebody else reads`);
  }

  #wrongMax(max: unknown): Error | undefined {
    if (isCount(max, 1)) return undefined;
    return new RangeError(
      `Cannot read ${brief(max)} bytes from ${this.#name}: wanted a whole number from 1, or Infinity`,
    );
  }
}

const nothing = new Uint8Array(0);

async function readPiece(handle: FileHandle, max: number, place: number | undefined): Promise<Uint8Array> {
  const size = Math.min(max, pieceSize);
  const { buffer, bytesRead } = await handle.read(new Uint8Array(size), 0, size, place ?? null);
  return buffer.subarray(0, bytesRead);
}
