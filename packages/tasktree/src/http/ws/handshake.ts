/** Whether a request may become a WebSocket, and what it is answered if not. */
import { STATUS_CODES, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { isGoodTarget } from "../server/target.ts";

export interface AdmissionRules {
  /** Undefined for any. */
  readonly path: string | undefined;
  /** Undefined for the one that the request was sent to. */
  readonly origins: readonly string[] | "any" | undefined;
}

/** The status with which a request is refused; undefined if it is not. */
export function whyNotAdmitted(request: IncomingMessage, rules: AdmissionRules): number | undefined {
  if (!isGoodTarget(request) || request.httpVersion === "1.0") return 400;
  if (rules.path !== undefined && pathOf(request) !== rules.path) return 404;
  if (!asksForWebSocket(request) || request.headers["sec-websocket-version"] !== "13") return 426;
  return isGoodOrigin(request, rules.origins) ? undefined : 403;
}

export function asksForWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === "websocket";
}

/** Without the query. The target must be good. */
export function pathOf({ url = "/" }: IncomingMessage): string {
  return new URL(url.startsWith("/") ? `http://host${url}` : url).pathname;
}

/** An origin as browsers write it; undefined if there is none in `text`. */
export function originIn(text: string): string | undefined {
  if (text === "null") return text;
  if (!URL.canParse(text)) return undefined;
  const { origin, protocol, host } = new URL(text.replace(/^ws(?=s?:)/i, "http"));
  if (origin !== "null") return origin;
  return host === "" ? undefined : `${protocol}//${host}`;
}

/** Only browsers say where they come from, and they say the truth: it is their users who are kept from being used. */
function isGoodOrigin({ headers }: IncomingMessage, origins: AdmissionRules["origins"]): boolean {
  const { origin, host } = headers;
  if (origin === undefined || origins === "any") return true;
  if (origins !== undefined) return origins.includes(origin);
  if (host === undefined || !/^https?:/i.test(origin) || !URL.canParse(origin)) return false;
  // Which scheme the request came by is not known behind a proxy: the ports that they stand for count as none.
  const from = new URL(origin);
  return from.host === new URL(`${from.protocol}//${host}`).host;
}

/** Answers, and closes the connection. */
export function refuse(socket: Duplex, status: number): void {
  if (socket.destroyed || socket.writableEnded) return;
  const text = `${status} ${STATUS_CODES[status] ?? "Refused"}`;
  const more = status === 426 ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" : "";
  const head = `HTTP/1.1 ${text}\r\n${more}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: ${text.length}`;
  socket.end(`${head}\r\n\r\n${text}`, () => socket.destroy());
}
