/** Mutations of packages/tasktree/src/flow and src/http/client. */
import type { Mutation } from "./index.ts";

const retry = "packages/tasktree/src/flow/retry.ts";
const client = "packages/tasktree/src/http/client";

export const ofHttpClient: readonly Mutation[] = [
  {
    clause: "C6b",
    file: retry,
    find: "if (isCancelled(error) || (!cutBefore && wasCut())) throw error;",
    replace: "if (isCancelled(error)) throw error;",
  },
  { clause: "retry", file: retry, find: "now() + delay >= nearestDeadline()", replace: "now() >= nearestDeadline()" },
  { clause: "retry", file: retry, find: "const cutBefore = wasCut();", replace: "const cutBefore = false;" },
  {
    clause: "retry",
    file: retry,
    find: "earlier.push(error) > mostKept",
    replace: "earlier.push(error) > mostKept + 1",
  },
  {
    clause: "nearestDeadline",
    file: "packages/tasktree/src/core/here.ts",
    find: "if (node.hides) return Math.min(nearest, node.shieldEnd);",
    replace: "",
  },
  {
    clause: "parseTimeout",
    file: "packages/tasktree/src/http/deadline-header.ts",
    find: "Math.floor(ms /",
    replace: "Math.ceil(ms /",
  },
  { clause: "isPublic", file: `${client}/addresses.ts`, find: '"100.64.0.0/10"', replace: '"100.64.0.0/11"' },
  { clause: "isPublic", file: `${client}/addresses.ts`, find: '"2000::", 3', replace: '"::", 0' },
  {
    clause: "addresses",
    file: `${client}/addresses.ts`,
    find: "addresses.filter(({ address, family }) => isAllowed(allowed, address, family as 4 | 6))",
    replace: "[...addresses]",
  },
  {
    clause: "addresses",
    file: `${client}/line.ts`,
    find: "if (allowed !== undefined) checkLiteral(to.hostname, allowed);",
    replace: "",
  },
  {
    clause: "credentials",
    file: `${client}/redirect.ts`,
    find: "url.origin !== hop.url.origin",
    replace: "url.hostname !== hop.url.hostname",
  },
  {
    clause: "follows redirects",
    file: `${client}/redirect.ts`,
    find: 'method === "POST" && (status',
    replace: "(status",
  },
  {
    clause: "never more connections",
    file: `${client}/lines.ts`,
    find: "while (this.#open >= this.#most) {",
    replace: "while (false) {",
  },
  {
    clause: "cancelled at random moments",
    file: `${client}/lines.ts`,
    find: "        await this.#close(line, error);\n        leave();",
    replace: "        await this.#close(line, error);",
  },
  { clause: "C2a", file: `${client}/exchange.ts`, find: "      await this.#end(asError(explained));\n", replace: "" },
  {
    clause: "once more when",
    file: `${client}/exchange.ts`,
    find: "return this.#isReused && this.#phase",
    replace: "return this.#phase",
  },
  {
    clause: "times each phase",
    file: `${client}/exchange.ts`,
    find: "  hasMore(): void {\n    this.#timer.set(Infinity);",
    replace: "  hasMore(): void {",
  },
  {
    clause: "limit bytes",
    file: `${client}/http-response.ts`,
    find: "if (length > limit) throw",
    replace: "if (length > limit + 1) throw",
  },
  {
    clause: "as often as it is asked",
    file: retry,
    find: "return Math.min(value, Number.MAX_VALUE);",
    replace: "return value;",
  },
  { clause: "refuses what random", file: retry, find: "chance >= 0 && chance <= 1", replace: "chance >= 0" },
  {
    clause: "cannot even be made",
    file: `${client}/lines.ts`,
    find: "    const line = new Line(name, this.#settings);\n    // Not before: one that could not be made is none.\n    this.#open++;\n",
    replace: "    this.#open++;\n    const line = new Line(name, this.#settings);\n",
  },
  {
    clause: "leaves no request behind",
    file: `${client}/lines.ts`,
    find: "was closed comes here.\n    if (this.#closed !== undefined) throw this.#closed;",
    replace: "was closed comes here.",
  },
  {
    clause: "whose body is whole",
    file: `${client}/exchange.ts`,
    find: "if (read !== body)",
    replace: "if (false)",
  },
  { clause: "Retry-After", file: `${client}/retry-after.ts`, find: "/^\\d+$/", replace: "/^\\d{1,9}$/" },
  { clause: "Retry-After", file: `${client}/again.ts`, find: "Math.max(computed, ", replace: "(0 * computed + " },
  {
    clause: "nothing but true",
    file: `${client}/addresses.ts`,
    find: "return (allowed(address, family) as unknown) === true;",
    replace: "return Boolean(allowed(address, family));",
  },
  {
    clause: "secure cookie alone",
    file: `${client}/cookie-jar.ts`,
    find: "(isWithin(domain, cookie.domain) || isWithin(cookie.domain, domain))",
    replace: "domain === cookie.domain",
  },
  {
    clause: "undefined for one that is not given",
    file: `${client}/http-client.ts`,
    find: "...defined(options)",
    replace: "...options",
  },
  {
    clause: "no origin but that of its baseUrl",
    file: `${client}/request-head.ts`,
    find: "new URL(baseUrl).origin !== url.origin",
    replace: "new URL(baseUrl).hostname !== url.hostname",
  },
  {
    clause: "nobody can read any more",
    file: `${client}/response-body.ts`,
    find: "unreachable.register(",
    replace: "void (",
  },
  { clause: "answer that is held", file: `${client}/forgotten.ts`, find: "scope.ended && ", replace: "" },
  { clause: "however it is cut", file: `${client}/decompress.ts`, find: "(first & 0x0f) === 8", replace: "true" },
  { clause: "no faster than it is read", file: `${client}/decompress.ts`, find: " || inner.pause()", replace: "" },
];
