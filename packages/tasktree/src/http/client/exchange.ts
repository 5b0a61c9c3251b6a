import type { Readable } from "node:stream";
import { brief, BrokenError, ClosedError, HttpError, LimitExceededError, TimeoutError } from "../../errors.ts";
import { now, Timer, WaitList } from "../../lowlevel.ts";
import type { Lease } from "./lines.ts";
import type { Timeouts } from "./options.ts";
import type { Answered, Sent } from "./undici.ts";

/** What is waited for. */
type Phase = "connection" | "headers" | "body" | "whole answer";

/**
 * One request through one connection, until its answer's body has come. Whatever ends it early destroys the connection: of HTTP/1.1
 * nothing else can be called off.
 */
export class Exchange {
  /** "GET http://host/path", without the query, which may be secret. */
  readonly label: string;
  readonly #lease: Lease;
  readonly #timeouts: Timeouts;
  /** Ends the phase that goes on. */
  readonly #timer: Timer = new Timer(() => this.#late());
  readonly #total: Timer = new Timer(() => this.#fail(this.#timeout("whole answer", this.#timeouts.total)));
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

  /** Lets the connection go when the answer has been received, or closes it when that fails. */
  watch(body: Readable): void {
    this.#phase = "body";
    body.once("end", () => {
      if (this.#done) return;
      this.#finish();
      this.#lease.release();
      this.#over();
    });
    body.once("close", () => void this.#end(new ClosedError(`The body of ${this.label} is not wanted any more`)));
  }

  /** Waits a moment for what is on its way, so that the connection can be kept. */
  async endSoon(ms: number): Promise<void> {
    if (this.#done) return;
    const patience = new Timer(() => this.#ends.wakeAll());
    patience.set(now() + ms);
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
    this.#enter("body");
  }

  /** More has come, or nobody waits. */
  hasMore(): void {
    this.#timer.set(Infinity);
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

const explanations: Readonly<Record<string, (label: string, cause: unknown) => Error>> = {
  UND_ERR_HEADERS_OVERFLOW: (label, cause) =>
    new LimitExceededError(`Cannot read the answer to ${label}: its headers are more than 16384 bytes`, {
      limit: 16_384,
      cause,
    }),
  UND_ERR_INVALID_ARG: (label, cause) => new TypeError(`Cannot request ${label}: ${messageOf(cause)}`, { cause }),
  UND_ERR_NOT_SUPPORTED: (label, cause) => new TypeError(`Cannot request ${label}: ${messageOf(cause)}`, { cause }),
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: (label, cause) =>
    new TypeError(`Cannot request ${label}: the body is not as long as its content-length says`, { cause }),
};

function explained(error: unknown, label: string): unknown {
  if (!(error instanceof Error) || error instanceof HttpError || error.name === "AbortError") return error;
  const explain = explanations[(error as { code?: string }).code ?? ""];
  if (explain !== undefined) return explain(label, error);
  return new BrokenError(`Cannot get an answer to ${label}: ${messageOf(error)}`, { cause: error });
}

/** Of a connection that was tried by several addresses, what each has said. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(messageOf).join("; ");
  return error instanceof Error ? error.message : brief(error);
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
