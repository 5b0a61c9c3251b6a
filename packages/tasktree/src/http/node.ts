/** Servers of `node:http` that belong to the task tree. */
import { brief, checkOptions } from "../errors.ts";
import { currentTask, isCancellationHere } from "../lowlevel.ts";
import type { IncomingMessage, ServerResponse } from "node:http";
import { checkAddress, checkAmount } from "../net/check.ts";
import { giveOwner, RequestTasks, type RequestTaskOptions } from "./request-tasks.ts";
import { Connection } from "./server/connection.ts";
import { serveInScope, type HttpListener, type NodeServer } from "./server/host.ts";
import { notFunction } from "./server/options.ts";

export type { RequestTaskOptions } from "./request-tasks.ts";
export type { HttpListener, HttpStatistics, NodeServer } from "./server/host.ts";

/** What answers a request of `node:http`. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => unknown;

export interface WithRequestTaskOptions extends RequestTaskOptions {
  /**
   * Gets what a handler has thrown; the client gets 500, or a reset where the answer has begun. What this throws itself fails the
   * group of the tasks: it ends the server that `serveNode()` runs. Default: it is printed.
   */
  readonly onError?: (error: unknown, request: IncomingMessage) => void;
}

/**
 * A listener for `http.createServer()` that runs `handler` in a task of its own for each request. It lasts until the handler has
 * returned and the response is over; when the client leaves before, it is cancelled.
 *
 * @throws {TypeError} If `handler`, or `onError`, is not a function.
 * @example
 * ```ts
 * import { sleep } from "tasktree";
 * import { withRequestTask } from "tasktree/http/node";
 * import { createServer } from "node:http";
 * const server = createServer(
 *   withRequestTask(async (_request, response) => {
 *     await sleep(5); // cut when the client leaves
 *     response.end("done");
 *   }),
 * );
 * ```
 */
export function withRequestTask(
  handler: NodeHandler,
  options: WithRequestTaskOptions = {},
): (request: IncomingMessage, response: ServerResponse) => void {
  if (typeof handler !== "function") throw new TypeError(`Cannot serve with ${brief(handler)}: wanted a function`);
  const tasks = new RequestTasks(options);
  const { onError = print } = options;
  if (typeof onError !== "function") throw notFunction("onError", onError);
  return function taskOfRequest(request, response) {
    tasks.run(request, response, async () => {
      try {
        await handler(request, response);
      } catch (error) {
        giveUp(response, (failure) => onError(failure, request));
        if (!isCancellationHere(error)) onError(error, request);
      }
    });
  };
}

/** Answers in place of a handler that has failed: nothing of what it has said holds for that. */
function giveUp(response: ServerResponse, onError: (error: unknown) => void): void {
  if (response.destroyed || (response.headersSent && response.writableEnded)) return;
  if (response.headersSent) return void response.destroy();
  try {
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    response.writeHead(500, "Internal Server Error", { "content-length": 0 }).end();
  } catch (error) {
    response.destroy();
    onError(error);
  }
}

function print(error: unknown): void {
  console.error(`${currentTask()?.path ?? "server"} failed:`, error);
}

export interface ServeNodeOptions {
  /** From 1 to 65,535, or 0 for one that is free; see the listener's `port`. */
  readonly port: number;
  /** The address to listen on; default 127.0.0.1, where only this machine can reach it. */
  readonly host?: string;
  /** How many connections may wait to be accepted; default 511. */
  readonly backlog?: number;
  /** So many connections at a time; more are closed at once. Default 10,000. */
  readonly maxConnections?: number;
  /** Called when requests can come. */
  readonly started?: (listener: HttpListener) => void;
  /** Gets what kept a connection from being accepted. What it throws itself ends the server. Default: it is printed. */
  readonly onError?: (error: unknown) => void;
}

/**
 * Runs a server of `node:http` or `node:https` with whatever answers its requests: until the scope around drains, and what was
 * asked is answered. `createServer(app)` with Express, `app.server` after `await app.ready()` with Fastify,
 * `createAdaptorServer(app)` with Hono. Requests that `taskPerRequest()` or `withRequestTask()` makes tasks run in here.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled, so are the tasks of its requests; they have ended, and
 * every connection is closed, before it rejects. Requests that are no tasks have until the cut-off.
 *
 * @throws {InvalidStateError} If it cannot listen there; `cause` is the system's error.
 * @throws {TypeError} If `server` is not one of Node's, or `onError` not a function.
 * @throws {RangeError} If an option is not what it should be.
 * @example
 * ```ts
 * import { withTaskGroup } from "tasktree";
 * import { serveNode, withRequestTask, type HttpListener } from "tasktree/http/node";
 * import { createServer } from "node:http";
 * import assert from "node:assert";
 * const server = createServer(withRequestTask((_request, response) => response.end("hello")));
 * await withTaskGroup(async (group) => {
 *   const { url } = await group.start<HttpListener>((started) => serveNode(server, { port: 0, started }), { service: true });
 *   assert.equal(await (await fetch(url)).text(), "hello");
 * });
 * ```
 */
export async function serveNode(server: NodeServer, options: ServeNodeOptions): Promise<void> {
  if (typeof (server as Partial<NodeServer> | undefined)?.closeAllConnections !== "function")
    throw new TypeError(`Cannot serve with ${brief(server)}: wanted a server of node:http or node:https`);
  checkOptions("serve", options);
  const { port, host = "127.0.0.1", backlog = 511, maxConnections = 10_000, started, onError = print } = options;
  checkAddress("listen on", host, port, 0);
  checkAmount("serve", "backlog", backlog);
  checkAmount("serve", "maxConnections", maxConnections);
  if (typeof onError !== "function") throw notFunction("onError", onError);
  await serveInScope(
    (group) => {
      let requests = 0;
      const begin = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
        requests++;
        giveOwner(incoming, group);
        const connection = Connection.of(incoming.socket);
        const visit = { outgoing, clientLeft: () => {} };
        connection.begin(visit);
        outgoing.once("close", () => {
          requests--;
          connection.end(visit);
        });
      };
      server.prependListener("request", begin);
      const isSecure = "setSecureContext" in server;
      return { server, isSecure, counts: () => ({ requests, refused: 0 }), left: () => server.off("request", begin) };
    },
    { port, host, backlog, maxConnections, started, onError },
  );
}
