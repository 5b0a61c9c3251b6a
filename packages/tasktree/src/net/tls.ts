import { isIP, type Socket } from "node:net";
import {
  connect,
  createSecureContext,
  createServer,
  TLSSocket,
  type ConnectionOptions,
  type SecureContextOptions,
  type TlsOptions,
} from "node:tls";
import { BrokenError, checkOptions } from "../errors.ts";
import type { ByteStream } from "../streams/byte-stream.ts";
import { toNodeStream } from "../streams/node/to-node-stream.ts";
import { attempt, checkConnect, openTcp, type ConnectTcpOptions } from "./connect.ts";
import { shown } from "./check.ts";
import { checkListenTcp, listenAt, place, serverOptions, type ListenTcpOptions } from "./listen.ts";
import { opened, reasonOf } from "./opening.ts";
import { checkServe, serveStarted, type ConnectionHandler, type ServeOptions, type StartedOptions } from "./serve.ts";
import type { SocketListener } from "./socket-listener.ts";
import { SocketStream } from "./socket-stream.ts";

/** Certificates, keys, versions and ciphers, as `node:tls` has them. */
export type TlsContextOptions = SecureContextOptions;

/** What a client says and asks for, as `tls.connect` has it. */
export interface TlsClientOptions
  extends
    TlsContextOptions,
    Pick<ConnectionOptions, "ALPNProtocols" | "checkServerIdentity" | "rejectUnauthorized" | "servername"> {}

/** What a server says and asks for, as `tls.createServer` has it. */
export interface TlsServerOptions
  extends TlsContextOptions, Pick<TlsOptions, "ALPNProtocols" | "rejectUnauthorized" | "requestCert" | "SNICallback"> {}

export interface ConnectTlsOptions extends ConnectTcpOptions, TlsClientOptions {}

export interface ListenTlsOptions extends ListenTcpOptions, TlsServerOptions {
  /** Who has not agreed on TLS after so many milliseconds is disconnected; default 10,000. */
  readonly handshakeTimeout?: number;
}

export type ServeTlsOptions = ListenTlsOptions & ServeOptions<SocketStream> & StartedOptions;

export type StartTlsOptions =
  | (TlsClientOptions & { readonly isServer?: false })
  | (TlsServerOptions & { readonly isServer: true });

/**
 * Connects by TCP and TLS: as `connectTcp()`, then agrees on TLS. The certificate must be valid for `servername`, by default the
 * host, and come from somebody in `ca`, by default whom Node trusts.
 *
 * Cancellation: Checkpoint, nothing lost: as `connectTcp()`.
 *
 * @throws {BrokenError} If the connection was not made, or the other side's certificate is not right; `cause` is the error that
 *   Node gives.
 * @throws {TypeError} If `host` is not a string.
 * @throws {RangeError} If `port` is not what it should be.
 */
export function connectTls(host: string, port: number, options: ConnectTlsOptions = {}): Promise<SocketStream> {
  return attempt(
    () => checkConnect(host, port, options),
    async () => {
      const raw = await openTcp(host, port, options);
      const socket = connect({ ...options, ...nameFor(host, options), socket: raw });
      await agreed(socket, "secureConnect", `'${shown(host, port)}'`, () => raw.destroy());
      return tlsStreamOf(socket, () => raw.resetAndDestroy());
    },
  );
}

/**
 * Goes on under TLS on a connection that there is already, as protocols do that begin in the clear (STARTTLS). From then on the
 * connection belongs to what this gives; closing that closes it. A failure closes it too.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled on entry, nothing has happened; while it waits: the
 * connection is torn.
 *
 * @throws {BrokenError} If both sides could not agree, or the other side's certificate is not right.
 */
