/**
 * Who takes the upgrades of a server that somebody else runs. Of those here, one listener asks them all: several would answer a
 * request twice, or leave it to each other.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { InvalidStateError } from "../../errors.ts";
import type { NodeServer } from "../server/host.ts";
import { isGoodTarget } from "../server/target.ts";
import { asksForWebSocket, pathOf, refuse } from "./handshake.ts";

/** Takes an upgrade. Must not throw. */
type Take = (request: IncomingMessage, socket: Duplex, head: Uint8Array) => void;

/** Node asks whether a request for an upgrade is one to it, or a plain one, with 24.9 and later. */
interface AskingServer {
  shouldUpgradeCallback?: (request: IncomingMessage) => boolean;
}

const known = new WeakMap<NodeServer, Upgrades>();

export class Upgrades {
  readonly #server: NodeServer;
  /** By path; undefined for all that nobody names. */
  readonly #takers = new Map<string | undefined, Take>();
  #askedBefore: AskingServer["shouldUpgradeCallback"] = undefined;

  static of(server: NodeServer): Upgrades {
    let upgrades = known.get(server);
    if (upgrades === undefined) known.set(server, (upgrades = new Upgrades(server)));
    return upgrades;
  }

  private constructor(server: NodeServer) {
    this.#server = server;
  }

  /** @throws {InvalidStateError} If somebody here takes this path already. */
  add(path: string | undefined, take: Take): void {
    if (this.#takers.has(path)) {
      const which = path === undefined ? "every path" : `'${path}'`;
      throw new InvalidStateError(`Cannot serve WebSocket on ${which}: another serveWebSocket() does on this server`);
    }
    if (this.#takers.size === 0) this.#listen();
    this.#takers.set(path, take);
  }

  remove(path: string | undefined): void {
    this.#takers.delete(path);
    if (this.#takers.size > 0) return;
    this.#server.off("upgrade", this.#take);
    const server = this.#server as AskingServer;
    if (server.shouldUpgradeCallback === this.#ask) server.shouldUpgradeCallback = this.#askedBefore!;
  }

  #listen(): void {
    this.#server.on("upgrade", this.#take);
    const server = this.#server as AskingServer;
    this.#askedBefore = server.shouldUpgradeCallback;
    if (this.#askedBefore !== undefined) server.shouldUpgradeCallback = this.#ask;
  }

  get #othersListen(): boolean {
    return this.#server.listenerCount("upgrade") > 1;
  }

  readonly #ask = (request: IncomingMessage): boolean =>
    this.#askedBefore!.call(this.#server, request) && (asksForWebSocket(request) || this.#othersListen);

  readonly #take: Take = (request, socket, head) => {
    socket.on("error", ignore); // Node has taken its own listener off, and a reset without one ends the process
    const take = this.#takerOf(request);
    if (take !== undefined) take(request, socket, head);
    else if (!this.#othersListen) refuse(socket, isGoodTarget(request) ? 404 : 400);
  };

  #takerOf(request: IncomingMessage): Take | undefined {
    if (this.#othersListen && !asksForWebSocket(request)) return undefined;
    const named = isGoodTarget(request) ? this.#takers.get(pathOf(request)) : undefined;
    return named ?? this.#takers.get(undefined);
  }
}

function ignore(): void {}
