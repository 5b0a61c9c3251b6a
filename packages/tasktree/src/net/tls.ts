import { isIP, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import {
  connect,
  createSecureContext,
  createServer,
  type ConnectionOptions,
  type SecureContext,
  type SecureContextOptions,
  type Server,
  type TlsOptions,
  type TLSSocket,
} from "node:tls";
import { BrokenError, checkOptions } from "../errors.ts";
import type { ByteSource, ByteStream } from "../streams/byte-stream.ts";
import { checkSink, checkSource } from "../streams/ends.ts";
import { toNodeStream } from "../streams/node/to-node-stream.ts";
import { attempt, checkConnect, openTcp, type ConnectTcpOptions } from "./connect.ts";
import { checkAmount, shown } from "./check.ts";
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

export interface HandshakeOptions {
  /** A client that has not agreed on TLS after so many milliseconds is disconnected; default 10,000, Infinity for never. */
  readonly handshakeTimeout?: number;
}

export interface ListenTlsOptions extends ListenTcpOptions, TlsServerOptions, HandshakeOptions {}

export type ServeTlsOptions = ListenTlsOptions & ServeOptions<SocketStream> & StartedOptions;

/** How a connection that there is already goes on under TLS. */
export type StartTlsOptions = ReadSoFar &
  (
    | (TlsClientOptions & { readonly isServer?: false })
    | (TlsServerOptions & HandshakeOptions & { readonly isServer: true })
  );

export interface ReadSoFar {
  /**
   * Through what the stream was read so far, a `BufferedReader` say. What it has read ahead was said before TLS began, by anybody:
   * with that in it nothing is started.
   */
  readonly reader?: ByteSource;
}

/**
 * Connects by TCP and TLS: as `connectTcp()`, then agrees on TLS. The certificate must be valid for `servername`, by default the
 * host, and come from somebody in `ca`, by default whom Node trusts.
 *
 * Cancellation: Checkpoint, nothing lost: as `connectTcp()`.
 *
 * @throws {BrokenError} If the connection was not made, or the other side's certificate is not right; `cause` is the error that
 *   Node gives.
 * @throws {TypeError} If `host` is not a string, or if Node can use no such `key`, `cert`, `ca` …; `cause` is its error.
 * @throws {RangeError} If `port` is not what it should be.
 */
export function connectTls(host: string, port: number, options: ConnectTlsOptions = {}): Promise<SocketStream> {
  return attempt(
    () => checkConnect(host, port, options),
    async () => {
      const to = `'${shown(host, port)}'`;
      const secureContext = contextOf(`connect to ${to}`, options);
      const raw = await openTcp(host, port, options);
      const name = options.servername ?? host;
      const socket = connect({ ...options, ...nameToCheck(name), secureContext, socket: raw });
      await agreed(socket, to, () => raw.destroy());
      return tlsStreamOf(socket, () => raw.resetAndDestroy());
    },
  );
}

/**
 * Goes on under TLS on a connection that there is already, as protocols do that begin in the clear (STARTTLS). From then on the
 * connection belongs to what this gives; closing that closes it. A failure closes it too.
 *
 * A client says by `servername` for whom the certificate must be valid. What was said in the clear is to be forgotten, for anybody on
 * the way may have said it: a `BufferedReader` may have read more than the line that asked for TLS. Give it as `reader`, then this
 * fails if it has; and make a new one for what comes through TLS.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled on entry, nothing has happened; while it waits: the
 * connection is torn.
 *
 * @throws {BrokenError} If both sides could not agree, or the other side's certificate is not right; or if `reader` has read ahead.
 * @throws {TypeError} If `stream` is no stream of bytes, if a client gives neither `servername` nor `checkServerIdentity`, nor
 *   `rejectUnauthorized: false`; or if Node can use no such `key`, `cert`, `ca` …; `cause` is its error.
 * @throws {RangeError} If `handshakeTimeout` is not what it should be.
 */
export function startTls(stream: ByteStream, options: StartTlsOptions = {}): Promise<SocketStream> {
  return attempt(
    () => {
      checkSource("start TLS on", stream);
      checkSink("start TLS on", stream);
      checkOptions("start TLS", options);
    },
    async () => {
      try {
        checkStart(stream, options);
        const socket = await (options.isServer ? startedByServer(stream, options) : startedByClient(stream, options));
        const under = stream instanceof SocketStream ? stream : undefined;
        under?.leaveAtOnce();
        return tlsStreamOf(socket, (reason) => stream.abort(reason), under);
      } catch (error) {
        stream.abort(error);
        throw error;
      }
    },
  );
}

/**
 * Takes in connections by TCP and TLS, as `listenTcp()`. Who can't agree on TLS is disconnected, and counted in `statistics()`;
 * nobody waits for it. Closing the listener also disconnects who has not agreed yet.
 *
 * Cancellation: Checkpoint, nothing lost: if this call is cancelled, nobody listens.
 *
 * @throws {InvalidStateError} If the system does not allow it; `cause` is its error.
 * @throws {TypeError} If `host` is not a string, or if Node can use no such `key`, `cert`, `ca` …; `cause` is its error.
 * @throws {RangeError} If `port`, `backlog` or `handshakeTimeout` is not what it should be.
 */
export function listenTls(options: ListenTlsOptions): Promise<SocketListener> {
  return attempt(
    () => {
      checkListenTcp(options);
      checkHandshakeTimeout("listen", options);
    },
    async () => {
      const server = serverOf("listen", options, serverOptions(options));
      const raws = new RawSockets();
      server.on("connection", (raw: Socket) => raws.add(raw));
      server.on("secureConnection", (socket) => raws.hasAgreed(socket));
      return listenAt(server, place(options), options, {
        streamOf: (socket) => tlsStreamOf(socket as TLSSocket, raws.tearOf(socket)),
        event: "secureConnection",
        end() {
          server.close();
          raws.destroyUnagreed();
        },
      });
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

function checkStart(stream: ByteStream, options: StartTlsOptions): void {
  if (options.isServer) checkHandshakeTimeout("start TLS", options);
  else if (!saysWhomToTrust(options)) {
    throw new TypeError(
      "Cannot start TLS: wanted servername, for which the certificate must be valid, or checkServerIdentity",
    );
  }
  const { reader } = options;
  if (reader === undefined) return;
  checkSource("start TLS after", reader);
  const ahead = reader.statistics().buffered - stream.statistics().buffered;
  if (ahead > 0) throw new BrokenError(`Cannot start TLS: ${ahead} bytes came before it, and were not read`);
}

function saysWhomToTrust({ servername, checkServerIdentity, rejectUnauthorized }: TlsClientOptions): boolean {
  return Boolean(servername) || checkServerIdentity !== undefined || rejectUnauthorized === false;
}

function checkHandshakeTimeout(what: string, { handshakeTimeout }: HandshakeOptions): void {
  if (handshakeTimeout !== undefined) checkAmount(what, "handshakeTimeout", handshakeTimeout);
}

/** @throws {TypeError} If Node can use no such keys and certificates. */
function contextOf(what: string, options: TlsContextOptions): SecureContext {
  try {
    return createSecureContext(options);
  } catch (error) {
    throw new TypeError(`Cannot ${what} with these keys and certificates: ${reasonOf(error)}`, { cause: error });
  }
}

/** A server that lets go of a client which leaves before it has agreed on TLS: Node would keep its half of the connection. */
function serverOf(what: string, options: TlsServerOptions & HandshakeOptions, more: object = {}): Server {
  const { handshakeTimeout = 10_000 } = options;
  contextOf(what, options);
  return createServer({
    ...options,
    ...more,
    allowHalfOpen: false,
    pauseOnConnect: false,
    handshakeTimeout: handshakeTimeout === Infinity ? 0 : handshakeTimeout,
  });
}

/** A name goes to the server, which may have several; an address may not. Both are what the certificate must be valid for. */
function nameToCheck(name: string | undefined): { servername?: string | undefined; host?: string } {
  return name !== undefined && isIP(name) !== 0 ? { servername: undefined, host: name } : { servername: name };
}

async function startedByClient(stream: ByteStream, options: TlsClientOptions): Promise<TLSSocket> {
  const secureContext = contextOf("start TLS", options);
  const socket = connect({
    ...options,
    ...nameToCheck(options.servername),
    secureContext,
    socket: toNodeStream(stream),
  });
  await agreed(socket, "the other end", () => stream.abort());
  return socket;
}

/** A server of one connection: Node checks a client's certificate, and the time, nowhere else. */
async function startedByServer(stream: ByteStream, options: TlsServerOptions & HandshakeOptions): Promise<TLSSocket> {
  const server = serverOf("start TLS", options);
  const duplex: Duplex = toNodeStream(stream);
  duplex.allowHalfOpen = false;
  let socket: TLSSocket | undefined;
  server.once("secureConnection", (agreedOn) => {
    socket = agreedOn.on("error", ignore);
    socket.allowHalfOpen = duplex.allowHalfOpen = true;
  });
  const over = agreed(server, "the other end", () => stream.abort(), {
    event: "secureConnection",
    failure: "tlsClientError",
  });
  server.emit("connection", duplex);
  await over;
  return socket!;
}

function agreed(
  emitter: TLSSocket | Server,
  whom: string,
  undo: () => void,
  events: { readonly event: string; readonly failure?: string } = { event: "secureConnect" },
): Promise<void> {
  return opened(emitter, {
    ...events,
    what: `an agreement on TLS with ${whom}`,
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
  readonly #unagreed = new Set<Socket>();

  add(raw: Socket): void {
    const peer = peerOf(raw);
    this.#byPeer.set(peer, raw);
    this.#unagreed.add(raw);
    raw.on("error", ignore); // the socket above tells what has happened
    raw.once("close", () => {
      this.#byPeer.delete(peer);
      this.#unagreed.delete(raw);
    });
  }

  /** From now on each direction ends by itself. */
  hasAgreed(socket: TLSSocket): void {
    socket.allowHalfOpen = true;
    const raw = this.#byPeer.get(peerOf(socket));
    if (raw !== undefined) this.#unagreed.delete(raw);
  }

  destroyUnagreed(): void {
    for (const raw of this.#unagreed) raw.destroy();
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