export function startTls(stream: ByteStream, options: StartTlsOptions = {}): Promise<SocketStream> {
  return attempt(
    () => checkOptions("start TLS", options),
    async () => {
      const duplex = toNodeStream(stream);
      const undo = (): void => stream.abort();
      const socket = options.isServer
        ? new TLSSocket(duplex, { ...options, secureContext: createSecureContext(options) })
        : connect({ ...options, socket: duplex });
      await agreed(socket, options.isServer ? "secure" : "secureConnect", "the other end", undo);
      return tlsStreamOf(socket, (reason) => stream.abort(reason), stream instanceof SocketStream ? stream : undefined);
    },
  );
}

/**
 * Takes in connections by TCP and TLS, as `listenTcp()`. Who can't agree on TLS is disconnected, and counted in `statistics()`;
 * nobody waits for it.
 *
 * Cancellation: Checkpoint, nothing lost: if this call is cancelled, nobody listens.
 *
 * @throws {InvalidStateError} If the system does not allow it; `cause` is its error.
 * @throws {TypeError} If `host` is not a string.
 * @throws {RangeError} If `port` or `backlog` is not what it should be.
 */
export function listenTls(options: ListenTlsOptions): Promise<SocketListener> {
  return attempt(
    () => checkListenTcp(options),
    () => {
      const { handshakeTimeout = 10_000 } = options;
      const server = createServer({ ...options, ...serverOptions(options), pauseOnConnect: false, handshakeTimeout });
      const raws = new RawSockets();
      server.on("connection", (raw: Socket) => raws.add(raw));
      const toStream = (socket: Socket): SocketStream => tlsStreamOf(socket as TLSSocket, raws.tearOf(socket));
      return listenAt(server, place(options), options, toStream, "secureConnection");
    },
  );
}

/**
 * As `serveTcp()`, through TLS.
 *
 * Cancellation: Checkpoint, effects possible: as `serveTcp()`.
 *
 * @throws {InvalidStateError} If it cannot listen there; `cause` is the system's error.
 */
export async function serveTls(handler: ConnectionHandler<SocketStream>, options: ServeTlsOptions): Promise<void> {
  checkServe(handler, options);
  await serveStarted(await listenTls(options), handler, options);
}

function nameFor(host: string, { servername }: TlsClientOptions): { servername: string } | { host: string } {
  if (servername !== undefined) return { servername };
  return isIP(host) === 0 ? { servername: host } : { host };
}

function agreed(socket: TLSSocket, event: string, whom: string, undo: () => void): Promise<void> {
  return opened(socket, {
    what: `an agreement on TLS with ${whom}`,
    event,
    undo,
    why: (error) => {
      undo();
      return new BrokenError(`Cannot agree on TLS with ${whom}: ${reasonOf(error)}`, { cause: error });
    },
  });
}

function tlsStreamOf(
  socket: TLSSocket,
  tear: ((reason: unknown) => void) | undefined,
  under?: SocketStream,
): SocketStream {
  const { localAddress, localPort, remoteAddress, remotePort } = under ?? socket;
  const tls = { alpnProtocol: socket.alpnProtocol || undefined, authorized: socket.authorized };
  return new SocketStream({
    duplex: socket,
    localAddress,
    localPort,
    remoteAddress,
    remotePort,
    path: under?.path,
    tear,
    tls,
  });
}

/** The sockets under those that a TLS server gives, found by who is at the other end: only those can be reset. */
class RawSockets {
  readonly #byPeer = new Map<string, Socket>();

  add(raw: Socket): void {
    const peer = peerOf(raw);
    this.#byPeer.set(peer, raw);
    raw.on("error", ignore); // the socket above tells what has happened
    raw.once("close", () => this.#byPeer.delete(peer));
  }

  tearOf(socket: Socket): (() => void) | undefined {
    const raw = this.#byPeer.get(peerOf(socket));
    return raw && (() => raw.resetAndDestroy());
  }
}

function peerOf(socket: Socket): string {
  return shown(socket.remoteAddress, socket.remotePort);
}

function ignore(): void {}
