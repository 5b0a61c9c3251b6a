/** All that is used of ws, an optional peer: see DESIGN.md, section 2. */
import type { IncomingMessage } from "node:http";
import { createRequire } from "node:module";
import type { Duplex } from "node:stream";
import { InvalidStateError } from "../../errors.ts";
import type { Beating } from "./heartbeat.ts";
import { ownBytes, type Wire, type WireEvents } from "./wire.ts";

type Library = typeof import("ws");

// Who only connects does without it: what is missing is said where a server is made. Not `await import()`, which require() of this
// door could not load.
const missing = { error: undefined as unknown };
const ws = ((): Library | undefined => {
  try {
    return createRequire(import.meta.url)("ws") as Library;
  } catch (error) {
    if ((error as { code?: unknown }).code !== "MODULE_NOT_FOUND") throw error;
    missing.error = error;
    return undefined;
  }
})();

type Socket = InstanceType<Library["WebSocket"]>;

export interface HandshakeOptions {
  readonly maxMessage: number;
  readonly compress: boolean;
  readonly closeTimeout: number;
  /** In order of preference. */
  readonly protocols: readonly string[];
}

/** Does the opening handshake: gives the wire, or undefined for a request that was refused since it is none. */
export type Handshake = (request: IncomingMessage, socket: Duplex, head: Uint8Array) => WsWire | undefined;

/** @throws {InvalidStateError} If ws is not installed. */
export function handshakeWith({ maxMessage, compress, closeTimeout, protocols }: HandshakeOptions): Handshake {
  if (ws === undefined) {
    const message = "Cannot serve WebSocket: ws is not installed (npm install ws)";
    throw new InvalidStateError(message, { cause: missing.error });
  }
  const settings = {
    noServer: true,
    clientTracking: false,
    maxPayload: Math.min(maxMessage, most),
    perMessageDeflate: compress,
    closeTimeout: Math.min(closeTimeout, most),
    handleProtocols: (offered: Set<string>) => protocols.find((protocol) => offered.has(protocol)) ?? false,
  } as const;
  const server = new ws.WebSocketServer(settings);
  return function shakeHands(request, socket, head) {
    let wire: WsWire | undefined;
    server.handleUpgrade(request, socket, head as Buffer, (opened) => (wire = new WsWire(opened, socket)));
    return wire;
  };
}

const lost = 1006;

/** What ws can count to; of more it makes something else. */
const most = 2 ** 31 - 1;

/** A connection that ws speaks on. */
export class WsWire implements Wire, Beating {
  readonly overflowCode = 1009;
  /** Whether anything was heard since this was made false. */
  heard = true;
  paused = false;
  readonly #ws: Socket;
  readonly #socket: Duplex;
  #taken = 0;
  #events: WireEvents | undefined = undefined;
  #error: unknown = undefined;

  constructor(opened: Socket, socket: Duplex) {
    this.#ws = opened;
    this.#socket = socket;
    const hear = (): void => void (this.heard = true);
    socket.on("data", hear);
    for (const event of ["message", "ping", "pong"]) opened.on(event, hear); // of Bun's sockets no data comes by here
    socket.on("error", (error) => (this.#error ??= error));
    opened.on("error", (error) => this.#failed(error));
    opened.on("message", (data, isBinary) => this.#came(data as Buffer, isBinary));
    opened.on("close", (code, reason) => this.#closed(code, reason.toString()));
  }

  get protocol(): string {
    return this.#ws.protocol;
  }

  get isOpen(): boolean {
    return this.#ws.readyState === this.#ws.OPEN;
  }

  get unsent(): number {
    return this.#ws.bufferedAmount;
  }

  get progress(): number {
    return this.#taken + (goneFrom(this.#socket) ?? -this.#ws.bufferedAmount);
  }

  listen(events: WireEvents): void {
    this.#events = events;
  }

  send(message: string | Uint8Array): void {
    this.#ws.send(message, this.#sent);
  }

  watchUnsent(): void {} // ws tells of each message

  pause(): void {
    this.paused = true;
    this.#ws.pause();
  }

  resume(): void {
    this.paused = false;
    this.#ws.resume();
  }

  ping(flushed: () => void): void {
    this.#ws.ping(undefined, undefined, (error) => error || flushed());
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, reason);
  }

  tear(): void {
    this.#ws.terminate();
  }

  readonly #sent = (): void => {
    this.#taken++;
    this.#events?.taken();
  };

  #came(data: Buffer, isBinary: boolean): void {
    this.#events?.came(isBinary ? ownBytes(data) : data.toString());
  }

  #failed(error: Error): void {
    this.#error ??= error;
    if ((error as { code?: unknown }).code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") this.#events?.tooLong();
  }

  #closed(code: number, reason: string): void {
    this.#events?.ended({ code: this.#error === undefined ? code : lost, reason, error: this.#error });
    this.#events = undefined;
  }
}

/** What a socket of Node's keeps of its own. Node looks there too, to tell a slow write from one that has stopped. */
interface Handle {
  readonly bytesWritten?: number;
  readonly writeQueueSize?: number;
  /** Of TLS: what is under it. */
  readonly _parent?: Handle;
}

/** How many bytes the system has taken. A message is written at once: that a part of it has gone is told nowhere else. */
function goneFrom(socket: Duplex): number | undefined {
  const handle = (socket as { readonly _handle?: Handle | null })._handle;
  const { bytesWritten, writeQueueSize } = handle?._parent ?? handle ?? {};
  return bytesWritten === undefined || writeQueueSize === undefined ? undefined : bytesWritten - writeQueueSize;
}
