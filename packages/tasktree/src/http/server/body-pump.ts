/** The body of a response on its way to the client, no faster than he takes it. */
import type { ServerResponse } from "node:http";
import { brief } from "../../errors.ts";
import { bound, graceIsOver, now, refused, Timer, WaitList, withCancelScope } from "../../lowlevel.ts";
import { waitForPlatform } from "../../streams/web/platform-wait.ts";

export type Step = ReadableStreamReadResult<unknown>;
export type Reader = ReadableStreamDefaultReader<unknown>;

/** How long a client may take nothing of what waits for him, in milliseconds, and what becomes of one that does. */
export interface Stall {
  readonly after: number;
  readonly call: () => void;
}

/** Resolves when the client has got what was written, as far as this side can know. */
export function flush(outgoing: ServerResponse, stall: Stall): Promise<void> {
  return new Outflow(undefined, outgoing, stall).run([]);
}

/** Sends what a body gives, first what was asked for already. Whoever makes it is told if this is cancelled, and waited for. */
export function pump(reader: Reader, ahead: Promise<Step>[], outgoing: ServerResponse, stall: Stall): Promise<void> {
  return new Outflow(reader, outgoing, stall).run(ahead);
}

export function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`Cannot send ${brief(value)} in the body of a response: wanted a Uint8Array`);
}

class Outflow {
  readonly #reader: Reader | undefined;
  readonly #outgoing: ServerResponse;
  readonly #timer: Timer;
  readonly #stallAfter: number;
  readonly #line: WaitList;
  /** Called where an event comes, but who makes the body must find himself in the request's task. */
  readonly #read: () => Promise<Step>;
  #ahead: Promise<Step>[] = [];
  #reading = false;
  #full = false;
  #isOver = false;
  #thrown: { readonly error: unknown } | undefined = undefined;
  #bodyFailed = false;

  constructor(reader: Reader | undefined, outgoing: ServerResponse, stall: Stall) {
    this.#reader = reader;
    this.#outgoing = outgoing;
    this.#stallAfter = stall.after;
    this.#timer = new Timer(stall.call);
    this.#line = new WaitList({
      describe: () => (this.#full ? "the client to take the response" : "the response's body"),
    });
    this.#read = bound(() => this.#reader!.read());
  }

  async run(ahead: Promise<Step>[]): Promise<void> {
    const outgoing = this.#outgoing;
    this.#ahead = ahead;
    outgoing.on("drain", this.#drained);
    outgoing.on("error", this.#failed);
    if (this.#reader === undefined) this.#end();
    else this.#next();
    await this.#over();
    this.#timer.set(Infinity);
    if (this.#thrown === undefined) return;
    if (!outgoing.writableFinished) reset(outgoing);
    await this.#cancelBody(this.#thrown.error);
    throw this.#thrown.error;
  }

  /**
   * Waits in a scope of its own, from which no error comes: cut in the request's, this wait would count as what tells the maker of
   * the body of the cancellation, who would then go on until the cut-off.
   */
  #over(): Promise<void> {
    return withCancelScope(async () => {
      try {
        const refusal = refused();
        if (refusal !== undefined) await refusal;
        if (!this.#isOver) await this.#line.wait();
      } catch (error) {
        this.#settle({ error });
      }
    });
  }

  #next(): void {
    this.#reading = true;
    (this.#ahead.shift() ?? this.#read()).then(this.#arrived, (error: unknown) => {
      this.#bodyFailed = true;
      this.#failed(error);
    });
  }

  readonly #arrived = ({ done, value }: Step): void => {
    this.#reading = false;
    if (this.#isOver) return;
    try {
      if (done) this.#end();
      else if (this.#write(bytesOf(value))) this.#next();
      else this.#wait();
    } catch (error) {
      this.#failed(error);
    }
  };

  /** Whether there is room for more. */
  #write(chunk: Uint8Array): boolean {
    if (this.#outgoing.destroyed) return false; // that the client has left is about to be told
    return chunk.length === 0 || this.#outgoing.write(chunk);
  }

  #end(): void {
    const outgoing = this.#outgoing;
    if (!outgoing.writableEnded) outgoing.end();
    if (outgoing.writableFinished) return this.#settle(undefined);
    outgoing.once("finish", () => this.#settle(undefined));
    this.#wait();
  }

  #wait(): void {
    this.#full = true;
    if (this.#stallAfter !== Infinity) this.#timer.set(now() + this.#stallAfter);
  }

  readonly #drained = (): void => {
    if (!this.#full || this.#isOver) return;
    this.#timer.set(Infinity);
    if (this.#outgoing.writableEnded) return this.#wait();
    this.#full = false;
    this.#next();
  };

  readonly #failed = (error: unknown): void => this.#settle({ error });

  #settle(thrown: { readonly error: unknown } | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#thrown = thrown;
    this.#line.wake();
  }

  async #cancelBody(reason: unknown): Promise<void> {
    if (this.#reader === undefined || this.#bodyFailed) return;
    // Who is not at it is told in this way: the first wait of his cleanup must not be cut by what he knows. Who is at it is told there.
    if (!this.#reading) refused()?.catch(ignore);
    const cancelling = this.#reader.cancel(reason);
    if (graceIsOver()) cancelling.catch(ignore);
    else await waitForPlatform(cancelling, "the end of the response's body", (error) => error, { exempt: true });
  }
}

/** Ends the connection so that the client cannot take for whole what it has got. */
export function reset(outgoing: ServerResponse): void {
  const { socket } = outgoing;
  if (socket === null || "encrypted" in socket || socket.resetAndDestroy === undefined) outgoing.destroy();
  else socket.resetAndDestroy();
}

function ignore(): void {}
