import type { Duplex } from "node:stream";
import type { Socket } from "node:net";
import type { ByteStream, ByteStreamStatistics } from "../streams/byte-stream.ts";
import { NodeDuplex } from "../streams/node/duplex.ts";
import { shown } from "./check.ts";

/** Where the ends of a connection are. */
export interface SocketAddresses {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  /** The unix socket that was connected to. */
  readonly path?: string | undefined;
}

/** What TLS knows of a connection. */
export interface TlsFacts {
  /** The protocol that both sides have agreed on by ALPN. */
  readonly alpnProtocol: string | undefined;
  /** Whether the other side's certificate was checked and found right. */
  readonly authorized: boolean;
}

/** @internal */
export interface SocketParts extends SocketAddresses {
  readonly duplex: Duplex;
  /** How to destroy it so that the other end sees a reset. */
  readonly tear?: ((reason: unknown) => void) | undefined;
  readonly tls?: TlsFacts | undefined;
}

/**
 * How long a closed socket waits for the other side: to take what a cut write has left, which is no whole message; and to say all it
 * had to say, as what comes to a socket that is gone makes the system tear the connection, with what was written last.
 */
const linger = 1000;

/** A connection through a socket of the system: TCP, TLS or unix. */
export class SocketStream implements ByteStream, SocketAddresses {
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly path: string | undefined;
  /** Undefined if it does not go through TLS. */
  readonly tls: TlsFacts | undefined;
  readonly #stream: NodeDuplex;

  /** @internal */
  constructor(parts: SocketParts) {
    this.localAddress = parts.localAddress;
    this.localPort = parts.localPort;
    this.remoteAddress = parts.remoteAddress;
    this.remotePort = parts.remotePort;
    this.path = parts.path;
    this.tls = parts.tls;
    this.#stream = new NodeDuplex(parts.duplex, `the connection with '${this.peer}'`, {
      tear: parts.tear,
      linger,
      isSocket: true,
    });
  }

  /** Who is at the other end, as tasks are named and errors speak of it: `127.0.0.1:50123`, or a path. */
  get peer(): string {
    if (this.remotePort !== undefined) return shown(this.remoteAddress, this.remotePort);
    return this.path ?? "a stream";
  }

  get isClosed(): boolean {
    return this.#stream.isClosed;
  }

  get bytesWritten(): number {
    return this.#stream.bytesWritten;
  }

  read(max?: number): Promise<Uint8Array | undefined> {
    return this.#stream.read(max);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#stream.write(bytes);
  }

  closeWriting(): Promise<void> {
    return this.#stream.closeWriting();
  }

  close(): Promise<void> {
    return this.#stream.close();
  }

  abort(reason?: unknown): void {
    this.#stream.abort(reason);
  }

  /** @internal */
  leaveAtOnce(): void {
    this.#stream.leaveAtOnce();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return this.#stream[Symbol.asyncIterator]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  statistics(): ByteStreamStatistics {
    return this.#stream.statistics();
  }
}

/** A connected socket as a stream. @internal */
export function streamOf(socket: Socket, path?: string): SocketStream {
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  const tear = path === undefined ? () => socket.resetAndDestroy() : undefined;
  return new SocketStream({ duplex: socket, localAddress, localPort, remoteAddress, remotePort, path, tear });
}
