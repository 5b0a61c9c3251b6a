/** WebSocket on servers of `node:http`: each connection is a task, which ends with it. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { brief, BrokenError, checkOptions } from "../../errors.ts";
import {
  bound,
  currentScope,
  currentTask,
  isCancellationHere,
  wasCut,
  withTaskGroup,
  type Scope,
} from "../../lowlevel.ts";
import { checkAmount } from "../../net/check.ts";
import { cancelFor, Connection } from "../server/connection.ts";
import type { NodeServer } from "../server/host.ts";
import type { UpgradeHandler } from "../server/options.ts";
import { isGoodTarget, peerOf, upgradeNameOf } from "../server/target.ts";
import { pathOf, refuse, whyNotAdmitted, type AdmissionRules } from "./handshake.ts";
import { Heartbeat } from "./heartbeat.ts";
import { checkedLimits, checkTime, type CheckedLimits, type WebSocketLimits } from "./options.ts";
import { WebSocketConnection } from "./web-socket-connection.ts";
import { handshakeWith, type Handshake, type WsWire } from "./ws.ts";

/** What speaks with one client, in a task of its own. When it returns, the connection is closed. */
export type WebSocketHandler = (socket: WebSocketConnection, request: IncomingMessage) => unknown;

export interface WebSocketServerOptions extends WebSocketLimits {
  /** Requests for another path are refused with 404. Default: all are taken. */
  readonly path?: string;
  /**
   * From the pages of which sites browsers may connect: `["https://example.com"]`, or "any". Others are refused with 403. Default:
   * the site that the request was sent to, its `Host`. Clients other than browsers give no origin, and are let in.
   */
  readonly origins?: readonly string[] | "any";
  /** The subprotocols that are spoken here, best first. Default: none. */
  readonly protocols?: readonly string[];
  /** Looks at a request before it is taken: a status (401, say) refuses it, undefined lets it in. If it fails: 500, and `onError`. */
  readonly check?: (request: IncomingMessage) => number | undefined | Promise<number | undefined>;
  /** Lets messages be compressed (permessage-deflate); it costs memory for each connection. Default: false. */
  readonly compress?: boolean;
  /** So many connections at a time: more are refused with 503. Default 10,000. */
  readonly maxConnections?: number;
  /** After how long a silence, at most twice that, a client is asked whether it is there, in milliseconds. Default 30,000. */
  readonly pingInterval?: number;
  /** How long it may take to answer; then the connection is lost. Default 20,000. */
  readonly pingTimeout?: number;
  /** How long a handler may go on after the client has said good-bye; then it is cancelled. Default 10,000. */
  readonly afterClose?: number;
  /**
   * Gets what a handler, or `check`, has thrown; the client gets close code 1011. What this throws itself goes to `onError` of `serveHttp`, or ends
   * `serveWebSocket`.
   */
  readonly onError?: (error: unknown, socket: WebSocketConnection | undefined) => void;
}

export interface ServeWebSocketOptions extends WebSocketServerOptions {
  /** A server of `node:http` or `node:https`, which somebody else runs. */
  readonly server: NodeServer;
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
export function webSocketUpgrade(handler: WebSocketHandler, options: WebSocketServerOptions = {}): UpgradeHandler {
  const visitors = new Visitors(handler, options);
  return async function webSocket(request, socket, head) {
    await visitors.receive(request, socket, head);
  };
}

/**
 * Makes WebSockets of the connections that ask a plain server of `node:http` for it: until the scope around drains, and the handlers
 * have ended. Otherwise as {@link webSocketUpgrade}. What asks for another path is left to others who listen for upgrades, if any.
 *
 * The server itself is somebody else's: `serveNode` runs one. Without `onError`, errors are printed with the task's path.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled, so are its handlers; all have ended, and every WebSocket is
 * closed, before it rejects.
 *
 * @throws {InvalidStateError} If ws is not installed.
 * @throws {TypeError} If handler or server is not what it should be, or an option is not.
 * @throws {RangeError} If an option is not what it should be.
 */
export async function serveWebSocket(handler: WebSocketHandler, options: ServeWebSocketOptions): Promise<void> {
  checkOptions("serve WebSocket", options);
  const { server, onError = print, path } = options;
  if (typeof (server as Partial<NodeServer> | undefined)?.closeAllConnections !== "function")
    throw new TypeError(`Cannot serve WebSocket on ${brief(server)}: wanted a server of node:http or node:https`);
  const visitors = new Visitors(handler, { ...options, onError });
  await withTaskGroup(async (group) => {
    const take: UpgradeHandler = bound((request: IncomingMessage, socket: Duplex, head: Uint8Array) => {
      const others = server.listenerCount("upgrade") > 1;
      if (path !== undefined && others && isGoodTarget(request) && pathOf(request) !== path) return;
      const visit = (): Promise<void> => visitors.visit(request, socket, head);
      if (group.trySpawn(visit, { name: upgradeNameOf(request) }) === undefined) refuse(socket, 503);
    });
    server.on("upgrade", take);
    try {
      await currentScope().waitDraining();
    } finally {
      server.off("upgrade", take);
    }
  });
}

function print(error: unknown): void {
  console.error(`${currentTask()?.path ?? "server"} failed:`, error);
}

function ignore(): void {}

class Visitors {
  readonly #handler: WebSocketHandler;
  readonly #rules: AdmissionRules;
  readonly #limits: CheckedLimits;
  readonly #handshake: Handshake;
  readonly #check: WebSocketServerOptions["check"];
  readonly #onError: WebSocketServerOptions["onError"];
  readonly #maxConnections: number;
  readonly #times: { readonly pingInterval: number; readonly pingTimeout: number; readonly afterClose: number };
  #connections = 0;

