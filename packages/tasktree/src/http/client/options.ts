import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { brief, checkOptions } from "../../errors.ts";
import type { RetryOptions } from "../../flow/retry.ts";
import { isCount } from "../../internal/count.ts";
import type { ByteSource } from "../../streams/byte-stream.ts";
import { defaultDeadlineHeader } from "../deadline-header.ts";
import { isPublic, type Allowed } from "./addresses.ts";
import { checkProxies } from "./proxies.ts";

/** How long a phase may take, in milliseconds; Infinity for no bound. */
export interface HttpTimeouts {
  /** Until the connection is there; default 10,000. */
  readonly connect?: number;
  /** From then, or the last piece of the body sent, until the answer's headers are there; default 60,000. */
  readonly headers?: number;
  /** While somebody waits to read, until more of the body comes; default 60,000. */
  readonly body?: number;
  /** For everything: redirects, further attempts and pauses between them, and the body; default Infinity. */
  readonly total?: number;
}

/** When a request is made again, and how often. See {@link RetryOptions}. */
export interface HttpRetryOptions extends RetryOptions {
  /** The methods that may be repeated; default GET, HEAD, OPTIONS, TRACE, PUT, DELETE. With an `Idempotency-Key` any may. */
  readonly methods?: readonly string[];
  /** The statuses that are worth another attempt; default 429, 502, 503, 504. */
  readonly statuses?: readonly number[];
}

/** What a hook is told of a request that is about to be made: each attempt, each redirect. */
export interface HttpRequestInfo {
  readonly method: string;
  readonly url: string;
  /** May be changed. */
  readonly headers: Headers;
}

/** What a hook is told of an answer whose headers have come. */
export interface HttpResponseInfo {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly headers: Headers;
  /** From the request, hooks not counted, until its headers came, in milliseconds. */
  readonly ms: number;
}

/** What a body may be; of these all but the last two can be sent again. */
export type HttpBody =
  | string
  | ArrayBufferView
  | ArrayBuffer
  | URLSearchParams
  | FormData
  | Blob
  | ByteSource
  | AsyncIterable<Uint8Array | string>;

/** What may be said for all requests of a client, or for one. */
export interface HttpCommonOptions {
  /**
   * Those of a request are set over those of the client. Of a client with a `baseUrl`, `authorization`, `cookie`,
   * `proxy-authorization` and `host` go to the origin of that alone.
   */
  readonly headers?: HeadersInit;
  readonly timeouts?: HttpTimeouts;
  /** How many redirects are followed; 0: none, the answer is the redirect. Default 10. */
  readonly redirects?: number;
  /** `false` (the default): one attempt. A number: so many attempts. */
  readonly retry?: HttpRetryOptions | number | false;
  /** Whether a status other than 2xx is an `HttpStatusError`; default false. */
  readonly check?: boolean;
  /** Whether gzip, deflate, br and zstd are asked for and undone; default true. */
  readonly decompress?: boolean;
}

export interface HttpClientOptions extends HttpCommonOptions {
  /** What the URLs of requests are relative to, as the platform resolves them: end it with "/" if more is to follow. */
  readonly baseUrl?: string | URL;
  /** Whether cookies are kept and sent back; default false. */
  readonly cookies?: boolean;
  /** How many connections there are at most, idle ones too: a whole number from 1 (default 100), or Infinity. */
  readonly maxConnections?: number;
  /** The same for each origin; default as many as there may be. */
  readonly maxConnectionsPerOrigin?: number;
  /** How long a connection is kept that nobody uses, in milliseconds, unless the server says less; default 4,000. */
  readonly idleMs?: number;
  /** "public": only to addresses that are. A function: to those for which it gives `true` itself, at once. Default "any". */
  readonly addresses?: "any" | "public" | Allowed;
  /** "environment": by the proxies that HTTP_PROXY, HTTPS_PROXY and NO_PROXY name. Default: none. */
  readonly proxy?: "environment";
  /** For https: `ca`, `cert`, `key` … as Node takes them. */
  readonly tls?: ConnectionOptions;
  /**
   * The header that tells the server how much time is left until the nearest deadline, if there is one; default
   * "x-request-timeout". `false`: none.
   */
  readonly deadlineHeader?: string | false;
  /** Called, and awaited, before each request goes out, also by redirects and further attempts. */
  readonly onRequest?: (request: HttpRequestInfo) => unknown;
  /** Called, and awaited, when the headers of an answer have come, also of those that are followed or tried again. */
  readonly onResponse?: (response: HttpResponseInfo) => unknown;
}

export interface HttpRequestOptions extends HttpCommonOptions {
  /** `null`: none. */
  readonly body?: HttpBody | null;
  /** Sent as JSON, in place of `body`. */
  readonly json?: unknown;
  /** Added to the query of the URL; an array gives the name several times, undefined leaves it out. */
  readonly query?: Readonly<Record<string, QueryValue | readonly QueryValue[] | undefined>>;
}

export type QueryValue = string | number | boolean;

export interface BodyLimitOptions {
  /** More bytes than this, decompressed, are a `LimitExceededError`: a whole number from 1 (default 16 MiB), or Infinity. */
  readonly limit?: number;
}

export interface CloseOptions {
  /** How long what runs may take to end, in milliseconds; then it is aborted. Default 5,000. */
  readonly drainMs?: number;
}

export const defaultBodyLimit: number = 16 * 1024 * 1024;

export interface ConnectionSettings {
  readonly proxy: boolean;
  readonly allowed: Allowed | undefined;
  readonly tls: ConnectionOptions | undefined;
  readonly idleMs: number;
}

export type Timeouts = Required<HttpTimeouts>;

