/** What a request says before its body: method, URL, headers. */
import { acceptedEncodings } from "./decompress.ts";
import { checkUrl, type HttpClientOptions, type HttpRequestOptions } from "./options.ts";
import { credentials } from "./redirect.ts";

/** The fetch standard's: these are meant however they are written. */
export function normalized(method: string): string {
  const upper = method.toUpperCase();
  return ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"].includes(upper) ? upper : method;
}

/** @throws {TypeError} If it is none of HTTP. */
export function urlOf(
  given: string | URL,
  query: HttpRequestOptions["query"],
  baseUrl: HttpClientOptions["baseUrl"],
): URL {
  const url = baseUrl === undefined ? URL.parse(given) : URL.parse(given, baseUrl);
  checkUrl(url, given);
  for (const [name, value] of Object.entries(query ?? {}))
    for (const each of Array.isArray(value) ? value : [value])
      if (each !== undefined) url.searchParams.append(name, String(each));
  return url;
}

/** Those of the request over those of the client, and what nobody has said; `type` is what the body is by itself. */
export function headersOf(
  url: URL,
  ofClient: HttpClientOptions,
  ofRequest: HttpRequestOptions,
  type: string | undefined,
): Headers {
  const headers = ownHeaders(url, ofClient);
  for (const [name, value] of new Headers(ofRequest.headers)) headers.set(name, value);
  if (type !== undefined && !headers.has("content-type")) headers.set("content-type", type);
  if (!headers.has("accept")) headers.set("accept", "*/*");
  if (!headers.has("user-agent")) headers.set("user-agent", "tasktree");
  const { decompress = ofClient.decompress } = ofRequest;
  // Of what is compressed the server would give a part of that, which is none of anything.
  const encodings = headers.has("range") ? "identity" : acceptedEncodings;
  if (decompress !== false && !headers.has("accept-encoding")) headers.set("accept-encoding", encodings);
  return headers;
}

/** Those of the client. What tells the origin of its `baseUrl` who it is tells no other, however `url` was written. */
function ownHeaders(url: URL, { baseUrl, headers: given }: HttpClientOptions): Headers {
  const headers = new Headers(given);
  if (baseUrl !== undefined && new URL(baseUrl).origin !== url.origin)
    for (const name of credentials) headers.delete(name);
  return headers;
}
