import { createServer, type IncomingMessage, type ServerOptions } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { serveInScope, type NodeServer } from "./host.ts";
import { checkedOptions, type CheckedOptions, type HttpHandler, type ServeHttpOptions } from "./options.ts";
import { HttpService } from "./service.ts";

/**
 * Serves HTTP, each request in a task of its own that is named after it: "GET /path". On the loopback address only, unless `host`
 * says otherwise; HTTPS with `tls`.
 *
 * The handler gets a `Request` and gives a `Response`, as with `fetch`; bodies flow both ways no faster than the other side takes
 * them. Its scope, and `request.signal`, are cancelled when the client leaves, when `requestTimeout` or the client's own deadline
 * is over, and when the server is cancelled. A handler that fails is answered for with status 500, and the error goes to
 * `onError`; one whose response breaks off resets the connection, so that nobody takes half an answer for the whole.
 *
 * When the scope around drains, no more connections are taken and those that are idle end; this resolves when what was asked is
 * answered.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled, so are its handlers; all have ended, and every
 * connection is closed, before it rejects.
 *
 * @throws {InvalidStateError} If it cannot listen there; `cause` is the system's error.
 * @throws {TypeError} If the handler is not a function, or an option is not what it should be.
 * @throws {RangeError} If an option is not what it should be.
 * @example
 * ```ts
 * import { withTaskGroup } from "tasktree";
 * import { serveHttp, type HttpListener } from "tasktree/http";
 * import assert from "node:assert";
 * const greet = async (request: Request): Promise<Response> => new Response(`Hello, ${await request.text()}`);
 * await withTaskGroup(async (group) => {
 *   const { url } = await group.start<HttpListener>((started) => serveHttp(greet, { port: 0, started }), { service: true });
 *   const response = await fetch(url, { method: "POST", body: "Ada" });
 *   assert.equal(await response.text(), "Hello, Ada");
 * });
 * ```
 */
export async function serveHttp(handler: HttpHandler, options: ServeHttpOptions): Promise<void> {
  const checked = checkedOptions(handler, options);
  const { port, host, backlog, maxConnections, started, onError } = checked;
  const place = {
    port,
    host,
    backlog,
    maxConnections,
    started,
    onError: (error: unknown) => onError(error, undefined),
  };
  await serveInScope((group) => {
    const service = new HttpService(handler, checked, group);
    return { server: serverFor(service, checked), isSecure: checked.tls !== undefined, counts: service.counts };
  }, place);
}

function serverFor(service: HttpService, options: CheckedOptions): NodeServer {
  const { tls, upgrade } = options;
  const protocols = upgrade === undefined ? [] : (upgrade.protocols ?? ["websocket"]);
  const shouldUpgradeCallback = ({ headers }: IncomingMessage): boolean =>
    protocols.includes(headers.upgrade?.toLowerCase() ?? "");
  const settings = { ...nodeOptions(options), shouldUpgradeCallback };
  const server =
    tls === undefined
      ? createServer(settings, service.onRequest)
      : createSecureServer({ ...tls, ...settings, handshakeTimeout: options.headersTimeout }, service.onRequest);
  server.maxHeadersCount = 0; // Node would drop what is more, in silence
  server.on("checkContinue", service.onExpectation);
  if (upgrade !== undefined) server.on("upgrade", service.onUpgrade);
  return server;
}

/** Node takes 0 for no limit, and looks at the times of its connections only so often. */
function nodeOptions({ maxHeaderSize, headersTimeout, receiveTimeout, idleTimeout }: CheckedOptions): ServerOptions {
  const shortest = Math.min(headersTimeout, receiveTimeout);
  return {
    maxHeaderSize: Math.min(maxHeaderSize, 2 ** 30),
    headersTimeout: forNode(shortest),
    requestTimeout: forNode(receiveTimeout),
    keepAliveTimeout: forNode(idleTimeout),
    connectionsCheckingInterval: Math.min(Math.max(shortest / 4, 20), 1000),
    noDelay: true,
  };
}

function forNode(ms: number): number {
  return ms === Infinity ? 0 : Math.ceil(ms);
}
