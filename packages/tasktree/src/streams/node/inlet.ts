import type { Readable } from "node:stream";
import { brief } from "../../errors.ts";
import { ByteQueue } from "../../internal/byte-queue.ts";
import { isCount } from "../../internal/count.ts";
import { here, passed, refused, WaitList } from "../../lowlevel.ts";
import type { ByteSourceStatistics } from "../byte-stream.ts";
import { asStep } from "../chunk-steps.ts";
import type { NodeEnd, NodeHalf } from "./end.ts";

const defaultMax = 65_536;

/** With more than this unread, the stream is told to pause. Node holds about as much again, and so does the system. */
const enough = 65_536;

/** What a reader wants: at most so many bytes, and in which form they, or the end, are given. */
interface Wanted<R> {
  readonly max: number;
  readonly as: (bytes: Uint8Array | undefined) => R;
}

const aStep: Wanted<IteratorResult<Uint8Array, undefined>> = { max: defaultMax, as: asStep };

function asIs(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes;
}

/** The direction of a Node stream in which it is read. */
export class NodeInlet implements NodeHalf {
  readonly #readable: Readable;
  readonly #end: NodeEnd;
  readonly #owned: boolean;
  readonly #inbox = new ByteQueue();
  readonly #reader: WaitList<unknown, Wanted<unknown>>;
  #bytesRead = 0;
  #heardAll = false;
  /** Something has come that nobody will read. */
  #dropped = false;
  #paused = false;

  /** What is not `owned` may keep, or share, what it gives: it is copied. */
  constructor(readable: Readable, end: NodeEnd, owned: boolean) {
    this.#owned = owned;
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
    return isCount(max, 1) ? this.#get({ max, as: asIs }) : Promise.reject(this.#wrongMax(max));
  }

  /** Reads chunk after chunk. Who waits gets its step at once: one made of what `read()` gives would take two more promises. */
  steps(): AsyncIterator<Uint8Array, undefined> {
    return { next: () => this.#get(aStep) };
  }

  /**
   * For a socket, which pushes what comes for as long as that says true. What somebody waits for is taken as it is pushed: it needs no
   * event, nor the look for more that Node orders after each chunk, in a tick of its own.
   */
  takeAsPushed(): void {
    const readable = this.#readable;
    const { push } = readable;
    readable.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
      if (chunk === null || this.#reader.size === 0 || readable.readableLength > 0) {
        return push.call(readable, chunk, encoding);
      }
      this.#take(chunk);
      return true;
    };
  }

  statistics(): ByteSourceStatistics {
    return { bytesRead: this.#bytesRead, buffered: this.#inbox.size, reading: this.#reader.size > 0 };
  }

  get hasDropped(): boolean {
    return this.#dropped;
  }

  fail(): void {
    this.#dropped ||= this.#inbox.size > 0;
    this.#inbox.clear();
    if (this.#reader.size > 0) this.#reader.failAll(this.#whyNotRead());
  }

  /** What comes from now on is for nobody. */
  discard(): void {
    this.#readable.resume();
  }

  #get<R>(wanted: Wanted<R>): Promise<R> {
    const node = here();
    const refusal = refused(node);
    if (refusal !== undefined) return refusal;
    if (this.#end.isGone) {
      const error = this.#whyNotRead();
      if (error !== undefined) return Promise.reject(error);
    }
    if (this.#reader.size > 0) return Promise.reject(this.#end.whyBusy("read from", "read"));
    if (this.#inbox.size > 0) return passed(wanted.as(this.#shift(wanted.max)), node);
    return this.#heardAll ? passed(wanted.as(undefined), node) : (this.#reader.wait(wanted) as Promise<R>);
  }

  #whyNotRead(): Error | undefined {
    // After its end nothing can be missing: what breaks then is the other direction.
    return this.#heardAll && !this.#end.isClosed ? undefined : this.#end.whyGone("read from");
  }

  #take(chunk: unknown): void {
    if (this.#end.isGone) {
      this.#dropped = true;
      return;
    }
    if (!(chunk instanceof Uint8Array)) {
      this.#readable.destroy(new TypeError(`Cannot read ${brief(chunk)} from ${this.#end.name}: wanted bytes`));
      return;
    }
    if (chunk.length === 0) return;
    const wanted = this.#reader.first;
    if (wanted === undefined || chunk.length > wanted.max) {
      if (this.#owned) this.#inbox.adopt(chunk);
      else this.#inbox.push(chunk);
      if (wanted !== undefined) this.#reader.wake(wanted.as(this.#shift(wanted.max)));
      else if (this.#inbox.size >= enough) this.#pause();
      return;
    }
    this.#bytesRead += chunk.length;
    this.#reader.wake(wanted.as(this.#own(chunk)));
  }

  #own(chunk: Uint8Array): Uint8Array {
    if (!this.#owned) return new Uint8Array(chunk);
    return new Uint8Array(chunk.buffer as ArrayBuffer, chunk.byteOffset, chunk.length);
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
    this.#reader.wake(this.#reader.first?.as(undefined));
  }

  #wrongMax(max: unknown): RangeError {
    return new RangeError(
      `Cannot read ${brief(max)} bytes from ${this.#end.name}: wanted a whole number from 1, or Infinity`,
    );
  }
}
