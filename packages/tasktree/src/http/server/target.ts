/** What a request asks for: its Host and its target as one URL, or nothing where they make none (RFC 9112, section 3.2). */
import type { IncomingMessage } from "node:http";
import { shown } from "../../net/check.ts";

/** Hosts that were found right: most requests name one of very few. */
const goodHosts = new Set<string>();
const mostHosts = 1000;

/** What may stand in an authority, without user and password. */
const authority = /^(?:[\w!$&'()*+,;=.~%-]+|\[[\da-fA-F:.]+\])(?::\d*)?$/;

function isGoodHost(host: string): boolean {
  if (goodHosts.has(host)) return true;
  if (!authority.test(host) || !URL.canParse(`http://${host}/`)) return false;
  if (goodHosts.size >= mostHosts) goodHosts.clear();
  goodHosts.add(host);
  return true;
}

const absolute = /^https?:\/\/([^/?#]*)/i;

/** Whether a request names one good Host, or none in HTTP/1.0, and a target that is a path, a URL of http or `*`. */
export function isGoodTarget(incoming: IncomingMessage): boolean {
  const { host } = incoming.headers;
  if (host === undefined ? incoming.httpVersion !== "1.0" : !isGoodHost(host)) return false;
  if (countOf("host", incoming.rawHeaders) > 1) return false;
  const { url = "" } = incoming;
  if (url.startsWith("/")) return true;
  if (url === "*") return incoming.method === "OPTIONS";
  const named = absolute.exec(url);
  return named !== null && isGoodHost(named[1]!) && URL.canParse(url);
}

function countOf(name: string, rawHeaders: readonly string[]): number {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const header = rawHeaders[i]!;
    if (header.length === name.length && header.toLowerCase() === name) count++;
  }
  return count;
}

/** The URL of a request whose target is good. Its scheme is what the request came by, whatever it says. A path is never taken for a host, whatever it begins with. */
export function urlOf(incoming: IncomingMessage, isSecure: boolean): string {
  const { url = "/" } = incoming;
  const scheme = isSecure ? "https" : "http";
  if (absolute.test(url)) return new URL(`${scheme}${url.slice(url.indexOf(":"))}`).href;
  const host = incoming.headers.host ?? "localhost";
  return new URL(`${scheme}://${host}${url === "*" ? "/*" : url}`).href;
}

const longestName = 100;

/** "GET /path", for reports: without the query, which may hold secrets. */
export function nameOf({
  method,
  url = "",
}: {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
}): string {
  const end = url.indexOf("?");
  const path = end === -1 ? url : url.slice(0, end);
  return path.length > longestName ? `${method} ${path.slice(0, longestName)}…` : `${method} ${path}`;
}

/** Who has sent a request: `127.0.0.1:50123`. */
export function peerOf({ socket }: IncomingMessage): string {
  return shown(socket.remoteAddress, socket.remotePort);
}

/** As the task of a connection is named that is to speak another protocol. */
export function upgradeNameOf(incoming: IncomingMessage): string {
  return `upgrade ${nameOf(incoming)} from ${peerOf(incoming)}`;
}
