import { ClosedError, HttpError, LimitExceededError, TimeoutError } from "../../errors.ts";
import { currentSignal, here, nearestDeadline, now, quiet, withCancelScope } from "../../lowlevel.ts";
import { formatTimeout } from "../deadline-header.ts";
import { again, mayRepeat, retryOptionsOf } from "./again.ts";
import { CookieJar } from "./cookie-jar.ts";
import { decompressed } from "./decompress.ts";
import type { Exchange } from "./exchange.ts";
import { tellIfForgotten } from "./forgotten.ts";
import { hasNoBody, HttpResponse } from "./http-response.ts";
import { Lines, type HttpClientStatistics } from "./lines.ts";
import {
  checkClient,
  checkDrain,
  checkRequest,
  connectionSettings,
  deadlineHeaderOf,
  defined,
  timeoutsOf,
  type CloseOptions,
  type HttpClientOptions,
  type HttpRequestOptions,
  type Timeouts,
} from "./options.ts";
import { redirectOf, type Hop } from "./redirect.ts";
import { isReplayable, requestBody } from "./request-body.ts";
import { headersOf, normalized, urlOf } from "./request-head.ts";
import { ResponseBody } from "./response-body.ts";
import { Running } from "./running.ts";
import { checkRuntime, type Answered } from "./undici.ts";

/** A request that is under way, as all its redirects and attempts see it. */
interface Call {
  readonly options: HttpRequestOptions;
  readonly timeouts: Timeouts;
  /** Of the caller, whose cancellation ends the answer's body too. */
  readonly signal: AbortSignal;
  readonly scope: ReturnType<typeof here>;
  readonly deadline: number;
  /** Whether it is in line for a connection. */
  inLine: boolean;
}

/**
 * Makes HTTP requests, through connections that it keeps and bounds: make one for a program or a service, not one for a request.
 *
 * It is nobody's: a task that makes one, or is the first to use it, may end before it. Close it: `await using`.
 *
 * @example
 * ```ts
 * import { HttpClient } from "tasktree/http/client";
 * import { createServer } from "node:http";
 * import { once } from "node:events";
 * import assert from "node:assert";
 * const server = createServer((_, response) => response.end('{"answer": 42}')).listen(0, "127.0.0.1");
 * await once(server, "listening");
 * const { port } = server.address() as { port: number };
 * {
 *   await using client = new HttpClient({ baseUrl: `http://127.0.0.1:${port}/` });
 *   const response = await client.get("things", { check: true });
 *   assert.deepEqual(await response.json(), { answer: 42 });
 * }
 * server.close();
 * ```
 */
export class HttpClient implements AsyncDisposable {
  readonly #options: HttpClientOptions;
  readonly #lines: Lines;
  readonly #jar: CookieJar | undefined;
  readonly #deadlineHeader: string | undefined;
  readonly #running = new Running();
  /** What failed before any server can have seen it. */
  readonly #unsent = new WeakSet<object>();
  #closed: ClosedError | undefined = undefined;

  /**
   * @throws {TypeError|RangeError} If an option is not what it should be.
   * @throws {InvalidStateError} On Bun, where undici has no connections.
   */
  constructor(options: HttpClientOptions = {}) {
    checkClient(options);
    checkRuntime();
    const { maxConnections = 100, maxConnectionsPerOrigin = maxConnections, cookies } = options;
    this.#options = options;
    this.#lines = new Lines(maxConnections, maxConnectionsPerOrigin, connectionSettings(options));
    this.#jar = cookies === true ? new CookieJar() : undefined;
    this.#deadlineHeader = deadlineHeaderOf(options);
  }

