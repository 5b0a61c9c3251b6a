import { unlinkSync } from "node:fs";
import { createServer, type ListenOptions, type Server, type Socket } from "node:net";
import { checkOptions, InvalidStateError } from "../errors.ts";
import { lowestMark } from "../streams/node/outlet.ts";
import { attempt } from "./connect.ts";
import { checkAddress, checkAmount, checkPath, shown } from "./check.ts";
import { opened, reasonOf } from "./opening.ts";
import { SocketListener } from "./socket-listener.ts";
import { streamOf, type SocketStream } from "./socket-stream.ts";
import { fileAt, removingOnly, staleAt, takeAway } from "./unix-file.ts";

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
    () =>
      listenAt(createServer(serverOptions(options)), place(options), options, {
        streamOf: (socket) => streamOf(socket),
      }),
  );
}

/**
 * Takes in connections to a unix socket, which is made, and removed when the listener is closed. A socket that nobody listens on
 * any more, left by a program that was killed, is replaced, by one of those that try; any other file is left alone.
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
      try {
        return await listenAtPath(path, options);
      } catch (error) {
        const stale = isInUse(error) ? await staleAt(path) : undefined;
        const aside = stale && takeAway(path, stale);
        if (aside === undefined) throw error;
        return await listenAtPath(path, options).finally(() => unlinkSync(aside));
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
    highWaterMark: lowestMark,
    noDelay,
    keepAlive: keepAliveAfter !== undefined,
    ...(keepAliveAfter !== undefined && { keepAliveInitialDelay: keepAliveAfter }),
  };
}

/** @internal */
export function place({ host = "127.0.0.1", port, ipv6Only = false }: ListenTcpOptions): ListenOptions {
  return { host, port, ipv6Only };
}

/** What becomes of a server. @internal */
export interface Kind {
  readonly streamOf: (socket: Socket) => SocketStream;
  /** How the server tells of a connection; default "connection". */
  readonly event?: "connection" | "secureConnection";
  /** What closing the listener does; default: closes the server. */
  readonly end?: () => void;
}

/** Makes `server` listen, and gives its connections to a listener. @internal */
export async function listenAt(
  server: Server,
  where: ListenOptions,
  { backlog = 511 }: BacklogOptions,
  { streamOf: toStream, event = "connection", end = () => server.close() }: Kind,
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
  const listener = new SocketListener({ server, backlog, path, streamOf: toStream, end });
  take = (socket) => listener.offer(socket);
  for (const socket of kept) take(socket);
  return listener;
}

/** Closing a server removes what is at its path: its own file, or another's. */
function listenAtPath(path: string, options: BacklogOptions): Promise<SocketListener> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  let own: ReturnType<typeof fileAt>;
  server.once("listening", () => (own = fileAt(path)));
  return listenAt(server, { path }, options, {
    streamOf: (socket) => streamOf(socket, path),
    end: () => removingOnly(own, path, () => server.close()),
  });
}

function isInUse(error: unknown): boolean {
  return ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === "EADDRINUSE";
}
