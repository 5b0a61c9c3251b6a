/** What becomes of those who ask a server for WebSocket. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { brief, BrokenError, InvalidStateError, suppress, TimeoutError } from "../../errors.ts";
import { currentScope, isCancellationHere, now, Timer, wasCut, type Scope } from "../../lowlevel.ts";
import { cancelFor, Connection } from "../server/connection.ts";
import { peerOf, upgradeNameOf } from "../server/target.ts";
import { refuse, whyNotAdmitted } from "./handshake.ts";
import { Heartbeat } from "./heartbeat.ts";
import { checkedServerOptions, type CheckedServerOptions, type WebSocketServerOptions } from "./server-options.ts";
import { WebSocketConnection } from "./web-socket-connection.ts";
import { handshakeWith, type Handshake, type WsWire } from "./ws.ts";

/** What speaks with one client, in a task of its own. When it returns, the connection is closed. */
export type WebSocketHandler = (socket: WebSocketConnection, request: IncomingMessage) => unknown;

export interface WebSocketServerStatistics {
  /** How many connections are open. */
  readonly connections: number;
  /** How many wait for `check`. */
  readonly checking: number;
  /** How many were refused so far, for whatever reason. */
  readonly refused: number;
}

export class Visitors {
  readonly #handler: WebSocketHandler;
  readonly #options: CheckedServerOptions;
  readonly #handshake: Handshake;
  #connections = 0;
  #checking = 0;
  #refused = 0;

  constructor(handler: WebSocketHandler, options: WebSocketServerOptions) {
    this.#options = checkedServerOptions(handler, options);
    this.#handler = handler;
    const { limits, compress, protocols } = this.#options;
    this.#handshake = handshakeWith({ ...limits, compress, protocols });
  }

  statistics(): WebSocketServerStatistics {
    return { connections: this.#connections, checking: this.#checking, refused: this.#refused };
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
    let isOurs = true;
    try {
      isOurs = await this.receive(request, socket, head);
    } finally {
      connection.end(visit);
      if (isOurs && !socket.writableEnded) socket.destroy();
    }
  }

  /** Gives false if somebody else has taken the connection, and is to go on with it. */
  async receive(request: IncomingMessage, socket: Duplex, head: Uint8Array): Promise<boolean> {
    socket.on("error", ignore); // the wire, or the end, tells of it
    // Always waits a moment, also where there is nothing to check: a listener of somebody else's comes first, and does not fail.
    const status = await this.#whyNot(request, socket);
    // Nothing may be awaited between this and the count: many may have been checked at once.
    if (status !== undefined) this.#refuse(socket, status);
    else if (currentScope().draining || this.#connections >= this.#options.maxConnections) this.#refuse(socket, 503);
    else return await this.#admit(request, socket, head);
    return true;
  }

  async #whyNot(request: IncomingMessage, socket: Duplex): Promise<number | undefined> {
    const status = whyNotAdmitted(request, this.#options.rules);
    if (status !== undefined || this.#options.check === undefined) return status;
    if (this.#connections + this.#checking >= this.#options.maxConnections) return 503;
    this.#checking++;
    const hearing = hear(socket);
    try {
      return await this.#check(request, socket);
    } finally {
      hearing();
      this.#checking--;
    }
  }

  /** The client gets an answer in time, also where `check` does not let itself be cancelled. */
  async #check(request: IncomingMessage, socket: Duplex): Promise<number | undefined> {
    const { check, times } = this.#options;
    const deadline = now() + times.checkTimeout;
    let late: TimeoutError | undefined;
    const timer = new Timer(() => {
      late = new TimeoutError(`Cannot let '${peerOf(request)}' in: check took longer than ${times.checkTimeout} ms`, {
        deadline,
      });
      this.#refuse(socket, 503); // the end of the connection cancels check
    });
    timer.set(deadline);
    try {
      const status: unknown = await check!(request);
      if (late !== undefined) throw late;
      if (status === undefined || isRefusal(status)) return status;
      throw new TypeError(`Cannot refuse '${peerOf(request)}' with ${brief(status)}: wanted a status from 400 to 599`);
    } catch (error) {
      const isCut = isCancellationHere(error);
      if (isCut && late === undefined) throw error;
      if (late !== undefined && !isCut) suppress(late, error);
      this.#refuse(socket, 500);
      this.#tell(late ?? error, undefined);
      return 500;
    } finally {
      timer.set(Infinity);
    }
  }

  async #admit(request: IncomingMessage, socket: Duplex, head: Uint8Array): Promise<boolean> {
    let wire: WsWire | undefined;
    try {
      wire = this.#handshake(request, socket, head);
    } catch (cause) {
      const text = `Cannot take '${upgradeNameOf(request)}': another listener for upgrades has taken it`;
      this.#tell(new InvalidStateError(text, { cause }), undefined);
      return false;
    }
    if (wire === undefined) {
      this.#refused++;
      return true;
    }
    this.#connections++;
    try {
      await this.#attend(wire, request, socket);
    } finally {
      this.#connections--;
    }
    return true;
  }

  async #attend(wire: WsWire, request: IncomingMessage, socket: Duplex): Promise<void> {
    const scope = currentScope();
    const { limits, times } = this.#options;
    const connection = new WebSocketConnection({
      wire,
      peer: peerOf(request),
      limits,
      ended: (error) => (error === undefined ? scope.drain(times.afterClose) : cancelOnce(scope, error)),
    });
    const heartbeat = new Heartbeat(wire, times, () => {
      const { peer } = connection;
      connection.lose(
        new BrokenError(`Cannot go on with '${peer}': it was not heard for ${times.pingTimeout} ms when asked`),
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
      const failure = connection.failureIn(error);
      if (failure !== undefined) this.#tell(failure.error, connection);
    }
  }

  #refuse(socket: Duplex, status: number): void {
    if (!socket.destroyed && !socket.writableEnded) this.#refused++;
    refuse(socket, status);
  }

  #tell(error: unknown, connection: WebSocketConnection | undefined): void {
    const { onError } = this.#options;
    if (onError === undefined) throw error;
    onError(error, connection);
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

function isRefusal(status: unknown): status is number {
  return Number.isInteger(status) && (status as number) >= 400 && (status as number) <= 599;
}

/** What is cancelled already is not told anew: that would cut its cleanup. */
function cancelOnce(scope: Scope, error: Error): void {
  if (!scope.signal.aborted) scope.cancel(error);
}

function ignore(): void {}
