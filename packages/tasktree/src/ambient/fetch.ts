import { isObject } from "../errors.ts";
import { joined, waited } from "./call.ts";
import { imported, type Ambient, type Family } from "./platform.ts";

const fetched: Ambient = (real, [input, init]) =>
  waited(
    () => describe(input, init as RequestInit | undefined),
    // what is no object the platform refuses
    (signal) => real(input, isObject(init ?? {}) ? cutBy(signal, input, init ?? {}) : init) as Promise<Response>,
  );

type Init = Readonly<Record<string, unknown>>;

function cutBy(signal: AbortSignal, input: unknown, init: object): Init {
  const copy = copied(init as Init);
  // null is a signal too: none, in place of the request's
  const given = copy["signal"] === undefined ? (input as { signal?: unknown } | undefined)?.signal : copy["signal"];
  return { ...copy, signal: joined(given, signal) };
}

/** What `fetch` reads of its second argument; "dispatcher" is undici's. */
const members = [
  ...["body", "cache", "credentials", "dispatcher", "duplex", "headers", "integrity", "keepalive", "method", "mode"],
  ...["priority", "redirect", "referrer", "referrerPolicy", "signal", "window"],
];

/** By name, since those of a `Request`, which may stand there, are not its own. */
function copied(init: Init): Init {
  const inherited = members.filter((name) => !Object.hasOwn(init, name) && init[name] !== undefined);
  return { ...Object.fromEntries(inherited.map((name) => [name, init[name]])), ...init };
}

/** Without what may be secret: user, password, query. */
function describe(input: unknown, init: RequestInit | undefined): string {
  const request = input instanceof Request ? input : undefined;
  const url = URL.parse(request?.url ?? String(input));
  return `fetch ${init?.method ?? request?.method ?? "GET"} ${url === null ? "" : url.origin + url.pathname}`;
}

export const fetchFamily: Family<typeof globalThis> = { owner: globalThis, functions: { fetch: fetched } };

/**
 * The platform's `fetch`. Inside of a scope, a cancellation aborts the request, and the body of its answer while that is read.
 *
 * Cancellation: Checkpoint, effects possible: the server may have had the request.
 *
 * @example
 * ```ts
 * import { failAfter } from "tasktree";
 * import { fetch } from "tasktree/ambient";
 * import assert from "node:assert";
 * const text = await failAfter(5000, async () => (await fetch("data:,hello")).text());
 * assert.equal(text, "hello");
 * ```
 */
export const fetch: typeof globalThis.fetch = imported(fetchFamily).fetch;
