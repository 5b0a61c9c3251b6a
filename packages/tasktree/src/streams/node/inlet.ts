import type { Readable } from "node:stream";
import { brief } from "../../errors.ts";
import { ByteQueue } from "../../internal/byte-queue.ts";
import { isCount } from "../../internal/count.ts";
import { here, passed, refused, WaitList } from "../../lowlevel.ts";
import type { ByteSourceStatistics } from "../byte-stream.ts";
import type { NodeEnd, NodeHalf } from "./end.ts";

const defaultMax = 65_536;

/** With more than this unread, the stream is told to pause. Node holds about as much again, and so does the system. */
const enough = 65_536;

/** The direction of a Node stream in which it is read. */
export class NodeInlet implements NodeHalf {
  readonly #readable: Readable;
  readonly #end: NodeEnd;
  readonly #inbox = new ByteQueue();
  readonly #reader: WaitList<Uint8Array | undefined, number>;
  #bytesRead = 0;
  #heardAll = false;
  #paused = false;

  constructor(readable: Readable, end: NodeEnd) {
    this.#readable = readable;
    this.#end = end;
    this.#reader = new WaitList({ describe: () => `bytes from ${end.name}` });
    end.add(this);
    if (readable.readableEnded) this.#heardAll = true;
    readable.on("data", (chunk: unknown) => this.#take(chunk));
    readable.on("end", () => this.#hearEnd());
    readable.resume();
  }

  get over(): boolean {
    return this.#heardAll;
  }

  read(max: number = defaultMax): Promise<Uint8Array | undefined> {
    if (!isCount(max, 1)) return Promise.reject(this.#wrongMax(max));
    const node = here();
    const refusal = refused(node);
    if (refusal !== undefined) return refusal;
    if (this.#end.isGone) {
      const error = this.#whyNotRead();
      if (error !== undefined) return Promise.reject(error);
    }
    if (this.#reader.size > 0) return Promise.reject(this.#end.whyBusy("read from", "read"));
    if (this.#inbox.size > 0) return passed(this.#shift(max), node);
    return this.#heardAll ? passed(undefined, node) : this.#reader.wait(max);
  }

  statistics(): ByteSourceStatistics {
    return { bytesRead: this.#bytesRead, buffered: this.#inbox.size, reading: this.#reader.size > 0 };
  }

  fail(): void {
    this.#inbox.clear();
    if (this.#reader.size > 0) this.#reader.failAll(this.#whyNotRead());
  }

  /** What comes from now on is for nobody. */
  discard(): void {
    this.#readable.resume();
  }

  #whyNotRead(): Error | undefined {
    // After its end nothing can be missing: what breaks then is the other direction.
    return this.#heardAll && !this.#end.isClosed ? undefined : this.#end.whyGone("read from");
  }

  #take(chunk: unknown): void {
    if (this.#end.isGone) return;
    if (!(chunk instanceof Uint8Array)) {
      this.#readable.destroy(new TypeError(`Cannot read ${brief(chunk)} from ${this.#end.name}: wanted bytes`));
      return;
    }
    if (chunk.length === 0) return;
    const max = this.#reader.first;
    if (max === undefined || chunk.length > max) {
      this.#inbox.adopt(chunk);
      if (max !== undefined) this.#reader.wake(this.#shift(max));
      else if (this.#inbox.size >= enough) this.#pause();
      return;
    }
    this.#bytesRead += chunk.length;
    this.#reader.wake(new Uint8Array(chunk.buffer as ArrayBuffer, chunk.byteOffset, chunk.length));
  }

  #shift(max: number): Uint8Array {
    const bytes = this.#inbox.shift(max);
    this.#bytesRead += bytes.length;
    if (this.#paused && this.#inbox.size < enough) {
      this.#paused = false;
      this.#readable.resume();
    }
    return bytes;
  }

  #pause(): void {
    this.#paused = true;
    this.#readable.pause();
  }

  #hearEnd(): void {
    this.#heardAll = true;
    this.#reader.wake(undefined);
  }

  #wrongMax(max: unknown): RangeError {
    return new RangeError(
      `Cannot read ${brief(max)} bytes from ${this.#end.name}: wanted a whole number from 1, or Infinity`,
    );
  }
}
