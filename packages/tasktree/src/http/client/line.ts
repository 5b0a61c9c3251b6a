import type { Socket } from "node:net";
import { outside } from "../../lowlevel.ts";
import { checkLiteral, guardedLookup } from "./addresses.ts";
import type { ConnectionSettings } from "./options.ts";
import {
  connectorOf,
  directLine,
  proxiedLine,
  type Answered,
  type Connector,
  type Dispatcher,
  type Sent,
} from "./undici.ts";

/**
 * One connection to an origin, open or about to be. A pool of undici's is not used: it has no limit across origins, and keeps
 * connecting for a request that was called off.
 */
export class Line {
  readonly origin: string;
  /** Called when the connection is there. */
  onConnect: (() => void) | undefined = undefined;
  /** Called when it was there, and is gone. */
  onClose: (() => void) | undefined = undefined;
  /** How many requests have gone through the connection that is open. */
  #served = 0;
  #connected = false;
  readonly #dispatcher: Dispatcher;
  readonly #isProxied: boolean;
  readonly #sockets = new Set<Socket>();
  #destroyed: Promise<void> | undefined = undefined;

  constructor(origin: string, settings: ConnectionSettings) {
    this.origin = origin;
    const { proxy, tls, idleMs } = settings;
    this.#isProxied = proxy;
    this.#dispatcher = proxy
      ? proxiedLine(tls, idleMs, { onConnected: () => this.#open(), onSocket: (socket) => this.#watch(socket) })
      : directLine(origin, this.#connector(settings), idleMs);
  }

  /** Whether a request would go out at once. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Whether its connection has served before, so that the other end may be closing it. */
  get isReused(): boolean {
    return this.#connected && this.#served > 0;
  }

  request(sent: Sent): Promise<Answered> {
    this.#served++;
    return this.#dispatcher.request(sent);
  }

  /** Resolves when nothing is open any more. */
  destroy(error: Error): Promise<void> {
    this.onClose = undefined;
    return (this.#destroyed ??= this.#destroy(error));
  }

  async #destroy(error: Error): Promise<void> {
    const closed = [...this.#sockets].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    const destroyed = this.#dispatcher.destroy(error);
    // One that is still connecting is not undici's yet.
    for (const socket of this.#sockets) socket.destroy();
    // Undici's own answer does not come if it is asked while the socket tells that it closes.
    await (this.#isProxied ? destroyed : Promise.all(closed));
  }

  /** Connects outside of the task that happens to be the first to need it. */
  #connector({ tls, allowed }: ConnectionSettings): Connector {
    const connect = connectorOf({ ...tls, ...(allowed !== undefined && { lookup: guardedLookup(allowed) }) });
    return (to, connected) =>
      outside(() => {
        if (allowed !== undefined) checkLiteral(to.hostname, allowed);
        const socket = connect(to, (...result) => {
          if (result[0] === null) this.#open();
          connected(...result);
        });
        this.#watch(socket);
        return socket;
      });
  }

  #watch(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#closed(socket));
  }

  #open(): void {
    if (this.#connected) return;
    this.#connected = true;
    this.#served = 1;
    this.onConnect?.();
  }

  #closed(socket: Socket): void {
    this.#sockets.delete(socket);
    // On its way through a proxy only what is connected is among them, and it may have changed its way.
    this.#connected = this.#isProxied && this.#sockets.size > 0;
    if (!this.#connected) this.onClose?.();
  }
}
