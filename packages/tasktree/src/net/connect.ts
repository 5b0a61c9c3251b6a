import { connect, isIP, type Socket } from "node:net";
import { BrokenError, checkOptions } from "../errors.ts";
import { quiet, refused } from "../lowlevel.ts";
import { addressesOf, firstOf } from "./addresses.ts";
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
 * before, or when that has failed; those begun before go on, and the first that answers is taken (Happy Eyeballs, RFC 8305). For a
 * limit in time put `failAfter` around.
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
  const to = shown(host, port);
  const why = (error: unknown): Error => whyNot(to, error);
  const addresses = isIP(host) === 0 ? await addressesOf(host, options.family ?? 0, why) : [host];
  return connectToFirst(addresses, to, (address) => connect({ ...socketOptions(options), host: address, port }));
}

/** Connects to the first of the addresses that answers. @internal */
export async function connectToFirst(
  addresses: readonly string[],
  to: string,
  begin: (address: string) => Socket,
): Promise<Socket> {
  const attempts = addresses.map((address) => async () => {
    const socket = begin(address);
    await connected(socket, to);
    return socket;
  });
  if (attempts.length === 1) return attempts[0]!();
  try {
    return await firstOf(attempts, (socket) => socket.destroy());
  } catch (error) {
    throw error instanceof AggregateError ? oneOf(error.errors, to) : error;
  }
}

function socketOptions({ noDelay = true, keepAliveAfter, localAddress, localPort }: ConnectTcpOptions): object {
  return {
    noDelay,
    keepAlive: keepAliveAfter !== undefined,
    allowHalfOpen: true,
    ...(keepAliveAfter !== undefined && { keepAliveInitialDelay: keepAliveAfter }),
    ...(localAddress !== undefined && { localAddress }),
    ...(localPort !== undefined && { localPort }),
  };
}

function connected(socket: Socket, to: string): Promise<void> {
  return opened(socket, {
    what: `a connection to '${to}'`,
    event: "connect",
    undo: () => socket.destroy(),
    why: (error) => whyNot(to, error),
  });
}

/** One error for those of all addresses; like Node's, its cause has the code of the first. */
function oneOf(errors: readonly Error[], to: string): Error {
  const unexpected = errors.find((error) => !(error instanceof BrokenError));
  if (unexpected !== undefined) return unexpected;
  const causes = errors.map(({ cause }) => cause as NodeJS.ErrnoException);
  return whyNot(to, Object.assign(new AggregateError(causes), { code: causes[0]!.code }));
}

function whyNot(to: string, error: unknown): BrokenError {
  return new BrokenError(`Cannot connect to '${to}': ${reasonOf(error)}`, { cause: error });
}
