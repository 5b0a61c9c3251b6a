import { lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type ListenOptions, type Server, type Socket } from "node:net";
import { checkOptions, InvalidStateError } from "../errors.ts";
import { attempt } from "./connect.ts";
import { checkAddress, checkAmount, checkPath, shown } from "./check.ts";
import { opened, reasonOf } from "./opening.ts";
import { SocketListener } from "./socket-listener.ts";
import { streamOf, type SocketStream } from "./socket-stream.ts";

/** What every listener can be told. */
export interface BacklogOptions {
  /** How many connections may wait to be accepted: a whole number from 1; default 511. */
  readonly backlog?: number;
}

export interface ListenTcpOptions extends BacklogOptions {
  /** From 1 to 65,535, or 0 for one that is free; see the listener's `port`. */
  readonly port: number;
  /** The address to listen on; default 127.0.0.1, where only this machine can reach it. "0.0.0.0" and "::" mean everywhere. */
  readonly host?: string;
  /** Sends what is written at once, instead of waiting for more (Nagle's algorithm); default true. */
  readonly noDelay?: boolean;
  /** Probes a silent connection after so many milliseconds; default: never. */
  readonly keepAliveAfter?: number;
  /** With host "::", no connections of IPv4; default false. */
  readonly ipv6Only?: boolean;
}

export interface ListenUnixOptions extends BacklogOptions {
  readonly path: string;
}

/**
 * Takes in connections by TCP; on the loopback address only, unless `host` says otherwise.
 *
 * Cancellation: Checkpoint, nothing lost: if this call is cancelled, nobody listens.
 *
 * @throws {InvalidStateError} If the system does not allow it: somebody listens there already, say; `cause` is its error.
 * @throws {TypeError} If `host` is not a string.
 * @throws {RangeError} If `port` or `backlog` is not what it should be.
 */
export function listenTcp(options: ListenTcpOptions): Promise<SocketListener> {
  return attempt(
    () => checkListenTcp(options),
    () => listenAt(createServer(serverOptions(options)), place(options), options, (socket) => streamOf(socket)),
  );
}

/**
 * Takes in connections to a unix socket, which is made, and removed when the listener is closed. A socket that nobody listens on
 * any more, left by a program that was killed, is replaced; any other file is left alone.
 *
 * Cancellation: Checkpoint, nothing lost: if this call is cancelled, nobody listens.
 *
 * @throws {InvalidStateError} If somebody listens there, or the system does not allow it; `cause` is its error.
 * @throws {TypeError} If `path` is not a string.
 */
export function listenUnix(options: ListenUnixOptions): Promise<SocketListener> {
  return attempt(
    () => {
      checkBacklog(options);
      checkPath("listen on", options.path);
    },
    async () => {
      const { path } = options;
      const listen = (): Promise<SocketListener> =>
        listenAt(createServer({ allowHalfOpen: true, pauseOnConnect: true }), { path }, options, (socket) =>
          streamOf(socket, path),
        );
      try {
        return await listen();
      } catch (error) {
        if (!isInUse(error) || !(await isStale(path))) throw error;
        unlinkSync(path);
        return listen();
      }
    },
  );
}

/** @internal */
export function checkListenTcp(options: ListenTcpOptions): void {
  checkBacklog(options);
  checkAddress("listen on", options.host ?? "127.0.0.1", options.port, 0);
}

function checkBacklog(options: BacklogOptions): void {
  checkOptions("listen", options);
  if (options.backlog !== undefined) checkAmount("listen", "backlog", options.backlog);
}

/** @internal */
export function serverOptions({ noDelay = true, keepAliveAfter }: ListenTcpOptions): object {
  return {
    allowHalfOpen: true,
    pauseOnConnect: true,
    noDelay,
    keepAlive: keepAliveAfter !== undefined,
    ...(keepAliveAfter !== undefined && { keepAliveInitialDelay: keepAliveAfter }),
  };
}

/** @internal */
export function place({ host = "127.0.0.1", port, ipv6Only = false }: ListenTcpOptions): ListenOptions {
  return { host, port, ipv6Only };
}

/** Makes `server` listen, and gives its connections to a listener. @internal */
export async function listenAt(
  server: Server,
  where: ListenOptions,
  { backlog = 511 }: BacklogOptions,
  toStream: (socket: Socket) => SocketStream,
  event: "connection" | "secureConnection" = "connection",
): Promise<SocketListener> {
  const { path } = where;
  const shownAs = path ?? shown(where.host, where.port);
  const kept: Socket[] = [];
  let take = (socket: Socket): void => void kept.push(socket);
  server.on(event, (socket: Socket) => take(socket));
  server.listen({ ...where, backlog: Math.min(backlog, 65_535), exclusive: true });
  await opened(server, {
    what: `to listen on '${shownAs}'`,
    event: "listening",
    undo: () => server.close(),
    why: (error) => new InvalidStateError(`Cannot listen on '${shownAs}': ${reasonOf(error)}`, { cause: error }),
  });
  const listener = new SocketListener({ server, backlog, path, streamOf: toStream });
  take = (socket) => listener.offer(socket);
  for (const socket of kept) take(socket);
  return listener;
}

function isInUse(error: unknown): boolean {
  return ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === "EADDRINUSE";
}

/** Whether `path` is a socket that refuses connections. */
async function isStale(path: string): Promise<boolean> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return false;
  const socket = connect(path);
  try {
    await opened(socket, { what: `an answer from '${path}'`, event: "connect", undo: () => socket.destroy(), why });
    return false;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ECONNREFUSED") return true;
    throw error;
  } finally {
    socket.destroy();
  }
}

function why(error: unknown): Error {
  return error as Error;
}