  constructor(handler: WebSocketHandler, options: WebSocketServerOptions) {
    if (typeof handler !== "function")
      throw new TypeError(`Cannot serve WebSocket with ${brief(handler)}: wanted a function`);
    checkOptions("serve WebSocket", options);
    const { path, origins, protocols = [], compress = false, maxConnections = 10_000, check, onError } = options;
    const { pingInterval = 30_000, pingTimeout = 20_000, afterClose = 10_000 } = options;
    checkShapes({ path, origins, protocols, check, onError });
    checkAmount("serve WebSocket", "maxConnections", maxConnections);
    this.#limits = checkedLimits("serve WebSocket", options, 65_536);
    this.#times = { pingInterval, pingTimeout, afterClose };
    for (const [name, value] of Object.entries(this.#times)) checkTime("serve WebSocket", name, value);
    this.#handler = handler;
    this.#rules = { path, origins };
    this.#check = check;
    this.#onError = onError;
    this.#maxConnections = maxConnections;
    this.#handshake = handshakeWith({ ...this.#limits, compress, protocols });
  }

  /** A visit outside of `serveHttp`, which sees to it that one who leaves before he is let in is not waited for. */
  async visit(request: IncomingMessage, socket: Duplex, head: Uint8Array): Promise<void> {
    const scope = currentScope();
    const connection = Connection.of(socket);
    const visit = {
      outgoing: undefined,
      clientLeft: () => cancelFor(scope, `go on with '${upgradeNameOf(request)}'`, "the client has left"),
    };
    connection.begin(visit);
    try {
      await this.receive(request, socket, head);
    } finally {
      connection.end(visit);
      if (!socket.writableEnded) socket.destroy();
    }
  }

  async receive(request: IncomingMessage, socket: Duplex, head: Uint8Array): Promise<void> {
    socket.on("error", ignore); // the wire, or the end, tells of it
    const hearing = this.#check === undefined ? undefined : hear(socket);
    let status: number | undefined;
    try {
      status = await this.#whyNot(request).finally(hearing);
    } catch (error) {
      if (isCancellationHere(error)) throw error;
      refuse(socket, 500);
      return this.#tell(error, undefined);
    }
    if (status !== undefined) return refuse(socket, status);
    // Nothing may be awaited between this and the count: many may have been checked at once.
    if (this.#connections >= this.#maxConnections) return refuse(socket, 503);
    const wire = this.#handshake(request, socket, head);
    if (wire === undefined) return;
    this.#connections++;
    try {
      await this.#attend(wire, request, socket);
    } finally {
      this.#connections--;
    }
  }

  async #whyNot(request: IncomingMessage): Promise<number | undefined> {
    return whyNotAdmitted(request, this.#rules) ?? (await this.#check?.(request));
  }

  async #attend(wire: WsWire, request: IncomingMessage, socket: Duplex): Promise<void> {
    const scope = currentScope();
    const { pingTimeout, afterClose } = this.#times;
    const connection = new WebSocketConnection({
      wire,
      peer: peerOf(request),
      limits: this.#limits,
      ended: (error) => (error === undefined ? scope.drain(afterClose) : cancelOnce(scope, error)),
    });
    const heartbeat = new Heartbeat(wire, this.#times, () => {
      const { peer } = connection;
      connection.lose(
        new BrokenError(`Cannot go on with '${peer}': it was not heard for ${pingTimeout} ms when asked`),
      );
    });
    const visit = { outgoing: undefined, clientLeft: ignore };
    Connection.of(socket).takeOver(visit);
    try {
      await this.#call(connection, request);
    } finally {
      heartbeat.stop();
      Connection.of(socket).end(visit);
    }
  }

  async #call(connection: WebSocketConnection, request: IncomingMessage): Promise<void> {
    try {
      await this.#handler(connection, request);
      await connection.closeAs(wasCut() || currentScope().draining ? 1001 : 1000, "");
    } catch (error) {
      const isCut = isCancellationHere(error);
      // What may be thrown here is a cancellation, and the connection is torn: the error says more.
      await connection.closeAs(isCut ? 1001 : 1011, "").catch(ignore);
      if (isCut) throw error;
      if (!connection.tells(error)) this.#tell(error, connection);
    }
  }

  #tell(error: unknown, connection: WebSocketConnection | undefined): void {
    if (this.#onError === undefined) throw error;
    this.#onError(error, connection);
  }
}

/**
 * Reads meanwhile, since who is not read is not heard to leave; what a client says before it is let in is against the protocol.
 * Gives what ends that. Don't pause then: ws would not go on.
 */
function hear(socket: Duplex): () => void {
  const over = (): void => void socket.destroy();
  socket.on("data", over).on("end", over);
  return () => void socket.off("data", over).off("end", over);
}

/** What is cancelled already is not told anew: that would cut its cleanup. */
function cancelOnce(scope: Scope, error: Error): void {
  if (!scope.signal.aborted) scope.cancel(error);
}

function checkShapes(given: Readonly<Record<string, unknown>>): void {
  const { path, origins, protocols, check, onError } = given;
  const fail = (name: string, wanted: string): never => {
    throw new TypeError(`Cannot serve WebSocket with ${name} ${brief(given[name])}: wanted ${wanted}`);
  };
  if (path !== undefined && !(typeof path === "string" && path.startsWith("/")))
    fail("path", "one that begins with a /");
  if (origins !== undefined && origins !== "any" && !areTexts(origins))
    fail("origins", 'an array of strings, or "any"');
  if (!areTexts(protocols)) fail("protocols", "an array of strings");
  if (check !== undefined && typeof check !== "function") fail("check", "a function");
  if (onError !== undefined && typeof onError !== "function") fail("onError", "a function");
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
