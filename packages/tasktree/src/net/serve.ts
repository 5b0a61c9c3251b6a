import { brief, BrokenError, checkOptions } from "../errors.ts";
import { currentTask, drainingChoice, WaitList, waitForOne, wasCut, withTaskGroup } from "../lowlevel.ts";
import type { ByteStream } from "../streams/byte-stream.ts";
import type { Listener } from "../streams/listener.ts";
import { sleep } from "../timeouts.ts";
import { checkAmount } from "./check.ts";
import { listenTcp, listenUnix, type ListenTcpOptions, type ListenUnixOptions } from "./listen.ts";
import type { SocketListener } from "./socket-listener.ts";
import type { SocketStream } from "./socket-stream.ts";

/** What serves one connection, in a task of its own. */
export type ConnectionHandler<S> = (connection: S) => unknown;

export interface ServeOptions<S> {
  /** So many connections are served at a time: a whole number from 1 (default 10,000), or Infinity. More wait in the backlog. */
  readonly maxConnections?: number;
  /**
   * Gets what a handler has thrown, and what kept a connection from being accepted, where the system was short of descriptors or
   * memory. What it throws itself ends the server. Default: it is printed on standard error, with the task's path.
   */
  readonly onError?: (error: unknown, connection: S | undefined) => void;
}

export interface StartedOptions {
  /** Called when connections can come: `group.start((started) => serveTcp(handler, { port: 0, started }))`. */
  readonly started?: (listener: SocketListener) => void;
}

export type ServeTcpOptions = ListenTcpOptions & ServeOptions<SocketStream> & StartedOptions;
export type ServeUnixOptions = ListenUnixOptions & ServeOptions<SocketStream> & StartedOptions;

/**
 * Serves connections by TCP, each in a task of its own that is named after the other side. On the loopback address only, unless
 * `host` says otherwise.
 *
 * A handler that returns closes its connection; one that throws, or is cancelled, resets it, so that nobody takes half an answer
 * for the whole. Its error goes to `onError` and stops nothing else. When the scope around drains, no more connections are
 * taken; this resolves when those that there are have been served.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled, so are its handlers; all have ended, and nobody listens
 * any more, before it rejects.
 *
 * @throws {InvalidStateError} If it cannot listen there; `cause` is the system's error.
 * @example
 * ```ts
 * import { withTaskGroup } from "tasktree";
 * import { connectTcp, serveTcp, type SocketListener, type SocketStream } from "tasktree/net";
 * import assert from "node:assert";
 * async function echo(connection: SocketStream): Promise<void> {
 *   for await (const chunk of connection) await connection.write(chunk);
 * }
 * await withTaskGroup(async (group) => {
 *   const { port } = await group.start<SocketListener>((started) => serveTcp(echo, { port: 0, started }), { service: true });
 *   await using client = await connectTcp("127.0.0.1", port!);
 *   await client.write(Buffer.from("hello"));
 *   assert.equal(Buffer.from((await client.read())!).toString(), "hello");
 * });
 * ```
 */
export async function serveTcp(handler: ConnectionHandler<SocketStream>, options: ServeTcpOptions): Promise<void> {
  checkServe(handler, options);
  await serveStarted(await listenTcp(options), handler, options);
}

/**
 * As {@link serveTcp}, through a unix socket, which is made, and removed at the end.
 *
 * Cancellation: Checkpoint, effects possible: as `serveTcp()`.
 *
 * @throws {InvalidStateError} If it cannot listen there; `cause` is the system's error.
 */
export async function serveUnix(handler: ConnectionHandler<SocketStream>, options: ServeUnixOptions): Promise<void> {
  checkServe(handler, options);
  await serveStarted(await listenUnix(options), handler, options);
}

/** @internal */
export async function serveStarted(
  listener: SocketListener,
  handler: ConnectionHandler<SocketStream>,
  options: ServeOptions<SocketStream> & StartedOptions,
): Promise<void> {
  await using _ = listener;
  options.started?.(listener);
  await serveListener(listener, handler, options);
}

/**
 * Serves the connections of a listener, as {@link serveTcp} does, and closes it at the end.
 *
 * Cancellation: Checkpoint, effects possible: as `serveTcp()`.
 *
 * @throws {BrokenError} If the listener can accept no more.
 */
export async function serveListener<S extends ByteStream>(
  listener: Listener<S>,
  handler: ConnectionHandler<S>,
  options: ServeOptions<S> = {},
): Promise<void> {
  checkServe(handler, options);
  const { maxConnections = 10_000, onError = print } = options;
  await withTaskGroup(async (group) => {
    await using _ = listener;
    const connections = listener[Symbol.asyncIterator]();
    const room = new Room(maxConnections);
    while (await room.come()) {
      const connection = await nextOf(connections, onError);
      if (connection === undefined) break;
      room.taken++;
      try {
        group.spawn(() => serveOne(connection, handler, onError, room), { name: nameOf(connection) });
      } catch (error) {
        // The server was cancelled since the connection was handed out: no handler has been called (K7).
        connection.abort(error);
        throw error;
      }
    }
  });
}

/** @internal */
export function checkServe(handler: unknown, options: unknown): void {
  if (typeof handler !== "function") throw new TypeError(`Cannot serve with ${brief(handler)}: wanted a function`);
  checkOptions("serve", options);
  const { maxConnections } = options as ServeOptions<unknown>;
  if (maxConnections !== undefined) checkAmount("serve", "maxConnections", maxConnections);
}

type OnError<S> = (error: unknown, connection: S | undefined) => void;

async function serveOne<S extends ByteStream>(
  connection: S,
  handler: ConnectionHandler<S>,
  onError: OnError<S>,
  room: Room,
): Promise<void> {
  try {
    await handler(connection);
    await connection.close();
  } catch (error) {
    connection.abort(error);
    // What comes of a cancellation, and what its cleanup throws, is the group's to judge.
    if (wasCut()) throw error;
    onError(error, connection);
  } finally {
    room.leave();
  }
}

/** The next connection; undefined if the server is to stop. */
async function nextOf<S>(connections: AsyncIterator<S, undefined>, onError: OnError<S>): Promise<S | undefined> {
  for (;;) {
    try {
      return (await connections.next()).value;
    } catch (error) {
      if (!isShortage(error)) throw error;
      onError(error, undefined);
      await sleep(pauseAfterShortage);
    }
  }
}

/** Some connections will end until then; as Trio's `serve_listeners` does it. */
const pauseAfterShortage = 100;

const shortages = new Set(["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS"]);

function isShortage(error: unknown): boolean {
  return error instanceof BrokenError && shortages.has((error.cause as NodeJS.ErrnoException | undefined)?.code ?? "");
}

function nameOf(connection: ByteStream & { readonly peer?: string }): string {
  return connection.peer === undefined ? "connection" : `connection from ${connection.peer}`;
}

function print(error: unknown): void {
  console.error(`${currentTask()?.path ?? "server"} failed:`, error);
}

/** How many are served, and who waits until they are fewer. */
class Room {
  taken = 0;
  readonly #most: number;
  readonly #line: WaitList;

  constructor(most: number) {
    this.#most = most;
    this.#line = new WaitList({ describe: () => `one of ${most} connections to end` });
  }

  /** Waits until there is room; false if the scope drains before that. */
  async come(): Promise<boolean> {
    if (this.taken < this.#most) return true;
    const left = { poll: () => undefined, line: this.#line };
    return (await waitForOne<void>([left, drainingChoice()])).index === 0;
  }

  leave(): void {
    this.taken--;
    this.#line.wake();
  }
}
