/**
 * Node's streams as byte streams: one set of listeners for each, and no promise or closure for a chunk but that of who waits.
 *
 * What is common to both directions is here: whether this end was closed, or is lost, and who waits for it to be gone. Node lets
 * an 'error' that nobody hears end the process, and may emit one late, after 'close()' here; so these listeners stay to the end.
 */
import { finished, type Duplex, type Readable, type Writable } from "node:stream";
import { BrokenError, BusyError, ClosedError } from "../../errors.ts";
import { now, passed, Timer, WaitList } from "../../lowlevel.ts";

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
  /** How long `close()` waits for what is under way, in milliseconds, until it tears; default: as long as it takes. */
  readonly linger?: number | undefined;
}

export class NodeEnd {
  /** For reports and errors. */
  readonly name: string;
  readonly #stream: Readable | Writable | Duplex;
  readonly #halves: NodeHalf[] = [];
  readonly #closers: WaitList;
  readonly #tear: Tear | undefined;
  readonly #linger: number;
  #patience: Timer | undefined = undefined;
  #closed = false;
  #abortReason: unknown = undefined;
  #broken: { readonly why: string; readonly cause: unknown } | undefined = undefined;

  constructor(stream: Readable | Writable | Duplex, name: string, options: NodeEndOptions = {}) {
    this.#stream = stream;
    this.name = name;
    this.#tear = options.tear;
    this.#linger = options.linger ?? Infinity;
    this.#closers = new WaitList({
      describe: () => `the end of ${this.name}`,
      left: () => this.#force(undefined),
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
    if (this.isGone) return;
    this.#broken = { why, cause };
    for (const half of this.#halves) if (!half.over) half.fail();
  }

  /** Why nothing can be done with it any more. */
  whyGone(what: string): Error | undefined {
    if (this.#closed) return new ClosedError(`Cannot ${what} ${this.name}: it is closed`, { cause: this.#abortReason });
    return this.whyBroken(what);
  }

  whyBroken(what: string): Error | undefined {
    if (this.#broken === undefined) return undefined;
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
    if (this.#closed) return passed();
    const lost = this.#broken !== undefined;
    this.#leave();
    if (lost) this.#stream.destroy();
    if (this.#stream.destroyed) return passed();
    const gone = this.#closers.wait(undefined, { exempt: true });
    finished(this.#stream, this.#gone);
    begin();
    if (this.#linger < Infinity && !this.#stream.destroyed) {
      this.#patience = new Timer(() => this.#force(undefined));
      this.#patience.set(now() + this.#linger);
    }
    return gone;
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

  readonly #gone = (): void => {
    this.#patience?.set(Infinity);
    this.#closers.wakeAll();
  };
}