  /**
   * Makes a request; resolves when the answer's headers have come, after redirects and further attempts. Read the body to the end,
   * or close the answer.
   *
   * Nothing is sent twice unless `retry` says so; but what may be repeated goes out once more, at once, if the connection was
   * an old one that the server has closed meanwhile.
   *
   * Cancellation: Checkpoint, effects possible: if this call is cancelled, its connection is closed; the server may have had the
   * request. If the scope is cancelled later, while the body is not read to its end, that fails.
   *
   * @param url Absolute, or relative to `baseUrl`.
   * @throws {TimeoutError} If a phase, or the whole, took too long; the message says which.
   * @throws {BrokenError} If there was no connection, or it was lost; `cause` is the system's error.
   * @throws {HttpError} If it leads where the client may not go, or cannot.
   * @throws {HttpStatusError} If `check` is set and the status is not 2xx; if a proxy has refused it.
   * @throws {LimitExceededError} If there are more redirects than `redirects`, or more headers than 16 KiB.
   * @throws {ClosedError} If the client was closed before or during the call.
   * @throws {TypeError|RangeError} If an argument is not what it should be.
   */
  request(method: string, url: string | URL, options: HttpRequestOptions = {}): Promise<HttpResponse> {
    return quiet(() => this.#request(method, url, options));
  }

  /** As {@link request}. */
  get(url: string | URL, options?: HttpRequestOptions): Promise<HttpResponse> {
    return this.request("GET", url, options);
  }

  /** As {@link request}. */
  head(url: string | URL, options?: HttpRequestOptions): Promise<HttpResponse> {
    return this.request("HEAD", url, options);
  }

  /** As {@link request}. */
  post(url: string | URL, options?: HttpRequestOptions): Promise<HttpResponse> {
    return this.request("POST", url, options);
  }

  /** As {@link request}. */
  put(url: string | URL, options?: HttpRequestOptions): Promise<HttpResponse> {
    return this.request("PUT", url, options);
  }

  /** As {@link request}. */
  patch(url: string | URL, options?: HttpRequestOptions): Promise<HttpResponse> {
    return this.request("PATCH", url, options);
  }

  /** As {@link request}. */
  delete(url: string | URL, options?: HttpRequestOptions): Promise<HttpResponse> {
    return this.request("DELETE", url, options);
  }

  /**
   * Takes no more requests, waits until those that run have ended and their answers are read or closed, at most `drainMs`; then
   * aborts what is left. Requests that wait for a connection get a `ClosedError`. Once is enough.
   *
   * Cancellation: Not a checkpoint on entry: it always begins; only the cut-off cuts its wait, and then everything is aborted.
   *
   * @throws {TypeError|RangeError} If an option is not what it should be; then nothing is closed.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    checkDrain(options);
    const { drainMs = 5000 } = options;
    this.#refuse(undefined);
    try {
      await this.#running.drain(drainMs);
    } finally {
      await this.#end(undefined);
    }
  }

  /** Takes no more requests, and ends those that run: they fail with a `ClosedError` whose cause is `reason`. Not a checkpoint. */
  abort(reason?: unknown): void {
    this.#refuse(reason);
    void this.#end(reason);
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  statistics(): HttpClientStatistics {
    return this.#lines.statistics();
  }

  // --- a request

  async #request(method: string, given: string | URL, options: HttpRequestOptions): Promise<HttpResponse> {
    checkRequest(method, options);
    const url = urlOf(given, options.query, this.#options.baseUrl);
    const timeouts = timeoutsOf(this.#options.timeouts, options.timeouts);
    const deadline = now() + timeouts.total;
    const merged = { ...this.#options, ...defined(options) };
    const call: Call = {
      options: merged,
      timeouts,
      signal: currentSignal(),
      scope: here(),
      deadline,
      inLine: false,
    };
    const body = await requestBody(options);
    const hop: Hop = {
      method: normalized(method),
      url,
      headers: headersOf(url, this.#options, options, body.type),
      body,
    };
    const response = await this.#inTime(call, hop, () => this.#attempts(call, hop));
    return call.options.check === true ? response.check() : response;
  }

  /** The time for the whole; that for the body's part of it the exchange keeps. */
  async #inTime(call: Call, hop: Hop, fn: () => Promise<HttpResponse>): Promise<HttpResponse> {
    const { deadline, timeouts } = call;
    if (deadline === Infinity) return fn();
    let reached = false;
    const response = await withCancelScope(
      async (scope) => {
        try {
          return await fn();
        } finally {
          reached = scope.deadlineReached;
        }
      },
      { deadline, name: "total timeout" },
    );
    if (response !== undefined) return response;
    if (!reached) throw new ClosedError(`The request was called off: ${labelOf(hop)}`);
    const what = call.inLine ? `a free connection (${this.#lines.inUse()})` : "the whole answer";
    throw new TimeoutError(`Timed out after ${timeouts.total} ms waiting for ${what}: ${labelOf(hop)}`, { deadline });
  }

  #attempts(call: Call, hop: Hop): Promise<HttpResponse> {
    const retries = retryOptionsOf(call.options.retry);
    if (retries === undefined || !isReplayable(hop.body)) return this.#follow(call, hop);
    const repeatable = mayRepeat(hop.method, hop.headers, retries.methods);
    return again(
      () => this.#follow(call, hop),
      repeatable,
      (error) => this.#unsent.has(error as object),
      retries,
    );
  }

  async #follow(call: Call, first: Hop): Promise<HttpResponse> {
    const { redirects = 10 } = call.options;
    let hop = first;
    for (let followed = 0; ; followed++) {
      const response = await this.#send(call, hop);
      const next = redirects === 0 ? undefined : await closingOnError(response, () => nextOf(hop, response));
      if (next === undefined) return response;
      await response.close();
      if (followed === redirects)
        throw new LimitExceededError(`Cannot follow more than ${redirects} redirects from ${labelOf(first)}`, {
          limit: redirects,
        });
      hop = next;
    }
  }

  /** One request and its answer; once more, as long as what it went through had been closed before it came. */
  async #send(call: Call, hop: Hop): Promise<HttpResponse> {
    const headers = new Headers(hop.headers);
    const cookies = this.#jar?.headerFor(hop.url);
    if (cookies !== undefined && !headers.has("cookie")) headers.set("cookie", cookies);
    const { onRequest, onResponse } = this.#options;
    await onRequest?.({ method: hop.method, url: hop.url.href, headers });
    const begun = now();
    const response = await this.#exchange(call, { ...hop, headers });
    this.#jar?.keep(hop.url, response.headers);
    const { method, url, status } = response;
    if (onResponse !== undefined) {
      const ms = now() - begun;
      await closingOnError(response, () => onResponse({ method, url, status, headers: response.headers, ms }));
    }
    return response;
  }

  async #exchange(call: Call, hop: Hop): Promise<HttpResponse> {
    const repeatable = isReplayable(hop.body) && mayRepeat(hop.method, hop.headers);
    for (;;) {
      if (this.#closed !== undefined) throw this.#closed;
      call.inLine = true;
      const exchange = await this.#lines.take(hop.url.origin, (lease) =>
        this.#running.begin(lease, labelOf(hop), call.timeouts),
      );
      call.inLine = false;
      try {
        return await this.#through(exchange, call, hop);
      } catch (error) {
        if (repeatable && exchange.mayBeStale && !call.signal.aborted && isLost(error)) continue;
        if (exchange.isUnsent) this.#unsent.add(error as object);
        throw error;
      }
    }
  }

