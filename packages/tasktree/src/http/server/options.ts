import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { brief, checkOptions } from "../../errors.ts";
import { currentTask } from "../../lowlevel.ts";
import { isCount } from "../../internal/count.ts";
import { checkAddress, checkAmount } from "../../net/check.ts";
import type { TlsServerOptions } from "../../net/tls.ts";
import type { RequestFacts } from "./exchange.ts";
import type { HttpListener } from "./host.ts";

/** What answers a request, in a task of its own. */
export type HttpHandler = (request: Request, facts: RequestFacts) => Response | Promise<Response>;

/**
 * Takes over a connection whose client has asked for another protocol, in a task of its own. When it returns or throws, the
 * connection is closed; when the connection is lost, it is cancelled. The client's end is for it to read, and to answer.
 */
export interface UpgradeHandler {
  (request: IncomingMessage, socket: Duplex, head: Uint8Array): unknown;
  /** The protocols that it takes, as the header `Upgrade` names them, in lower case. Default: `["websocket"]`. */
  readonly protocols?: readonly string[];
}

export interface ServeHttpOptions {
  /** From 1 to 65,535, or 0 for one that is free; see the listener's `port`. */
  readonly port: number;
  /** The address to listen on; default 127.0.0.1, where only this machine can reach it. "0.0.0.0" and "::" mean everywhere. */
  readonly host?: string;
  /** How many connections may wait to be accepted; default 511. */
  readonly backlog?: number;
  /** With a certificate and its key: HTTPS. */
  readonly tls?: TlsServerOptions;
  /** Called when requests can come: `group.start((started) => serveHttp(handler, { port: 0, started }))`. */
  readonly started?: (listener: HttpListener) => void;
  /**
   * Gets what a handler, or the body of its response, has thrown; the client gets no more than "500 Internal Server Error". What
   * this throws itself ends the server. Default: the error is printed on standard error, with the task's path.
   */
  readonly onError?: (error: unknown, request: Request | undefined) => void;
  /**
   * Takes over connections that ask for one of its `protocols`, for WebSocket unless it names others. Who asks for another (`h2c`, say)
   * is answered as if he had not. Default: requests for WebSocket get 400.
   */
  readonly upgrade?: UpgradeHandler;

  /** So many connections at a time; more are closed at once. Default 10,000. */
  readonly maxConnections?: number;
  /** So many requests at a time: more are refused with `busyStatus`. Default 10,000. */
  readonly maxRequests?: number;
  /** 503 (default), or 429 where it is the client who asks for too much. */
  readonly busyStatus?: 503 | 429;
  /** After how many seconds a client that was refused may ask again: the header Retry-After. Default 1. */
  readonly retryAfter?: number;
  /** How long the headers of a request may be, all in all, in bytes: more are refused with 431. Default 16,384. */
  readonly maxHeaderSize?: number;
  /** How long the body of a request may be, in bytes: a longer one is refused with 413. Default 10 MiB. */
  readonly maxBody?: number;

  /** How long the headers of a request may take to come, in milliseconds; then it is refused with 408. Default 20,000. */
  readonly headersTimeout?: number;
  /** How long a request may take to come, with its body. Default 300,000. */
  readonly receiveTimeout?: number;
  /** How long a request may take, from its headers to the end of the response; then it is cancelled, and answered with 504. Default: Infinity. */
  readonly requestTimeout?: number;
  /**
   * How long a client may take to make room for the next 64 KiB of a response, or an upgraded connection to take what is left when
   * its handler has ended; then it is disconnected. Default 60,000.
   */
  readonly sendTimeout?: number;
  /** How long a connection is kept on which nothing is asked. Default 5,000. */
  readonly idleTimeout?: number;
  /**
   * The header in which a client says how long it will wait, as `HttpClient` does ("x-request-timeout"); the sooner of that and
   * `requestTimeout` counts. Default: none.
   */
  readonly deadlineHeader?: string;
}

type Settings = Omit<Required<ServeHttpOptions>, "tls" | "started" | "upgrade" | "deadlineHeader">;

export interface CheckedOptions extends Settings {
  readonly tls: TlsServerOptions | undefined;
  readonly started: ServeHttpOptions["started"];
  readonly upgrade: UpgradeHandler | undefined;
  readonly deadlineHeader: string | undefined;
}

const amounts = ["backlog", "maxConnections", "maxRequests", "maxHeaderSize"] as const;
const times = ["headersTimeout", "receiveTimeout", "requestTimeout", "sendTimeout", "idleTimeout"] as const;

/** @throws {TypeError} @throws {RangeError} If the handler or an option is not what it should be. */
export function checkedOptions(handler: unknown, options: ServeHttpOptions): CheckedOptions {
  if (typeof handler !== "function") throw new TypeError(`Cannot serve with ${brief(handler)}: wanted a function`);
  checkOptions("serve", options);
  const { tls, started, upgrade, deadlineHeader, ...others } = options;
  const given = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined));
  const settings: Settings = { ...defaults, port: options.port, ...given };
  checkAddress("listen on", settings.host, settings.port, 0);
  for (const name of amounts) checkAmount("serve", name, settings[name]);
  for (const name of times) checkTime(name, settings[name]);
  if (!isCount(settings.maxBody, 0)) throw wrong("maxBody", settings.maxBody, "a whole number from 0, or Infinity");
  if (!isCount(settings.retryAfter, 0) || settings.retryAfter === Infinity)
    throw wrong("retryAfter", settings.retryAfter, "a whole number of seconds from 0");
  if (settings.busyStatus !== 503 && settings.busyStatus !== 429)
    throw wrong("busyStatus", settings.busyStatus, "503 or 429");
  for (const [name, value] of Object.entries({ started, upgrade, onError: settings.onError })) {
    if (value !== undefined && typeof value !== "function") throw notFunction(name, value);
  }
  if (deadlineHeader !== undefined && typeof deadlineHeader !== "string")
    throw new TypeError(`Cannot serve with deadlineHeader ${brief(deadlineHeader)}: wanted the name of a header`);
  return { ...settings, tls, started, upgrade, deadlineHeader: deadlineHeader?.toLowerCase() };
}

const defaults: Omit<Settings, "port"> = {
  host: "127.0.0.1",
  backlog: 511,
  onError: (error) => console.error(`${currentTask()?.path ?? "server"} failed:`, error),
  maxConnections: 10_000,
  maxRequests: 10_000,
  busyStatus: 503,
  retryAfter: 1,
  maxHeaderSize: 16_384,
  maxBody: 10 * 1_048_576,
  headersTimeout: 20_000,
  receiveTimeout: 300_000,
  requestTimeout: Infinity,
  sendTimeout: 60_000,
  idleTimeout: 5000,
};

function checkTime(name: string, value: unknown): void {
  if (typeof value === "number" && value > 0) return;
  throw wrong(name, value, "milliseconds, more than 0");
}

function wrong(name: string, value: unknown, wanted: string): RangeError {
  return new RangeError(`Cannot serve with ${name} ${brief(value)}: wanted ${wanted}`);
}

export function notFunction(name: string, value: unknown): TypeError {
  return new TypeError(`Cannot serve with ${name} ${brief(value)}: wanted a function`);
}