export function timeoutsOf(...given: readonly (HttpTimeouts | undefined)[]): Timeouts {
  return Object.assign({ connect: 10_000, headers: 60_000, body: 60_000, total: Infinity }, ...given.map(defined));
}

/** Without what is undefined: that is not given. */
export function defined<T extends object>(given: T | undefined): Partial<T> {
  return Object.fromEntries(Object.entries(given ?? {}).filter(([, value]) => value !== undefined)) as Partial<T>;
}

export function connectionSettings(options: HttpClientOptions): ConnectionSettings {
  const { addresses = "any", proxy, tls, idleMs = 4000 } = options;
  return {
    proxy: proxy !== undefined,
    allowed: addresses === "any" ? undefined : addresses === "public" ? isPublic : addresses,
    tls,
    idleMs,
  };
}

/** The name of the header; undefined for none. */
export function deadlineHeaderOf({ deadlineHeader = defaultDeadlineHeader }: HttpClientOptions): string | undefined {
  return deadlineHeader === false ? undefined : deadlineHeader;
}

export function checkClient(options: HttpClientOptions): void {
  const what = "make an HTTP client";
  checkOptions(what, options);
  checkCommon(what, options);
  const { addresses, proxy, baseUrl, idleMs, deadlineHeader } = options;
  for (const name of ["maxConnections", "maxConnectionsPerOrigin"] as const) checkCount(what, name, options[name], 1);
  checkTime(what, "idleMs", idleMs);
  if (idleMs === Infinity || idleMs === 0) throw wrong(what, "idleMs", idleMs, "a finite number above 0");
  checkFunctions(what, options, "onRequest", "onResponse");
  if (addresses !== undefined && addresses !== "any" && addresses !== "public" && typeof addresses !== "function")
    throw wrong(what, "addresses", addresses, '"any", "public" or a function');
  if (proxy !== undefined && proxy !== "environment") throw wrong(what, "proxy", proxy, '"environment"');
  if (proxy !== undefined) checkProxies(what);
  if (proxy !== undefined && addresses !== undefined && addresses !== "any")
    throw new TypeError(`Cannot ${what} with both addresses and proxy: the proxy looks names up, out of sight`);
  if (deadlineHeader !== undefined && deadlineHeader !== false) checkHeaderName(what, deadlineHeader);
  if (baseUrl !== undefined) checkUrl(URL.parse(baseUrl), baseUrl);
}

export function checkDrain(options: CloseOptions): void {
  const what = "close an HTTP client";
  checkOptions(what, options);
  checkTime(what, "drainMs", options.drainMs);
}

export function checkRequest(method: unknown, options: HttpRequestOptions): void {
  if (typeof method !== "string" || !/^[!#$%&'*+.^_`|~\w-]+$/.test(method) || method.toUpperCase() === "CONNECT")
    throw new TypeError(`Cannot request with method ${brief(method)}: wanted an HTTP method`);
  checkOptions("request", options);
  checkCommon("request", options);
  if (options.body !== undefined && options.body !== null && options.json !== undefined)
    throw new TypeError("Cannot request with both body and json: give one");
}

/** @throws {TypeError} If it is not one of HTTP, without a user in it. */
export function checkUrl(url: URL | null, given: unknown): asserts url is URL {
  const shown = brief(given instanceof URL ? given.href : given);
  if (url === null || !["http:", "https:"].includes(url.protocol))
    throw new TypeError(`Cannot request ${shown}: wanted an absolute URL of http or https, or a baseUrl`);
  if (url.username === "" && url.password === "") return;
  throw new TypeError(`Cannot request a URL of '${url.host}' with a user in it: give an authorization header`);
}

export function checkLimit(limit: unknown): void {
  checkCount("read a body", "limit", limit, 1);
}

function checkCommon(what: string, options: HttpCommonOptions): void {
  const { timeouts, redirects, retry } = options;
  if (timeouts !== undefined) {
    checkOptions(`${what}: timeouts`, timeouts);
    for (const [name, value] of Object.entries(timeouts)) checkTime(what, `timeouts.${name}`, value);
  }
  checkCount(what, "redirects", redirects, 0);
  if (typeof retry === "number") checkCount(what, "retry", retry, 1);
  else if (retry !== undefined && retry !== false) checkOptions(`${what}: retry`, retry);
}

function checkCount(what: string, name: string, value: unknown, least: number): void {
  if (value === undefined || isCount(value, least)) return;
  throw wrong(what, name, value, `a whole number from ${least}, or Infinity`);
}

function checkTime(what: string, name: string, value: unknown): void {
  if (value === undefined || (typeof value === "number" && value >= 0)) return;
  throw wrong(what, name, value, "milliseconds from 0");
}

function checkHeaderName(what: string, name: unknown): void {
  if (typeof name === "string" && /^[!#$%&'*+.^_`|~\w-]+$/.test(name)) return;
  throw wrong(what, "deadlineHeader", name, "the name of a header, or false");
}

function checkFunctions(what: string, options: object, ...names: readonly string[]): void {
  for (const name of names) {
    const given = (options as Record<string, unknown>)[name];
    if (given !== undefined && typeof given !== "function") throw wrong(what, name, given, "a function");
  }
}

function wrong(what: string, name: string, value: unknown, wanted: string): Error {
  const message = `Cannot ${what} with ${name} ${brief(value)}: wanted ${wanted}`;
  return typeof value === "number" ? new RangeError(message) : new TypeError(message);
}

/** Whether a host is written as an address. */
export function isAddress(hostname: string): boolean {
  return isIP(hostname.replace(/^\[|\]$/g, "")) !== 0;
}
