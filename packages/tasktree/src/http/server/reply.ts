/**
 * A response that is there as a whole. The platform's makes a stream of every text, which costs more than the rest of a short
 * request; this one makes a `Response` of the platform when it is asked for what only that has.
 */
import { brief, isObject } from "../../errors.ts";
import { inspection } from "./request.ts";

export interface ReplyInit {
  /** From 200 to 599; default 200. */
  readonly status?: number;
  readonly statusText?: string;
  readonly headers?: HeadersInit;
}

type Whole = string | Uint8Array<ArrayBuffer>;

class Reply {
  readonly status: number;
  readonly statusText: string;
  readonly #body: Whole;
  readonly #type: string | undefined;
  readonly #given: HeadersInit | undefined;
  #headers: Headers | undefined = undefined;
  #platform: Response | undefined = undefined;

  constructor(body: Whole, { status = 200, statusText = "", headers }: ReplyInit, type: string | undefined) {
    this.status = status;
    this.statusText = statusText;
    this.#body = body;
    this.#type = type;
    this.#given = headers;
  }

  get ok(): boolean {
    return this.status < 300;
  }

  get headers(): Headers {
    if (this.#headers !== undefined) return this.#headers;
    const headers = new Headers(this.#given);
    if (this.#type !== undefined && !headers.has("content-type")) headers.set("content-type", this.#type);
    return (this.#headers = headers);
  }

  /** The platform's own would look for what only its own hold. */
  [inspection](depth: number, options: object, show: (value: unknown, options: object) => string): string {
    const { status, statusText } = this;
    const headers = Object.fromEntries(this.headers);
    return `Response ${show({ status, statusText, headers }, { ...options, depth })}`;
  }

  /** The platform's own, which has the body from now on. */
  get platform(): Response {
    const { status, statusText } = this;
    const headers = Object.fromEntries(this.headers);
    return (this.#platform ??= new Response(this.#body, { status, statusText, headers }));
  }

  /** What there is to send, as long as nobody has asked for the platform's. */
  static partsOf(value: unknown): ReplyParts | undefined {
    if (!isObject(value) || !(#body in value) || value.#platform !== undefined) return undefined;
    const simple = value.#headers === undefined && value.#given === undefined;
    return { body: value.#body, type: value.#type, headers: simple ? undefined : value.headers };
  }
}

export interface ReplyParts {
  readonly body: Whole;
  readonly type: string | undefined;
  /** Undefined if there are none but the type. */
  readonly headers: Headers | undefined;
}

/** What a reply is made of, if nobody has looked at it as a `Response`; undefined for anything else. */
export function partsOfReply(value: unknown): ReplyParts | undefined {
  return Reply.partsOf(value);
}

for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(Response.prototype))) {
  if (Object.hasOwn(Reply.prototype, name)) continue;
  function value(this: Reply): unknown {
    return Reflect.get(this.platform, name);
  }
  function method(this: Reply, ...args: unknown[]): unknown {
    const { platform } = this;
    return (Reflect.get(platform, name) as (...args: unknown[]) => unknown).apply(platform, args);
  }
  const property = get === undefined ? { value: method, writable: true } : { get: value };
  Object.defineProperty(Reply.prototype, name, { configurable: true, enumerable: true, ...property });
}
Object.setPrototypeOf(Reply.prototype, Response.prototype);

/**
 * A `Response` of text or bytes, as `new Response(body, init)`, for a server that answers many short requests: it takes a fraction
 * of the time.
 *
 * @throws {TypeError} If the body is neither text nor a Uint8Array, or `statusText` is none that can be sent.
 * @throws {RangeError} If the status is none that has a body.
 * @example
 * ```ts
 * import { reply } from "tasktree/http";
 * import assert from "node:assert";
 * const response = reply("Not here", { status: 404 });
 * assert.equal(response.headers.get("content-type"), "text/plain;charset=UTF-8");
 * assert.equal(await response.text(), "Not here");
 * ```
 */
export function reply(body: string | Uint8Array<ArrayBuffer>, init: ReplyInit = {}): Response {
  if (typeof body !== "string" && !(body instanceof Uint8Array))
    throw new TypeError(`Cannot reply with ${brief(body)}: wanted a string or a Uint8Array`);
  return made(body, init, typeof body === "string" ? "text/plain;charset=UTF-8" : undefined);
}

/**
 * A `Response` that holds a value as JSON, as `Response.json(value, init)`: see {@link reply}.
 *
 * @throws {TypeError} If JSON has no text for the value, or `statusText` is none that can be sent.
 */
export function replyJson(value: unknown, init: ReplyInit = {}): Response {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`Cannot reply with ${brief(value)}: JSON has no text for it`);
  return made(text, init, "application/json");
}

/** RFC 9112, section 4. */
const reasonPhrase = /^[\t -~\x80-\xff]*$/;
const withoutBody = new Set([204, 205, 304]);

function made(body: Whole, init: ReplyInit, type: string | undefined): Response {
  const { status = 200, statusText = "" } = init;
  if (!Number.isInteger(status) || status < 200 || status > 599 || withoutBody.has(status))
    throw new RangeError(`Cannot reply with status ${brief(status)}: wanted one from 200 to 599 that has a body`);
  if (typeof statusText !== "string" || !reasonPhrase.test(statusText))
    throw new TypeError(`Cannot reply with statusText ${brief(statusText)}: wanted Latin-1 text of one line`);
  return new Reply(body, init, type) as unknown as Response;
}