  async #through(exchange: Exchange, call: Call, hop: Hop): Promise<HttpResponse> {
    const { method, url, body } = hop;
    const answered = await exchange.answer(
      {
        method,
        path: url.pathname + url.search,
        origin: url.origin,
        headers: this.#sentHeaders(hop.headers),
        body: body.content,
        signal: call.signal,
      },
      call.deadline,
    );
    const headers = headersFrom(answered);
    const head = { method, url: url.href, status: answered.statusCode, statusText: answered.statusText, headers };
    const encoding = hasNoBody(method, head.status) || call.options.decompress === false ? null : encodingOf(headers);
    try {
      const read = decompressed(answered.body, encoding);
      exchange.watch(answered.body, read);
      tellIfForgotten(exchange, call.scope);
      return new HttpResponse(head, new ResponseBody(read, exchange), exchange);
    } catch (error) {
      answered.body.on("error", () => {});
      await exchange.abort(error as Error);
      throw error;
    }
  }

  #sentHeaders(headers: Headers): string[] {
    const left = this.#deadlineHeader === undefined ? undefined : formatTimeout(nearestDeadline() - now());
    const sent = [...headers].flat();
    if (left !== undefined && !headers.has(this.#deadlineHeader!)) sent.push(this.#deadlineHeader!, left);
    return sent;
  }

  // --- the end

  #refuse(reason: unknown): void {
    this.#closed ??= new ClosedError("Cannot request: the HTTP client is closed", { cause: reason });
    this.#lines.refuse(this.#closed);
  }

  async #end(reason: unknown): Promise<void> {
    const error = new ClosedError("The HTTP client was closed before the answer was read", { cause: reason });
    await this.#running.abort(error);
    await this.#lines.closeIdle();
  }
}

function labelOf({ method, url }: Hop): string {
  return `${method} ${url.origin}${url.pathname}`;
}

function nextOf(hop: Hop, response: HttpResponse): Hop | undefined {
  return redirectOf(hop, response.status, response.headers);
}

async function closingOnError<T>(response: HttpResponse, fn: () => T | PromiseLike<T>): Promise<T> {
  try {
    return await fn();
  } catch (error) {
    await response.close();
    throw error;
  }
}

function headersFrom({ headers }: Answered): Headers {
  const found = new Headers();
  for (const [name, value] of Object.entries(headers))
    for (const each of Array.isArray(value) ? value : [value]) if (each !== undefined) found.append(name, each);
  return found;
}

function encodingOf(headers: Headers): string | null {
  return headers.get("content-length") === "0" ? null : headers.get("content-encoding");
}

function isLost(error: unknown): boolean {
  return error instanceof Error && !(error instanceof HttpError) && error.name === "BrokenError";
}
