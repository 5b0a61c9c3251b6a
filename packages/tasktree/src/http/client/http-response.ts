import { brief, HttpStatusError, InvalidStateError, LimitExceededError } from "../../errors.ts";
import type { ByteSource } from "../../streams/byte-stream.ts";
import type { Exchange } from "./exchange.ts";
import { checkLimit, defaultBodyLimit, type BodyLimitOptions } from "./options.ts";

/** What is known of an answer when its headers have come. */
export interface ResponseHead {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
}

/** What is no more than this, and comes in a moment after `close()`, is received, so that the connection can be kept. */
const smallBody = 65_536;

/**
 * An answer. Read its body to the end, or close it: until then it has a connection for itself. It belongs to the scope that made the
 * request: if that is cancelled, the connection is closed.
 */
export class HttpResponse implements AsyncDisposable {
  readonly status: number;
  readonly statusText: string;
  /** As they were sent: of a body that was decompressed, `content-encoding` and `content-length` are still those on the wire. */
  readonly headers: Headers;
  /** Of the last of the redirects, if there were any. */
  readonly url: string;
  readonly method: string;
  /** The body as it comes, decompressed, no faster than it is read. */
  readonly body: ByteSource;
  readonly #exchange: Exchange;
  #taken = false;

  /** @internal */
  constructor(head: ResponseHead, body: ByteSource, exchange: Exchange) {
    this.status = head.status;
    this.statusText = head.statusText;
    this.headers = head.headers;
    this.url = head.url;
    this.method = head.method;
    this.body = body;
    this.#exchange = exchange;
  }

  /** Whether the status is 2xx. */
  get ok(): boolean {
    return this.status >= 200 && this.status <= 299;
  }

  /**
   * The whole body.
   *
   * Cancellation: Checkpoint, effects possible: if this call is cancelled, or fails, the connection is closed.
   *
   * @throws {LimitExceededError} If it is larger than `limit`, decompressed.
   * @throws {TimeoutError} If no more of it came for longer than `timeouts.body`, or the total was over.
   * @throws {BrokenError} If the connection was lost, or what came cannot be decompressed.
   * @throws {InvalidStateError} If it was taken already.
   */
  async bytes(options: BodyLimitOptions = {}): Promise<Uint8Array> {
    const { limit = defaultBodyLimit } = options;
    checkLimit(limit);
    this.#take();
    try {
      return await this.#readAll(limit);
    } catch (error) {
      await this.#exchange.abort(error as Error);
      throw error;
    }
  }

  /** The whole body as text, in the charset that its type names, else UTF-8. As {@link bytes}. */
  async text(options: BodyLimitOptions = {}): Promise<string> {
    const charset = /;\s*charset="?([^\s;"]+)/i.exec(this.headers.get("content-type") ?? "")?.[1];
    const bytes = await this.bytes(options);
    return decoderOf(charset).decode(bytes);
  }

  /**
   * The whole body as JSON. As {@link bytes}; its type is not looked at, nor that of the value.
   *
   * @throws {SyntaxError} If it is not JSON; an empty one is none.
   */
  async json<T = unknown>(options: BodyLimitOptions = {}): Promise<T> {
    const text = new TextDecoder().decode(await this.bytes(options));
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new SyntaxError(`Cannot read the answer to ${this.#exchange.label} as JSON: ${brief(text)}`, { cause });
    }
  }

  /**
   * Itself if it is {@link ok}; else it is closed.
   *
   * @throws {HttpStatusError} If the status is not 2xx.
   */
  async check(): Promise<this> {
    if (this.ok) return this;
    await this.close();
    throw this.statusError();
  }

  /**
   * Gives up what was not read. A connection on which little is to come is kept.
   *
   * Cancellation: Not a checkpoint on entry: it always begins; only the cut-off cuts its wait.
   */
  async close(): Promise<void> {
    try {
      if (this.#endsSoon()) await this.#exchange.endSoon();
    } finally {
      await this.body.close();
    }
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  statusError(): HttpStatusError {
    const { status, statusText, method, url } = this;
    const said = statusText === "" ? status : `${status} ${statusText}`;
    return new HttpStatusError(`${this.#exchange.label} was answered with ${said}`, { status, method, url });
  }

  #take(): void {
    if (this.#taken)
      throw new InvalidStateError(`Cannot read the body of ${this.#exchange.label}: it was read already`);
    this.#taken = true;
  }

  /** What says nothing of its length may be a stream without an end, unless it only says what went wrong. */
  #endsSoon(): boolean {
    if (hasNoBody(this.method, this.status)) return true;
    const length = this.headers.get("content-length");
    return length === null ? !this.ok : Number(length) <= smallBody;
  }

  async #readAll(limit: number): Promise<Uint8Array> {
    const announced = Number(this.headers.get("content-length") ?? 0);
    if (announced > limit && !this.headers.has("content-encoding") && !hasNoBody(this.method, this.status))
      throw this.#tooMuch(limit);
    const chunks: Uint8Array[] = [];
    let length = 0;
    for (let chunk = await this.body.read(); chunk !== undefined; chunk = await this.body.read()) {
      length += chunk.length;
      if (length > limit) throw this.#tooMuch(limit);
      chunks.push(chunk);
    }
    return joined(chunks, length);
  }

  #tooMuch(limit: number): LimitExceededError {
    return new LimitExceededError(`Cannot read the body of ${this.#exchange.label}: more than ${limit} bytes`, {
      limit,
    });
  }
}

/** Whether none can come, whatever the headers say. */
export function hasNoBody(method: string, status: number): boolean {
  return method === "HEAD" || status === 204 || status === 304;
}

function decoderOf(charset: string | undefined): TextDecoder {
  try {
    return new TextDecoder(charset);
  } catch {
    return new TextDecoder(); // a name that nobody knows
  }
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
