/**
 * A platform's `WritableStream` as a sink. How far a writer may be ahead is the platform's affair (`desiredSize`, `ready`); that one
 * of its writes has been done says nothing of use, since many streams say so only when the other end has read.
 */
import { brief, BrokenError, BusyError, ClosedError, isCancelled } from "../../errors.ts";
import { bound, here, passed, quiet, refused, WaitList } from "../../lowlevel.ts";
import type { ByteSink, ByteSinkStatistics } from "../byte-stream.ts";
import { givenUp, ignore, waitForPlatform } from "./platform-wait.ts";

/** What waits to be written. */
interface Outgoing {
  rest: Uint8Array;
}

/** The platform counts as it likes, often one for any chunk: so a chunk has at most so many bytes. */
const largestChunk = 65_536;

export class WritableSink implements ByteSink {
  readonly #label: string;
  readonly #platform: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #writer: WaitList<void, Outgoing>;
  /** These call the platform in the context in which this was made: it may go on when who writes is long gone. */
  readonly #put: (chunk: Uint8Array<ArrayBuffer>) => void;
  readonly #finish: () => Promise<unknown>;
  readonly #tear: (reason: unknown) => void;
  #watching = false;
  #bytesWritten = 0;
  #closed = false;
  #abortReason: unknown = undefined;
  #finishing: Promise<unknown> | undefined = undefined;
  #broken: { readonly cause: unknown } | undefined = undefined;
  /** Something that was taken over did not arrive. */
  #undelivered = false;
  /** Somebody knows that it is broken. */
  #told = false;

  /** @throws {TypeError} If somebody has locked the stream. */
  constructor(writable: WritableStream<Uint8Array<ArrayBuffer>>, label: string) {
    this.#label = label;
    this.#platform = writable.getWriter();
    this.#writer = new WaitList({ describe: () => `room in ${label}` });
    this.#put = bound((chunk) => void this.#platform.write(chunk).catch(this.#lost));
    // what close() throws may be that the stream has failed already: why, only `closed` tells
    this.#finish = bound(() => this.#platform.close().catch(() => this.#platform.closed));
    this.#tear = bound((reason) => void this.#platform.abort(reason).catch(ignore));
    this.#platform.closed.catch(this.#failed);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (!(bytes instanceof Uint8Array)) return Promise.reject(this.#wrongBytes(bytes));
    const node = here();
    const refusal = refused(node);
    if (refusal !== undefined) return refusal;
    const error = this.#whyNotWrite();
    if (error !== undefined) return Promise.reject(error);
    const outgoing = { rest: bytes };
    this.#send(outgoing);
    if (outgoing.rest.length === 0) return passed(undefined, node);
    this.#watch();
    return this.#writer.wait(outgoing);
  }

  closeWriting(): Promise<void> {
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    const error = this.#whyGone("close the writing of") ?? this.#whyBusy("close the writing of");
    return error === undefined ? this.#waitForFinish("close the writing of", false) : Promise.reject(error);
  }

  close(): Promise<void> {
    if (this.#closed) return passed();
    const cutShort = this.#writer.size > 0;
    const erred = this.#broken !== undefined || this.#platform.desiredSize === null;
    this.#leave(undefined);
    if (erred) return quiet(() => this.#closeBroken());
    if (!cutShort) return quiet(() => this.#closeWhole());
    void this.#startToFinish(); // whose failure the writer's ClosedError stands for
    return passed();
  }

  abort(reason?: unknown): void {
    if (this.#closed) return;
    this.#leave(reason);
    this.#tear(reason);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  statistics(): ByteSinkStatistics {
    return { bytesWritten: this.#bytesWritten, writing: this.#writer.size > 0 };
  }

  // ---

  /** Hands over as much as the platform wants. */
  #send(outgoing: Outgoing): void {
    while (outgoing.rest.length > 0 && (this.#platform.desiredSize ?? 0) > 0) {
      const chunk = new Uint8Array(outgoing.rest.subarray(0, largestChunk));
      outgoing.rest = outgoing.rest.subarray(chunk.length);
      this.#bytesWritten += chunk.length;
      this.#put(chunk);
    }
  }

  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    this.#platform.ready.then(this.#roomCame, this.#failed);
  }

  readonly #roomCame = (): void => {
    this.#watching = false;
    const outgoing = this.#writer.first;
    if (outgoing === undefined) return;
    this.#send(outgoing);
    if (outgoing.rest.length === 0) this.#writer.wake();
    else this.#watch();
  };

  readonly #lost = (cause: unknown): void => {
    this.#undelivered = true;
    this.#failed(cause);
  };

  readonly #failed = (cause: unknown): void => {
    if (this.#broken !== undefined) return;
    this.#broken = { cause };
    if (this.#writer.size > 0) this.#writer.failAll(this.#whyGone("write to"));
  };

  #startToFinish(): Promise<unknown> {
    if (this.#finishing === undefined) {
      this.#finishing = this.#finish();
      this.#finishing.catch(this.#lost);
    }
    return this.#finishing;
  }

  #waitForFinish(what: string, exempt: boolean): Promise<void> {
    return waitForPlatform(
      this.#startToFinish(),
      `the end of ${this.#label}`,
      (cause) => this.#itHasFailed(what, cause),
      { exempt },
    );
  }

  async #closeWhole(): Promise<void> {
    try {
      await this.#waitForFinish("close", true);
    } catch (error) {
      if (error instanceof BrokenError && error.cause === givenUp) return;
      if (isCancelled(error)) this.#tear(error);
      throw error;
    }
  }

  /** Nobody need hear that the other end wants no more, if everything had arrived. */
  async #closeBroken(): Promise<void> {
    const failed = this.#platform.closed.catch(this.#failed);
    await waitForPlatform(failed, `the end of ${this.#label}`, (cause) => cause, { exempt: true });
    if (this.#undelivered && !this.#told && this.#broken!.cause !== givenUp)
      throw this.#itHasFailed("close", this.#broken!.cause);
  }

  #leave(reason: unknown): void {
    this.#closed = true;
    this.#abortReason = reason;
    if (this.#writer.size > 0) this.#writer.failAll(this.#whyGone("write to"));
  }

  #whyNotWrite(): Error | undefined {
    const gone = this.#whyGone("write to");
    if (gone !== undefined) return gone;
    if (this.#finishing !== undefined)
      return new ClosedError(`Cannot write to ${this.#label}: its writing side is closed`);
    return this.#whyBusy("write to");
  }

  #whyBusy(what: string): Error | undefined {
    if (this.#writer.size === 0) return undefined;
    return new BusyError(`Cannot ${what} ${this.#label}: somebody else waits to write`);
  }

  #whyGone(what: string): Error | undefined {
    if (this.#closed)
      return new ClosedError(`Cannot ${what} ${this.#label}: it is closed`, { cause: this.#abortReason });
    return this.#broken === undefined ? undefined : this.#itHasFailed(what, this.#broken.cause);
  }

  #itHasFailed(what: string, cause: unknown): BrokenError {
    this.#told = true;
    return new BrokenError(`Cannot ${what} ${this.#label}: it has failed`, { cause });
  }

  #wrongBytes(bytes: unknown): TypeError {
    return new TypeError(`Cannot write ${brief(bytes)} to ${this.#label}: wanted a Uint8Array`);
  }
}
