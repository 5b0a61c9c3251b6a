/** WebSocket on servers of `node:http`: each connection is a task, which ends with it. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { brief, checkOptions } from "../../errors.ts";
import { bound, currentScope, currentTask, withTaskGroup } from "../../lowlevel.ts";
import type { NodeServer } from "../server/host.ts";
import type { UpgradeHandler } from "../server/options.ts";
import { upgradeNameOf } from "../server/target.ts";
import { refuse } from "./handshake.ts";
import type { WebSocketServerOptions } from "./server-options.ts";
import { Upgrades } from "./upgrades.ts";
import { Visitors, type WebSocketHandler, type WebSocketServerStatistics } from "./visitors.ts";

export interface ServeWebSocketOptions extends WebSocketServerOptions {
  /** A server of `node:http` or `node:https`, which somebody else runs. */
  readonly server: NodeServer;
}

/** What `serveHttp` takes as `upgrade`. */
export interface WebSocketUpgrade extends UpgradeHandler {
  statistics(): WebSocketServerStatistics;
}

/**
 * Makes WebSockets of the connections that ask `serveHttp` for it, each in a task that is named after path and client.
 *
 * The handler's scope is cancelled when the connection is lost: it is reset, or the client does not answer a ping. When the client
 * says good-bye, what it had sent is still received, loops over the messages end, and the scope drains: it is cancelled when the
 * handler has not ended after `afterClose`. When the server drains, loops end after what has come, and the client gets 1001 when
 * the handler has returned.
 *
 * A handler that returns closes its connection with 1000, one that fails with 1011, one that is cancelled with 1001. Its error goes
 * to `onError`, by default to that of `serveHttp`. That the client has gone is no error.
 *
 * @throws {InvalidStateError} If ws is not installed.
 * @throws {TypeError} If the handler is not a function, or an option is not what it should be.
 * @throws {RangeError} If an option is not what it should be.
 * @example
 * ```ts
 * import { withTaskGroup } from "tasktree";
 * import { reply, serveHttp, type HttpListener } from "tasktree/http";
 * import { connectWebSocket, webSocketUpgrade } from "tasktree/http/ws";
 * import assert from "node:assert";
 * const upgrade = webSocketUpgrade(async (socket) => {
 *   for await (const message of socket) await socket.send(`You said ${message}`);
 * });
 * await withTaskGroup(async (group) => {
 *   const serve = (started: (listener: HttpListener) => void) => serveHttp(() => reply("hello"), { port: 0, upgrade, started });
 *   const { url } = await group.start<HttpListener>(serve, { service: true });
 *   await using socket = await connectWebSocket(url);
 *   await socket.send("hi");
 *   assert.equal(await socket.receive(), "You said hi");
 * });
 * ```
 */
export function webSocketUpgrade(handler: WebSocketHandler, options: WebSocketServerOptions = {}): WebSocketUpgrade {
  const visitors = new Visitors(handler, options);
  async function webSocket(request: IncomingMessage, socket: Duplex, head: Uint8Array): Promise<void> {
    await visitors.receive(request, socket, head);
  }
  return Object.assign(webSocket, { protocols: ["websocket"], statistics: () => visitors.statistics() });
}

/**
 * Makes WebSockets of the connections that ask a plain server of `node:http` for it: until the scope around drains, and the handlers
 * have ended. Otherwise as {@link webSocketUpgrade}. Several may serve one server: each takes its `path`, and one without a path what
 * is left. What none of them takes is left to others who listen for upgrades, or refused with 404 if there are none.
 *
 * The server itself is somebody else's: `serveNode` runs one. Without `onError`, errors are printed with the task's path.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled, so are its handlers; all have ended, and every WebSocket is
 * closed, before it rejects.
 *
 * @throws {InvalidStateError} If ws is not installed, or another call serves this path of the server.
 * @throws {TypeError} If handler or server is not what it should be, or an option is not.
 * @throws {RangeError} If an option is not what it should be.
 */
export async function serveWebSocket(handler: WebSocketHandler, options: ServeWebSocketOptions): Promise<void> {
  checkOptions("serve WebSocket", options);
  const { server, onError = print, path } = options;
  checkServer(server);
  const visitors = new Visitors(handler, { ...options, onError });
  await withTaskGroup(async (group) => {
    const take = bound((request: IncomingMessage, socket: Duplex, head: Uint8Array): void => {
      const visit = (): Promise<void> => visitors.visit(request, socket, head);
      if (group.trySpawn(visit, { name: upgradeNameOf(request) }) === undefined) refuse(socket, 503);
    });
    const upgrades = Upgrades.of(server);
    upgrades.add(path, take);
    try {
      await currentScope().waitDraining();
    } finally {
      upgrades.remove(path);
    }
  });
}

function checkServer(server: unknown): void {
  if (typeof (server as Partial<NodeServer> | undefined)?.closeAllConnections === "function") return;
  const wanted =
    "wanted a server of node:http or node:https; for one of its own give webSocketUpgrade() to serveHttp()";
  throw new TypeError(`Cannot serve WebSocket on ${brief(server)}: ${wanted}`);
}

function print(error: unknown): void {
  console.error(`${currentTask()?.path ?? "server"} failed:`, error);
}
