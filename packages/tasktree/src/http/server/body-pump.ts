/** The body of a response on its way to the client, no faster than he takes it. */
import type { ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
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

/** Sends what is there as a whole, and ends with it. */
export function sendBytes(bytes: Uint8Array, outgoing: ServerResponse, stall: Stall): Promise<void> {
  return new Outflow(undefined, outgoing, stall).run([], bytes);
}

/** Sends what a body gives, first what was asked for already. Whoever makes it is told if this is cancelled, and waited for. */
export function pump(reader: Reader, ahead: Promise<Step>[], outgoing: ServerResponse, stall: Stall): Promise<void> {
  return new Outflow(reader, outgoing, stall).run(ahead);
}

export function bytesOf(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`Cannot send ${brief(value)} in the body of a response: wanted a Uint8Array`);
}

/**
 * So much is written at once. Node tells when all is gone that was written, but not that a client has taken some of it: of a large
 * piece that would come too late for one who reads slowly.
 */
const sliceLength = 65_536;
const nothing: Uint8Array = new Uint8Array();

class Outflow {
  readonly #reader: Reader | undefined;
  readonly #outgoing: ServerResponse;
  readonly #timer: Timer;
  readonly #stallAfter: number;
  readonly #line: WaitList;
  /** Called where an event comes, but who makes the body must find himself in the request's task. */
  readonly #read: () => Promise<Step>;
  #ahead: Promise<Step>[] = [];
  /** What is to be written before anything else. */
  #rest: Uint8Array = nothing;
  #reading = false;
  #full = false;
  /** Whether another answer, which was asked for before, had the connection when the timer was set. */
  #isBehind = false;
  #isOver = false;
  #thrown: { readonly error: unknown } | undefined = undefined;
  #bodyFailed = false;

  constructor(reader: Reader | undefined, outgoing: ServerResponse, stall: Stall) {
    this.#reader = reader;
    this.#outgoing = outgoing;
    this.#stallAfter = stall.after;
    this.#timer = new Timer(() => (this.#isBehind ? this.#wait() : stall.call()));
    this.#line = new WaitList({
      describe: () => (this.#full ? "the client to take the response" : "the response's body"),
    });
    this.#read = bound(() => this.#reader!.read());
  }

  async run(ahead: Promise<Step>[], bytes: Uint8Array = nothing): Promise<void> {
    const outgoing = this.#outgoing;
    this.#ahead = ahead;
    this.#rest = bytes;
    outgoing.on("drain", this.#drained);
    outgoing.on("error", this.#failed);
    this.#goOn();
    await this.#over();
    this.#timer.set(Infinity);
    if (this.#thrown === undefined) return;
    if (!outgoing.writableFinished) reset(outgoing);
    if (this.#reader !== undefined && !this.#bodyFailed)
      await cancelBody(this.#reader, this.#thrown.error, { isMaking: this.#reading });
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
      if (done) return this.#end();
      this.#rest = bytesOf(value);
    } catch (error) {
      return this.#failed(error);
    }
    this.#goOn();
  };

  /** With what there is to write, then with what comes after it. */
  #goOn(): void {
    try {
      if (!this.#write()) this.#wait();
      else if (this.#reader === undefined) this.#end();
      else this.#next();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Whether there is room for more. What is there as a whole goes out with its end, as far as it is one slice. */
  #write(): boolean {
    const outgoing = this.#outgoing;
    const kept = this.#reader === undefined ? sliceLength : 0;
    if (outgoing.destroyed && !outgoing.writableEnded) return false; // that the client has left is about to be told
    while (this.#rest.length > kept) {
      const slice = this.#rest.subarray(0, sliceLength);
      this.#rest = this.#rest.subarray(slice.length);
      if (!outgoing.write(slice)) return false;
    }
    return true;
  }

  #end(): void {
    const outgoing = this.#outgoing;
    if (!outgoing.writableEnded) outgoing.end(this.#rest.length > 0 ? this.#rest : undefined);
    if (outgoing.writableFinished) return this.#settle(undefined);
    outgoing.once("finish", () => this.#settle(undefined));
    this.#wait();
  }

  #wait(): void {
    this.#full = true;
    this.#isBehind = this.#outgoing.socket === null;
    if (this.#stallAfter !== Infinity) this.#timer.set(now() + this.#stallAfter);
  }

  readonly #drained = (): void => {
    if (!this.#full || this.#isOver) return;
    this.#timer.set(Infinity);
    if (this.#outgoing.writableEnded) return this.#wait();
    this.#full = false;
    this.#goOn();
  };

  readonly #failed = (error: unknown): void => this.#settle({ error });

  #settle(thrown: { readonly error: unknown } | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#thrown = thrown;
    this.#line.wake();
  }
}

/** Tells the maker of a body that nobody wants the rest, and waits for him, as for all cleanup: until the cut-off. */
export async function cancelBody(
  body: Reader | ReadableStream,
  reason: unknown,
  { isMaking = false }: { readonly isMaking?: boolean } = {},
): Promise<void> {
  // Who is not at it is told in this way: the first wait of his cleanup must not be cut by what he knows. Who is at it is told there.
  if (!isMaking) refused()?.catch(ignore);
  const cancelling = body.cancel(reason);
  if (graceIsOver()) cancelling.catch(ignore);
  else await waitForPlatform(cancelling, "the end of the response's body", (error) => error, { exempt: true });
}

/** Ends the connection so that the client cannot take for whole what it has got. */
export function reset(outgoing: ServerResponse): void {
  const socket = (outgoing.socket ?? outgoing.req.socket) as Partial<TLSSocket> | null; // without one it stands behind another answer
  if (socket?.encrypted !== true && socket?.resetAndDestroy !== undefined) return void socket.resetAndDestroy();
  outgoing.destroy();
  socket?.destroy?.();
}

function ignore(): void {}
