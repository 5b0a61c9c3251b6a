import { HttpError } from "../../errors.ts";
import { isReplayable, noBody, type RequestBody } from "./request-body.ts";

/** What goes out, one redirect after another. */
export interface Hop {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly body: RequestBody;
}

const redirects: readonly number[] = [301, 302, 303, 307, 308];

/** Headers that are for one origin. */
export const credentials: readonly string[] = ["authorization", "proxy-authorization", "cookie", "host"];

/** Headers that are about the body. */
const aboutBody = ["content-encoding", "content-language", "content-length", "content-location", "content-type"];

/**
 * Where an answer sends its caller, as the fetch standard has it (https://fetch.spec.whatwg.org/#http-redirect-fetch); undefined if
 * nowhere.
 *
 * @throws {HttpError} If it leads where a client cannot go, or wants a body again that is gone.
 */
export function redirectOf(hop: Hop, status: number, headers: Headers): Hop | undefined {
  const location = headers.get("location");
  if (!redirects.includes(status) || location === null) return undefined;
  const url = targetOf(asText(location), hop.url);
  const method = methodAfter(status, hop.method);
  const kept = new Headers(hop.headers);
  if (url.origin !== hop.url.origin) for (const name of credentials) kept.delete(name);
  if (method === hop.method) {
    if (!isReplayable(hop.body))
      throw new HttpError(`Cannot follow a redirect from ${hop.url.host}: the body was sent`);
    return { method, url, headers: kept, body: hop.body };
  }
  for (const name of aboutBody) kept.delete(name);
  return { method, url, headers: kept, body: noBody };
}

function methodAfter(status: number, method: string): string {
  if (status === 303) return method === "HEAD" ? "HEAD" : "GET";
  return method === "POST" && (status === 301 || status === 302) ? "GET" : method;
}

/** A header is bytes, one a character; who writes others than ASCII here means UTF-8. */
function asText(location: string): string {
  return Buffer.from(location, "latin1").toString("utf8");
}

function targetOf(location: string, from: URL): URL {
  const url = URL.parse(location, from);
  if (url === null || !["http:", "https:"].includes(url.protocol))
    throw new HttpError(`Cannot follow a redirect from ${from.host}: it leads to no URL of http or https`);
  if (url.username !== "" || url.password !== "")
    throw new HttpError(`Cannot follow a redirect from ${from.host}: it leads to a URL with a user in it`);
  if (url.hash === "") url.hash = from.hash;
  return url;
}
