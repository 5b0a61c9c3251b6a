import type { Readable } from "node:stream";
import { brief, ClosedError, TimeoutError } from "../../errors.ts";
import { bound, now, Timer, WaitList } from "../../lowlevel.ts";
import { explained } from "./explained.ts";
import type { Lease } from "./lines.ts";
import type { Timeouts } from "./options.ts";
import type { Answered, Sent } from "./undici.ts";

/** How long is waited for what is on its way, and wanted by nobody, so that the connection can be kept. */
const moment = 100;

/** What is waited for. */
type Phase = "connection" | "headers" | "body" | "whole answer";

/**
 * One request through one connection, until its answer's body has come. Whatever ends it early destroys the connection: of HTTP/1.1
 * nothing else can be called off.
 */
export class Exchange {
  /** "GET http://host/path", without the query, which may be secret. */
  readonly label: string;
  /** How often somebody has wanted some of its answer's body, and whether he waits for it. */
  reads = 0;
  isAwaited = false;
  /** Called when its connection is free, or gone. */
  onOver: (() => void) | undefined = undefined;
  readonly #lease: Lease;
  readonly #timeouts: Timeouts;
  /** Ends the phase that goes on. */
  readonly #timer: Timer = new Timer(() => this.#late());
  readonly #total: Timer = new Timer(() => this.#fail(this.#timeout("whole answer", this.#timeouts.total)));
  /** How long more may come than is wanted. */
  readonly #tail: Timer = new Timer(() => void this.#end(new ClosedError(`More came than the body of ${this.label}`)));
  readonly #over: () => void;
  readonly #isReused: boolean;
  #phase: Phase = "connection";
  /** Why it was ended from here. */
  #failure: Error | undefined = undefined;
  /** What the making of the request's body has thrown. */
  #bodyFailure: { readonly error: unknown } | undefined = undefined;
  #done = false;
  #ending: Promise<void> | undefined = undefined;
  readonly #ends: WaitList;

  /** `over` is called when its connection is free, or gone. */
  constructor(lease: Lease, label: string, timeouts: Timeouts, over: () => void) {
    this.#lease = lease;
    this.label = label;
    this.#timeouts = timeouts;
    this.#over = over;
    this.#isReused = lease.line.isReused;
    this.#ends = new WaitList({ describe: () => `the rest of the answer to ${label}` });
  }

  /** What it has failed with from here: a timeout, the end of the client. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Whether it may be that the server has closed the connection before it saw the request. */
  get mayBeStale(): boolean {
    return this.#isReused && this.#phase === "headers" && this.#failure === undefined;
  }

  /** Whether the server cannot have seen anything of it. */
  get isUnsent(): boolean {
    return this.#phase === "connection";
  }

  /**
   * Sends, and waits for the headers.
   *
   * Cancellation: Checkpoint, effects possible: the server may have had the request.
   */
  async answer(sent: Sent, deadline: number): Promise<Answered> {
    const { line } = this.#lease;
    // The client was closed while nothing had gone out.
    if (this.#done) throw this.#failure;
    this.#total.set(deadline);
    if (line.connected) this.#enter("headers");
    else this.#enter("connection");
    line.onConnect = () => this.#enter("headers");
    try {
      const answered = await answerOf(line.request({ ...sent, body: this.#watched(sent.body) }), this.label);
      this.#timer.set(Infinity);
      return answered;
    } catch (error) {
      const explained = this.#explain(error);
      await this.#end(asError(explained));
      throw explained;
    }
  }

  /**
   * Lets the connection go when the answer has been received, or closes it when that fails. `read` is what is made of `body` for who
   * reads it: it may end while more of `body` comes, and nobody would say when to stop.
   */
  watch(body: Readable, read: Readable): void {
    this.#phase = "body";
    if (read !== body)
      read.once(
        "end",
        bound(() => this.#done || this.#tail.set(now() + moment)),
      );
    body.once("end", () => {
      if (this.#done) return;
      this.#finish();
      this.#lease.release();
      this.#over();
    });
    body.once("close", () => void this.#end(new ClosedError(`The body of ${this.label} is not wanted any more`)));
  }

  /** Waits a moment for what is on its way, so that the connection can be kept. */
  async endSoon(): Promise<void> {
    if (this.#done) return;
    const patience = new Timer(() => this.#ends.wakeAll());
    patience.set(now() + moment);
    try {
      await this.#ends.wait(undefined, { exempt: true });
    } finally {
      patience.set(Infinity);
    }
  }

  /** Ends it; what is under way fails with `error`. Resolves when the connection is closed. */
  abort(error: Error): Promise<void> {
    this.#failure ??= error;
    return this.#end(error);
  }

  /** Somebody waits for more of the body. */
  awaitMore(): void {
    this.isAwaited = true;
    this.#enter("body");
  }

  /** More has come, or nobody waits. */
  hasMore(): void {
    this.#timer.set(Infinity);
    this.isAwaited = false;
  }

  // ---

  #enter(phase: Exclude<Phase, "whole answer">): void {
    this.#phase = phase;
    const { connect, headers, body } = this.#timeouts;
    if (!this.#done) this.#timer.set(now() + { connection: connect, headers, body }[phase]);
  }

  #late(): void {
    const { connect, headers, body } = this.#timeouts;
    const ms = { connection: connect, headers, body, "whole answer": Infinity }[this.#phase];
    this.#fail(this.#timeout(this.#phase, ms));
  }

  #timeout(phase: Phase, ms: number): TimeoutError {
    return new TimeoutError(`Timed out after ${ms} ms waiting for the ${phase}: ${this.label}`, { deadline: now() });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    void this.#end(error);
  }

  #finish(): void {
    this.#done = true;
    this.#timer.set(Infinity);
    this.#total.set(Infinity);
    this.#tail.set(Infinity);
    this.onOver?.();
    this.#ends.wakeAll();
  }

  #end(error: Error): Promise<void> {
    return (this.#ending ??= this.#done ? Promise.resolve() : this.#tear(error));
  }

  async #tear(error: Error): Promise<void> {
    this.#finish();
    await this.#lease.discard(error);
    this.#over();
  }

  /** As long as pieces go out, the answer cannot be expected. */
  #watched(body: Sent["body"]): Sent["body"] {
    if (body === undefined || body instanceof Uint8Array) return body;
    return {
      [Symbol.asyncIterator]: () => {
        const pieces = body[Symbol.asyncIterator]();
        return {
          next: async () => {
            try {
              this.#timer.set(Infinity);
              const step = await pieces.next();
              if (this.#phase === "headers") this.#enter("headers");
              return step;
            } catch (error) {
              this.#bodyFailure = { error };
              throw error;
            }
          },
          return: async () => (await pieces.return?.()) ?? { done: true, value: undefined },
        };
      },
    };
  }

  /** What is told of what undici has thrown. */
  #explain(error: unknown): unknown {
    if (this.#failure !== undefined) return this.#failure;
    if (this.#bodyFailure !== undefined) return this.#bodyFailure.error;
    return explained(error, this.label);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new ClosedError(`The request has failed with ${brief(error)}`);
}

/** Waits for what undici promises; a cancellation ends the wait at once. */
function answerOf(promise: Promise<Answered>, label: string): Promise<Answered> {
  const line = new WaitList<Answered>({ describe: () => `the answer to ${label}` });
  promise.then(
    (answered) => line.wake(answered) || drop(answered),
    (error: unknown) => line.fail(error),
  );
  return line.wait();
}

/** It came when nobody waited any more: its connection is being destroyed, and it with it. */
function drop({ body }: Answered): void {
  body.on("error", () => {}).destroy();
}
