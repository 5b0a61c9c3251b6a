/**
 * Node's streams as byte streams: one set of listeners for each, and no promise or closure for a chunk but that of who waits.
 *
 * What is common to both directions is here: whether this end was closed, or is lost, and who waits for it to be gone. Node lets
 * an 'error' that nobody hears end the process, and may emit one late, after 'close()' here; so these listeners stay to the end.
 */
import { finished, type Duplex, type Readable, type Writable } from "node:stream";
import { BrokenError, BusyError, ClosedError } from "../../errors.ts";
import { bound, now, passed, Timer, WaitList } from "../../lowlevel.ts";

/** One direction of a Node stream. */
export interface NodeHalf {
  /** Whether it has come to its good end: what happens to the stream later is nothing to it. */
  readonly over: boolean;
  /** Whoever waits goes on with an error; what was not read is dropped. */
  fail(): void;
}

/** Closes the system's side of a stream so that the other end sees that it was torn. */
export type Tear = (reason: unknown) => void;

export interface NodeEndOptions {
  readonly tear?: Tear | undefined;
  /**
   * For a socket: how long after `close()` it is there at most, in milliseconds. What is still under way then is torn. Default: as
   * long as it takes to say everything, and no longer.
   */
  readonly linger?: number | undefined;
  /** Whether `close()` tells an error that nothing else has told. */
  readonly tells?: boolean | undefined;
}

export class NodeEnd {
  /** For reports and errors. */
  readonly name: string;
  readonly #stream: Readable | Writable | Duplex;
  readonly #halves: NodeHalf[] = [];
  readonly #closers: WaitList;
  readonly #tear: Tear | undefined;
  readonly #linger: number;
  readonly #tells: boolean;
  #patience: Timer | undefined = undefined;
  #closed = false;
  /** `close()` has begun, and the stream is not gone. */
  #closing = false;
  #abortReason: unknown = undefined;
  #broken: { readonly why: string; readonly cause: unknown } | undefined = undefined;
  /** Somebody got an error that says what is broken. */
  #told = false;

  constructor(stream: Readable | Writable | Duplex, name: string, options: NodeEndOptions = {}) {
    this.#stream = stream;
    this.name = name;
    this.#tear = options.tear;
    this.#linger = options.linger ?? Infinity;
    this.#tells = options.tells ?? false;
    this.#closers = new WaitList({
      describe: () => `the end of ${this.name}`,
      left: () => this.#giveUp(),
    });
    stream.on("error", (error) => this.lose(error.message, error));
    stream.on("close", () => this.lose("it was destroyed"));
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  add(half: NodeHalf): void {
    this.#halves.push(half);
  }

  /** What has become of the stream before it was ours. */
  lookBack(): void {
    const { errored, destroyed } = this.#stream;
    if (errored) this.lose(errored.message, errored);
    else if (destroyed) this.lose("it was destroyed");
  }

  /** It is gone, as `why` says. */
  lose(why: string, cause?: unknown): void {
    if (this.#broken !== undefined || (this.#closed && cause === undefined)) return;
    this.#broken = { why, cause };
    if (this.#closed) return; // it is for close() to tell
    for (const half of this.#halves) if (!half.over) half.fail();
  }

  /** Why nothing can be done with it any more. */
  whyGone(what: string): Error | undefined {
    if (this.#closed) return new ClosedError(`Cannot ${what} ${this.name}: it is closed`, { cause: this.#abortReason });
    return this.whyBroken(what);
  }

  whyBroken(what: string): Error | undefined {
    if (this.#broken === undefined) return undefined;
    this.#told = true;
    const { why, cause } = this.#broken;
    return new BrokenError(`Cannot ${what} ${this.name}: ${why}`, { cause });
  }

  get isGone(): boolean {
    return this.#closed || this.#broken !== undefined;
  }

  whyBusy(what: string, waitingTo: string): Error {
    return new BusyError(`Cannot ${what} ${this.name}: somebody else waits to ${waitingTo}`);
  }

  /** `begin` sees to it that the stream is destroyed when everything is said. */
  close(begin: () => void): Promise<void> {
    if (this.#closed) return this.#closing ? this.#closers.wait(undefined, { exempt: true }) : passed();
    const lost = this.#broken !== undefined;
    this.#leave();
    if (lost) this.#stream.destroy();
    if (this.#stream.destroyed) return this.#over();
    this.#closing = true;
    const gone = this.#closers.wait(undefined, { exempt: true });
    finished(this.#stream, this.#gone);
    begin();
    if (this.#linger < Infinity && this.#closing && !this.#stream.destroyed) {
      this.#patience = new Timer(() => this.#giveUp());
      this.#patience.set(now() + this.#linger);
    }
    return gone;
  }

  /** Lets who closes it go on; the stream is destroyed later, and keeps no program alive until then. */
  lingerUnseen(): void {
    this.#gone();
    (this.#stream as { unref?(): void }).unref?.();
    const timer = later(() => this.#stream.destroy(), this.#linger).unref();
    this.#stream.once("close", () => clearTimeout(timer));
  }

  destroy(): void {
    this.#stream.destroy();
    if (!tellsOfClose(this.#stream)) this.#gone();
  }

  abort(reason: unknown): void {
    if (this.#closed) return;
    this.#abortReason = reason;
    this.#leave();
    this.#force(reason);
  }

  #leave(): void {
    this.#closed = true;
    for (const half of this.#halves) half.fail();
  }

  #force(reason: unknown): void {
    if (this.#stream.destroyed) return;
    if (this.#tear !== undefined) this.#tear(reason);
    else this.#stream.destroy(reason instanceof Error ? reason : undefined);
  }

  /** Nobody waits any longer for the other side to take, or to say, everything. */
  #giveUp(): void {
    if ((this.#stream as Writable).writableFinished) this.destroy();
    else this.#force(undefined);
  }

  #over(): Promise<void> {
    const error = this.#untold();
    return error === undefined ? passed() : Promise.reject(error);
  }

  #untold(): Error | undefined {
    const isUntold = this.#tells && !this.#told && this.#broken?.cause !== undefined;
    return isUntold ? this.whyBroken("close") : undefined;
  }

  readonly #gone = (): void => {
    if (!this.#closing) return;
    this.#closing = false;
    this.#patience?.set(Infinity);
    const error = this.#closers.size > 0 ? this.#untold() : undefined;
    if (error === undefined) this.#closers.wakeAll();
    else this.#closers.failAll(error);
  };
}

const later = bound((call: () => void, ms: number) => setTimeout(call, ms));

/** Node says it nowhere else: such a stream never emits 'close', also when it is destroyed before its end. */
function tellsOfClose(stream: object): boolean {
  const { _readableState, _writableState } = stream as Record<string, { readonly emitClose?: boolean } | undefined>;
  return (_readableState ?? _writableState)?.emitClose !== false;
}
