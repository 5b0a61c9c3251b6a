import type { FileHandle } from "node:fs/promises";
import { brief, BusyError, ClosedError, InvalidStateError } from "../errors.ts";
import { isCount } from "../internal/count.ts";
import { quiet, refused } from "../lowlevel.ts";
import { begun, type InFlight } from "./calls.ts";

/** So much is written by one call, between two chances to be cancelled. */
const pieceSize = 512 * 1024;

export interface WriterOptions {
  /** Where to begin; undefined where only the system knows. */
  readonly place: number | undefined;
  /** Whether the system puts all at the end, wherever it is told to. */
  readonly appends: boolean;
  /** Why nothing can be done any more, if the file is closed. */
  readonly whyClosed: (what: string) => Error | undefined;
}

/**
 * What writes to an open file, and syncs it: one call at a time. Who is cancelled leaves what a thread has taken over; the next call comes behind
 * that, and throws what it fails with.
 */
export class FileWriter {
  readonly #handle: FileHandle;
  readonly #name: string;
  readonly #appends: boolean;
  readonly #whyClosed: (what: string) => Error | undefined;
  #place: number | undefined;
  #call: InFlight<void> | undefined = undefined;
  #busy = false;
  #saidAll = false;
  #bytesWritten = 0;

  constructor(handle: FileHandle, name: string, { place, appends, whyClosed }: WriterOptions) {
    this.#handle = handle;
    this.#name = name;
    this.#place = place;
    this.#appends = appends;
    this.#whyClosed = whyClosed;
  }

  get busy(): boolean {
    return this.#busy;
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#mutate("write to", async () => {
      this.#checkWritable(bytes);
      await this.#writePieces(bytes, (piece) => this.#writeOn(piece));
    });
  }

  writeAt(place: number, bytes: Uint8Array): Promise<void> {
    return this.#mutate("write to", async () => {
      this.#checkWritable(bytes);
      checkPlace("write to", this.#name, place);
      if (this.#appends)
        throw new InvalidStateError(`Cannot write to ${this.#name} at ${place}: it was opened to append`);
      await this.#writePieces(bytes, (piece, at) => writeAll(this.#handle, piece, place + at));
    });
  }

  sync(): Promise<void> {
    return this.#mutate("sync", () => this.#change(`${this.#name} to be synced`, "sync", () => this.#handle.sync()));
  }

  /** Says that nothing more will be written. */
  end(): Promise<void> {
    return this.#mutate("close the writing of", async () => {
      this.#saidAll = true;
    });
  }

  /** Rejects with what a call fails with of which nobody has heard, when it is over. */
  async unheard(): Promise<void> {
    if (this.#call?.told === false) await this.#call.promise;
  }

  /** Whoever waits goes on with an error. */
  turnAway(error: unknown): void {
    this.#call?.turnAway(error);
  }

  #mutate(what: string, change: () => Promise<void>): Promise<void> {
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    const error = this.#whyClosed(what) ?? this.#whyBusy(what);
    if (error !== undefined) return Promise.reject(error);
    return quiet(async () => {
      this.#busy = true;
      try {
        await this.#lastIsOver();
        await change();
      } finally {
        this.#busy = false;
      }
    });
  }

  async #lastIsOver(): Promise<void> {
    if (this.#call?.told === false) await this.#call.wait();
  }

  async #change(what: string, doing: string, start: () => Promise<void>): Promise<void> {
    this.#call = await begun(what, () => this.#whyClosed(doing), start);
    await this.#call.wait();
  }

  /** Writes `bytes` piece by piece, each by `start`. */
  async #writePieces(bytes: Uint8Array, start: (piece: Uint8Array, at: number) => Promise<void>): Promise<void> {
    for (let at = 0; at < bytes.length; at += pieceSize) {
      // a copy, which a Buffer's slice() would not be: a thread goes on with what was cut, while the bytes are the caller's again
      const piece = new Uint8Array(bytes.subarray(at, at + pieceSize));
      await this.#change(`${this.#name} to be written`, "write to", () => start(piece, at));
    }
  }

  async #writeOn(piece: Uint8Array): Promise<void> {
    this.#bytesWritten += piece.length;
    let rest = piece;
    try {
      await writeAll(this.#handle, piece, this.#place, (written) => {
        if (this.#place !== undefined) this.#place += written;
        rest = rest.subarray(written);
      });
    } finally {
      this.#bytesWritten -= rest.length;
    }
  }

  #whyBusy(what: string): Error | undefined {
    if (!this.#busy) return undefined;
    return new BusyError(`Cannot ${what} ${this.#name}: somebody else writes or syncs`);
  }

  #checkWritable(bytes: unknown): void {
    if (this.#saidAll) throw new ClosedError(`Cannot write to ${this.#name}: its writing side is closed`);
    if (!(bytes instanceof Uint8Array))
      throw new TypeError(`Cannot write ${brief(bytes)} to ${this.#name}: wanted a Uint8Array`);
  }
}

/** @throws {RangeError} If `place` is not what may stand before it in a file. */
export function checkPlace(what: string, name: string, place: unknown): void {
  if (isCount(place, 0) && place !== Infinity) return;
  throw new RangeError(`Cannot ${what} ${name} at ${brief(place)}: wanted a whole number from 0`);
}

export async function writeAll(
  handle: FileHandle,
  bytes: Uint8Array,
  place: number | undefined,
  wrote: (count: number) => void = () => {},
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const to = place === undefined ? null : place + at;
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, to);
    at += bytesWritten;
    wrote(bytesWritten);
  }
}
