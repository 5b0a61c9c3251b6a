import { joined, waited } from "./call.ts";
import { imported, type Ambient, type Family } from "./platform.ts";

const fetched: Ambient = (real, [input, init]) =>
  waited(
    () => describe(input, init as RequestInit | undefined),
    (signal) => {
      const given = (init as RequestInit | undefined)?.signal ?? (input as { signal?: unknown } | undefined)?.signal;
      return real(input, { ...(init as RequestInit | undefined), signal: joined(given, signal) }) as Promise<Response>;
    },
  );

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
