/** All that is used of undici, an optional peer: see DESIGN.md, section 2. */
import type { Readable } from "node:stream";
import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { InvalidStateError } from "../../errors.ts";
import { outside } from "../../lowlevel.ts";
import { checkProxies } from "./proxies.ts";

const undici = await import("undici").catch((cause: unknown) => {
  if ((cause as { code?: unknown }).code !== "ERR_MODULE_NOT_FOUND") throw cause;
  throw new Error("Cannot load tasktree/http/client: undici is not installed (npm install undici)", { cause });
});

/** What is sent on a connection. */
export interface Sent {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly origin: string;
  /** Names and values by turns. */
  readonly headers: string[];
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  readonly signal: AbortSignal;
}

/** What comes back, as soon as its headers are there. */
export interface Answered {
  readonly statusCode: number;
  readonly statusText: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
}

/** Something of undici that requests go through. */
export interface Dispatcher {
  request(sent: Sent): Promise<Answered>;
  /** What runs fails with `error`. */
  destroy(error: Error): Promise<void>;
}

export interface ConnectTo {
  readonly hostname: string;
  readonly port: string;
}
export type Connected = (...result: [error: null, socket: Socket] | [error: Error, socket: null]) => void;
/** Connects, and gives the socket before it is connected. */
export type Connector = (to: ConnectTo, connected: Connected) => Socket;

/** Times are kept by the client, on the run's clock. */
const untimed = { headersTimeout: 0, bodyTimeout: 0, pipelining: 1, allowH2: false } as const;

/** One connection to an origin at a time, made when it is needed. */
export function directLine(origin: string, connect: Connector, idleMs: number): Dispatcher {
  const { Client } = undici;
  // Without the second, a server's hint would lengthen the first.
  const options = { ...untimed, keepAliveTimeout: idleMs, keepAliveMaxTimeout: idleMs, connect: connect as never };
  return new Client(origin, options) as unknown as Dispatcher;
}

/** What is told of a connection through a proxy. */
export interface ProxiedEvents {
  /** A request is about to be written: everything on its way is connected. */
  readonly onConnected: () => void;
  /** A connection is there; of one through SOCKS that is not told. */
  readonly onSocket: (socket: Socket) => void;
}

/**
 * The same through the proxy that the environment names for the origin, if any.
 *
 * @throws {TypeError} If it names one by no URL.
 */
export function proxiedLine(
  tls: ConnectionOptions | undefined,
  idleMs: number,
  { onConnected, onSocket }: ProxiedEvents,
): Dispatcher {
  checkProxies("connect through a proxy");
  const { Client, EnvHttpProxyAgent } = undici;
  const kept = { ...untimed, keepAliveTimeout: idleMs, keepAliveMaxTimeout: idleMs };
  const direct = connectorOf({ ...tls });
  // Undici's own way makes of these a pool without a bound for each origin, with its own times.
  const factory = (origin: string | URL, { connect = direct }: { connect?: unknown }): unknown =>
    new Client(origin, { ...kept, connect: telling(connect as Connector, onSocket) as never });
  const agent = new EnvHttpProxyAgent({
    ...kept,
    connections: 1,
    connectTimeout: 0,
    factory: factory as never,
    ...(tls !== undefined && { requestTls: tls as never }),
  });
  return agent.compose((dispatch) => (sent, handler) => {
    const start = handler.onRequestStart;
    handler.onRequestStart = (...about) => {
      onConnected();
      start?.apply(handler, about);
    };
    return dispatch(sent, handler);
  }) as unknown as Dispatcher;
}

/**
 * Connects outside of the task that happens to be the first to need it. Tells of the socket when undici listens to it already:
 * who hears of its end may destroy what it belongs to.
 */
function telling(connect: Connector, onSocket: (socket: Socket) => void): Connector {
  return (to, connected) =>
    outside(() =>
      connect(to, (...result) => {
        connected(...result);
        if (result[0] === null) onSocket(result[1]);
      }),
    );
}

/** The status with which a proxy has refused a request; undefined if the error tells of something else. */
export function proxyStatusOf(error: Error): number | undefined {
  const said = /^Proxy (?:response|Authentication Required) \((\d{3})\)/.exec(error.message)?.[1];
  return said === undefined ? undefined : Number(said);
}

export function connectorOf(options: object): Connector {
  return undici.buildConnector({ ...options, allowH2: false, timeout: 0 }) as unknown as Connector;
}

/** One `Set-Cookie`; null if it is none. */
export interface SetCookie {
  readonly name: string;
  readonly value: string;
  readonly expires?: Date | number;
  readonly maxAge?: number;
  readonly domain?: string;
  readonly path?: string;
  readonly secure?: boolean;
}

export function parseSetCookie(text: string): SetCookie | null {
  return undici.parseCookie(text);
}

/** @throws {InvalidStateError} On Bun, whose `undici` is a stand-in without connections of its own. */
export function checkRuntime(): void {
  if (process.versions["bun"] === undefined) return;
  throw new InvalidStateError(
    "Cannot make an HTTP client on Bun: its undici has no connections; use the fetch of tasktree/ambient",
  );
}
