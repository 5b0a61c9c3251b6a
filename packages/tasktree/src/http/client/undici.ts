/** All that is used of undici, an optional peer: see DESIGN.md, section 2. */
import type { Readable } from "node:stream";
import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { InvalidStateError } from "../../errors.ts";

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

/** The same through the proxy that the environment names for the origin, if any. */
export function proxiedLine(tls: ConnectionOptions | undefined, connectMs: number, idleMs: number): Dispatcher {
  const { EnvHttpProxyAgent } = undici;
  const timeout = Number.isFinite(connectMs) ? connectMs : 0;
  return new EnvHttpProxyAgent({
    ...untimed,
    connections: 1,
    keepAliveTimeout: idleMs,
    keepAliveMaxTimeout: idleMs,
    connectTimeout: timeout,
    ...(tls !== undefined && { requestTls: tls as never, connect: { ...tls, timeout } as never }),
  }) as unknown as Dispatcher;
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
