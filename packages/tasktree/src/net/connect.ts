import { connect, type Socket } from "node:net";
import { BrokenError, checkOptions } from "../errors.ts";
import { quiet, refused } from "../lowlevel.ts";
import { checkAddress, checkPath, shown } from "./check.ts";
import { opened, reasonOf } from "./opening.ts";
import { streamOf, type SocketStream } from "./socket-stream.ts";

export interface ConnectTcpOptions {
  /** Sends what is written at once, instead of waiting for more (Nagle's algorithm); default true. */
  readonly noDelay?: boolean;
  /** Probes a silent connection after so many milliseconds, to find out whether the other side is still there; default: never. */
  readonly keepAliveAfter?: number;
  /** The address, and the port, from which to connect; default: the system chooses. */
  readonly localAddress?: string;
  readonly localPort?: number;
  /** Only addresses of IPv4 (4) or of IPv6 (6); default 0, both. */
  readonly family?: 0 | 4 | 6;
}

/**
 * Connects by TCP. A host of several addresses is tried address by address, IPv6 and IPv4 by turns, each 250 ms after the one
 * before, until one answers (Happy Eyeballs, RFC 8305, as Node does it). For a limit in time put `failAfter` around.
 *
 * Cancellation: Checkpoint, nothing lost: if this call is cancelled, also while it looks the name up, no socket is left; the
 * other side may have seen a connection that is then closed.
 *
 * @param port From 1 to 65,535.
 * @throws {BrokenError} If the name is not known, or nobody answers there; `cause` is the system's error.
 * @throws {TypeError} If `host` is not a string.
 * @throws {RangeError} If `port` is not what it should be.
 * @example
 * ```ts
 * import { connectTcp, listenTcp } from "tasktree/net";
 * import assert from "node:assert";
 * await using listener = await listenTcp({ port: 0 });
 * await using client = await connectTcp("127.0.0.1", listener.port!);
 * await using server = await listener.accept();
 * await client.write(Buffer.from("hello"));
 * assert.equal(Buffer.from((await server.read())!).toString(), "hello");
 * ```
 */
export function connectTcp(host: string, port: number, options: ConnectTcpOptions = {}): Promise<SocketStream> {
  return attempt(
    () => checkConnect(host, port, options),
    async () => streamOf(await openTcp(host, port, options)),
  );
}

/**
 * Connects to a unix socket. `abort()` of such a connection can't be told from `close()` at the other end if that has nothing
 * under way: the system knows no reset there.
 *
 * Cancellation: Checkpoint, nothing lost: as {@link connectTcp}.
 *
 * @throws {BrokenError} If nobody listens there; `cause` is the system's error.
 * @throws {TypeError} If `path` is not a string.
 */
export function connectUnix(path: string): Promise<SocketStream> {
  return attempt(
    () => checkPath("connect to", path),
    async () => {
      const socket = connect({ path, allowHalfOpen: true });
      await connected(socket, path);
      return streamOf(socket, path);
    },
  );
}

/** @internal */
export function checkConnect(host: unknown, port: unknown, options: unknown): void {
  checkAddress("connect to", host, port, 1);
  checkOptions("connect", options);
}

/** What begins with a check of its arguments and is a checkpoint. @internal */
export function attempt<T>(check: () => void, fn: () => Promise<T>): Promise<T> {
  try {
    check();
  } catch (error) {
    return Promise.reject(error);
  }
  return refused() ?? quiet(fn);
}

/** @internal */
export async function openTcp(host: string, port: number, options: ConnectTcpOptions): Promise<Socket> {
  const { noDelay = true, keepAliveAfter, localAddress, localPort, family = 0 } = options;
  const socket = connect({
    host,
    port,
    family,
    noDelay,
    keepAlive: keepAliveAfter !== undefined,
    allowHalfOpen: true,
    autoSelectFamily: true,
    ...(keepAliveAfter !== undefined && { keepAliveInitialDelay: keepAliveAfter }),
    ...(localAddress !== undefined && { localAddress }),
    ...(localPort !== undefined && { localPort }),
  });
  await connected(socket, shown(host, port));
  return socket;
}

function connected(socket: Socket, to: string): Promise<void> {
  return opened(socket, {
    what: `a connection to '${to}'`,
    event: "connect",
    undo: () => socket.destroy(),
    why: (error) => new BrokenError(`Cannot connect to '${to}': ${reasonOf(error)}`, { cause: error }),
  });
}
