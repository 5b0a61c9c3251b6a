import type { IncomingMessage } from "node:http";
import { brief, checkOptions } from "../../errors.ts";
import { checkAmount } from "../../net/check.ts";
import { originIn, type AdmissionRules } from "./handshake.ts";
import {
  checkedLimits,
  checkNames,
  checkProtocols,
  checkTime,
  type CheckedLimits,
  type WebSocketLimits,
  type WhenFull,
} from "./options.ts";
import type { WebSocketConnection } from "./web-socket-connection.ts";

export interface WebSocketServerOptions extends WebSocketLimits {
  /** Requests for another path are refused with 404. Default: all are taken. */
  readonly path?: string;
  /**
   * From the pages of which sites browsers may connect: `["https://example.com"]`, or "any". Others are refused with 403. Default:
   * the site that the request was sent to, its `Host`. Clients other than browsers give no origin, and are let in.
   */
  readonly origins?: readonly string[] | "any";
  /** The subprotocols that are spoken here, best first. Default: none. */
  readonly protocols?: readonly string[];
  /**
   * Looks at a request before it is taken: a status from 400 to 599 (401, say) refuses it, undefined lets it in. If it fails, or gives
   * anything else: 500, and `onError`.
   */
  readonly check?: (request: IncomingMessage) => number | undefined | Promise<number | undefined>;
  /** How long `check` may take, in milliseconds; then the client gets 503, `check` is cancelled, and `onError` told. Default 10,000. */
  readonly checkTimeout?: number;
  /** Lets messages be compressed (permessage-deflate); it costs memory for each connection. Default: false. */
  readonly compress?: boolean;
  /** What happens when more comes than `receiveBuffer`. A handler that only sends takes "drop oldest". Default: "wait". */
  readonly whenFull?: WhenFull;
  /** So many connections at a time, those that are being checked included: more are refused with 503. Default 10,000. */
  readonly maxConnections?: number;
  /** After how long a silence, at most twice that, a client is asked whether it is there, in milliseconds. Default 30,000. */
  readonly pingInterval?: number;
  /** How long it may take to answer; then the connection is lost. Default 20,000. */
  readonly pingTimeout?: number;
  /** How long a handler may go on after the client has said good-bye; then it is cancelled. Default 10,000. */
  readonly afterClose?: number;
  /**
   * Gets what a handler, `check` or the handshake has thrown; after a handler has, the client gets close code 1011. What this throws
   * itself goes to `onError` of `serveHttp`, or ends `serveWebSocket`.
   */
  readonly onError?: (error: unknown, socket: WebSocketConnection | undefined) => void;
}

export interface CheckedServerOptions {
  readonly rules: AdmissionRules;
  readonly limits: CheckedLimits;
  readonly protocols: readonly string[];
  readonly compress: boolean;
  readonly maxConnections: number;
  readonly check: WebSocketServerOptions["check"];
  readonly onError: WebSocketServerOptions["onError"];
  readonly times: { readonly [name in "pingInterval" | "pingTimeout" | "afterClose" | "checkTimeout"]: number };
}

const what = "serve WebSocket";

const otherNames = { origin: "origins", perMessageDeflate: "compress", verifyClient: "check" };

/** @throws {TypeError} @throws {RangeError} If the handler or an option is not what it should be. */
export function checkedServerOptions(handler: unknown, options: WebSocketServerOptions): CheckedServerOptions {
  if (typeof handler !== "function")
    throw new TypeError(`Cannot serve WebSocket with ${brief(handler)}: wanted a function`);
  checkOptions(what, options);
  checkNames(what, options, otherNames);
  const { path, origins, protocols = [], compress = false, maxConnections = 10_000, check, onError } = options;
  const { pingInterval = 30_000, pingTimeout = 20_000, afterClose = 10_000, checkTimeout = 10_000 } = options;
  checkPath(path);
  checkOrigins(origins);
  checkProtocols(what, protocols);
  checkFunctions({ check, onError });
  checkAmount(what, "maxConnections", maxConnections);
  const times = { pingInterval, pingTimeout, afterClose, checkTimeout };
  for (const [name, value] of Object.entries(times)) checkTime(what, name, value);
  const limits = checkedLimits(what, options, { receiveBuffer: 65_536, whenFull: ["wait", "drop oldest", "fail"] });
  return { rules: { path, origins }, limits, protocols, compress, maxConnections, check, onError, times };
}

/** What a request never names would be served to nobody. */
function checkPath(path: unknown): void {
  if (path === undefined) return;
  const fail = (wanted: string): never => {
    throw new TypeError(`Cannot serve WebSocket with path ${brief(path)}: wanted ${wanted}`);
  };
  if (typeof path !== "string" || !path.startsWith("/")) return fail("one that begins with a /");
  const { pathname } = new URL(`http://host${path}`);
  if (pathname !== path) fail(`${JSON.stringify(pathname)}, as requests name it`);
}

function checkOrigins(origins: unknown): void {
  if (origins === undefined || origins === "any") return;
  const fail = (value: unknown, wanted: string): never => {
    throw new TypeError(`Cannot serve WebSocket with origins ${brief(value)}: wanted ${wanted}`);
  };
  const usual = '["https://example.com"], say, or "any"';
  if (!Array.isArray(origins)) return fail(origins, usual);
  for (const origin of origins) {
    const asWritten = typeof origin === "string" ? originIn(origin) : undefined;
    if (asWritten === undefined) fail(origin, usual);
    if (asWritten !== origin) fail(origin, `${JSON.stringify(asWritten)}, as browsers write it`);
  }
}

function checkFunctions(given: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && typeof value !== "function")
      throw new TypeError(`Cannot serve WebSocket with ${name} ${brief(value)}: wanted a function`);
  }
}
