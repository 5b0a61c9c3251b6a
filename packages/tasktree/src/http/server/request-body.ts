import type { IncomingMessage } from "node:http";
import { BrokenError, InvalidStateError, LimitExceededError } from "../../errors.ts";
import { here, passed, refused, WaitList } from "../../lowlevel.ts";

/** Errors that the client is to blame for. */
const ofTheClient = new WeakSet<object>();

/** Whether `error` is that a request has come only in part, or was too long: nothing that a handler has done wrong. */
export function isOfTheClient(error: unknown): boolean {
  return error instanceof Error && ofTheClient.has(error);
}

function blamed<E extends Error>(error: E): E {
  ofTheClient.add(error);
  return error;
}

export interface RequestBodyParts {
  readonly incoming: IncomingMessage;
  readonly name: string;
  readonly limit: number;
  /** Lets a client go on that asked whether to send it. */
  readonly expected: (() => void) | undefined;
  /** Told when the client has left in its midst, before who reads is: that may be known here first. */
  readonly left: () => void;
}

/** The bytes of a request, as they come: Node reads no more from the socket than a little ahead of who reads here. */
export class RequestBody {
  readonly #incoming: IncomingMessage;
  readonly #name: string;
  readonly #limit: number;
  readonly #left: () => void;
  readonly #reader: WaitList<Uint8Array | undefined>;
  #expected: (() => void) | undefined;
  #listening = false;
  #bytesRead = 0;
  #ended = false;
  #error: Error | undefined = undefined;

  constructor({ incoming, name, limit, expected, left }: RequestBodyParts) {
    this.#incoming = incoming;
    this.#name = name;
    this.#limit = limit;
    this.#expected = expected;
    this.#left = left;
    this.#reader = new WaitList({ describe: () => `the body of '${name}'` });
  }

  /**
   * The next bytes; undefined at the end.
   *
   * Cancellation: Checkpoint, nothing lost.
   *
   * @throws {LimitExceededError} If there are more bytes than are allowed.
   * @throws {BrokenError} If the client leaves before the end.
   * @throws {InvalidStateError} If the request is answered before the end.
   */
  read(): Promise<Uint8Array | undefined> {
    const node = here();
    const refusal = refused(node);
    if (refusal !== undefined) return refusal;
    if (this.#error === undefined) this.#listen();
    const chunk = this.#take();
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (chunk !== undefined) return passed(chunk, node);
    return this.#ended ? passed(undefined, node) : this.#reader.wait();
  }

  /** All of it. Cancellation: Checkpoint, effects possible: if this call is cancelled, some may have been read. */
  async readAll(): Promise<Uint8Array<ArrayBuffer>> {
    const chunks: Uint8Array[] = [];
    for (let chunk = await this.read(); chunk !== undefined; chunk = await this.read()) chunks.push(chunk);
    const all = new Uint8Array(this.#bytesRead);
    let at = 0;
    for (const chunk of chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  /** What was not read by now never will be: the answer has been given, and the rest is thrown away. */
  close(): void {
    if (this.#ended || this.#error !== undefined) return;
    this.#error = new InvalidStateError(`Cannot read the body of '${this.#name}': the request has been answered`);
    this.#reader.fail(this.#error);
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    this.#expected?.();
    this.#expected = undefined;
    const incoming = this.#incoming;
    incoming.on("readable", this.#arrived);
    incoming.on("end", this.#end);
    incoming.on("error", this.#broke);
    incoming.on("close", this.#broke);
    if (incoming.destroyed && !incoming.readableEnded) this.#broke();
    else if (incoming.readableEnded) this.#end();
  }

  readonly #arrived = (): void => {
    if (this.#reader.size === 0) return;
    const chunk = this.#take();
    if (this.#error !== undefined) this.#reader.fail(this.#error);
    else if (chunk !== undefined) this.#reader.wake(chunk);
  };

  readonly #end = (): void => {
    this.#ended = true;
    this.#reader.wake(undefined);
  };

  readonly #broke = (cause?: unknown): void => {
    if (this.#ended || this.#error !== undefined) return;
    this.#left();
    this.#fail(new BrokenError(`Cannot read the body of '${this.#name}': the client has left`, { cause }));
  };

  #take(): Uint8Array | undefined {
    if (this.#error !== undefined) return undefined;
    const chunk = this.#incoming.read() as Uint8Array | null;
    if (chunk === null) return undefined;
    this.#bytesRead += chunk.length;
    if (this.#bytesRead <= this.#limit) return chunk;
    this.#fail(tooLong(this.#name, this.#limit));
    return undefined;
  }

  #fail(error: Error): void {
    this.#error = blamed(error);
    this.#reader.fail(error);
  }
}

export function tooLong(name: string, limit: number): LimitExceededError {
  const message = `Cannot read the body of '${name}': it is longer than ${limit} bytes`;
  return blamed(new LimitExceededError(message, { limit }));
}

/** Whether a request says that a body comes with it. */
export function hasBody({ headers }: IncomingMessage): boolean {
  if (headers["transfer-encoding"] !== undefined) return true;
  const length = headers["content-length"];
  return length !== undefined && length !== "0";
}

/** Takes what is left of a body from the wire, up to a limit: who sends more loses the connection. */
export function discardRest(incoming: IncomingMessage, limit: number): void {
  let left = limit;
  incoming.removeAllListeners("readable");
  incoming.on("data", (chunk: Uint8Array) => {
    left -= chunk.length;
    if (left < 0) incoming.socket.destroy();
  });
  incoming.resume();
}
