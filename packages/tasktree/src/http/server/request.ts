/**
 * The request as a handler gets it: a `Request` of the platform in all that can be asked of it, made as far as it is asked.
 *
 * The platform's own costs more than the rest of a short request (a signal, a list of headers, a URL). Its constructor and
 * `fetch()` take nothing but their own: for them there is `clone()`, or the parts (`fetch(url, { method, headers, body })`).
 * The road not taken: a `Request` of ours in place of the global one, as @hono/node-server does it.
 */
import type { IncomingMessage } from "node:http";
import { bound, type Scope } from "../../lowlevel.ts";
import { hasBody, type RequestBody } from "./request-body.ts";
import { urlOf } from "./target.ts";

export interface RequestParts {
  readonly incoming: IncomingMessage;
  readonly isSecure: boolean;
  readonly scope: Scope;
  readonly body: () => RequestBody;
}

type Bytes = Uint8Array<ArrayBuffer>;
type Way = "text" | "json" | "bytes" | "arrayBuffer" | "blob" | "formData";

/** What `console.log` and `util.inspect` look for. */
export const inspection: unique symbol = Symbol.for("nodejs.util.inspect.custom");

class ServerRequest {
  readonly #parts: RequestParts;
  #url: string | undefined = undefined;
  #headers: Headers | undefined = undefined;
  #stream: ReadableStream<Bytes> | null | undefined = undefined;
  #used = false;
  #platform: Request | undefined = undefined;

  constructor(parts: RequestParts) {
    this.#parts = parts;
  }

  get method(): string {
    return this.#parts.incoming.method!;
  }

  get url(): string {
    return (this.#url ??= urlOf(this.#parts.incoming, this.#parts.isSecure));
  }

  get headers(): Headers {
    return (this.#headers ??= headersOf(this.#parts.incoming.rawHeaders));
  }

  get signal(): AbortSignal {
    return this.#parts.scope.signal;
  }

  get duplex(): "half" {
    return "half";
  }

  get body(): ReadableStream<Bytes> | null {
    if (this.#platform !== undefined) return this.#platform.body;
    return this.#ownStream();
  }

  get bodyUsed(): boolean {
    return this.#used || this.#platform?.bodyUsed === true;
  }

  text(): Promise<string> {
    return this.#readAll("text", (bytes) => new TextDecoder().decode(bytes));
  }

  json(): Promise<unknown> {
    return this.#readAll("json", (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as unknown);
  }

  bytes(): Promise<Bytes> {
    return this.#readAll("bytes", (bytes) => bytes);
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#readAll("arrayBuffer", (bytes) => bytes.buffer);
  }

  blob(): Promise<Blob> {
    const type = this.headers.get("content-type") ?? "";
    return this.#readAll("blob", (bytes) => new Blob([bytes], { type }));
  }

  formData(): Promise<FormData> {
    const { headers } = this;
    return this.#readAll("formData", (bytes) =>
      new Response(bytes, { headers: { "content-type": headers.get("content-type") ?? "" } }).formData(),
    );
  }

  clone(): Request {
    return this.platform.clone();
  }

  /** The platform's own would look for what only its own hold. */
  [inspection](depth: number, options: object, show: (value: unknown, options: object) => string): string {
    const { method, url, bodyUsed } = this;
    const headers = Object.fromEntries(this.headers);
    return `Request ${show({ method, url, headers, bodyUsed }, { ...options, depth })}`;
  }

  /** The platform's own, which has the body from now on. @internal */
  get platform(): Request {
    if (this.#platform !== undefined) return this.#platform;
    if (this.#used) throw unusable();
    const { method, headers, signal } = this;
    // `duplex` is the platform's, but not in the types of the DOM.
    const init = { method, headers, signal, body: this.#ownStream(), duplex: "half" };
    return (this.#platform = new Request(this.url, init));
  }

  #ownStream(): ReadableStream<Bytes> | null {
    if (this.#stream !== undefined) return this.#stream;
    const { incoming, body } = this.#parts;
    return (this.#stream = carriesBody(incoming) ? this.#streamOf(body()) : null);
  }

  #streamOf(body: RequestBody): ReadableStream<Bytes> {
    const pull = bound(async (controller: ReadableStreamDefaultController<Bytes>) => {
      this.#used = true;
      const chunk = await body.read();
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk as Bytes);
    });
    return new ReadableStream({ pull, cancel: () => void (this.#used = true) }, { highWaterMark: 0 });
  }

  /** A client that leaves, or sends too much, must not end the process of somebody who does not wait for the body after all. */
  #readAll<T>(how: Way, make: (bytes: Bytes) => T | Promise<T>): Promise<T> {
    const reading = this.#read(how, make);
    reading.catch(ignore);
    return reading;
  }

  async #read<T>(how: Way, make: (bytes: Bytes) => T | Promise<T>): Promise<T> {
    if (this.#platform !== undefined) return (await this.#platform[how]()) as T;
    if (this.#used || this.#stream?.locked === true) throw unusable();
    const { incoming, body } = this.#parts;
    if (!carriesBody(incoming)) return make(new Uint8Array());
    this.#used = true;
    return make(await body().readAll());
  }
}

/** The platform has no body in requests of these. */
function carriesBody(incoming: IncomingMessage): boolean {
  return incoming.method !== "GET" && incoming.method !== "HEAD" && hasBody(incoming);
}

function unusable(): TypeError {
  return new TypeError("Cannot read the body of the request: it was read already");
}

function headersOf(rawHeaders: readonly string[]): Headers {
  const headers = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i]!, rawHeaders[i + 1]!);
  return headers;
}

let plain: Request | undefined;

// What else there is: what it says is the same in all requests that come to a server, what it does takes the platform's own.
for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(Request.prototype))) {
  if (Object.hasOwn(ServerRequest.prototype, name)) continue;
  const constant = (): unknown => Reflect.get((plain ??= new Request("http://localhost/")), name);
  function method(this: ServerRequest, ...args: unknown[]): unknown {
    const { platform } = this;
    return (Reflect.get(platform, name) as (...args: unknown[]) => unknown).apply(platform, args);
  }
  const property = get === undefined ? { value: method, writable: true } : { get: constant };
  Object.defineProperty(ServerRequest.prototype, name, { configurable: true, enumerable: true, ...property });
}
Object.setPrototypeOf(ServerRequest.prototype, Request.prototype);

function ignore(): void {}

export function requestOf(parts: RequestParts): Request {
  return new ServerRequest(parts) as unknown as Request;
}

/** The platform's own in place of what {@link requestOf} gave. */
export function platformRequest(request: Request): Request {
  return (request as unknown as ServerRequest).platform;
}
