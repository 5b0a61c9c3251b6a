/** A server of Node's that belongs to the task tree: it listens, drains and ends with the scope around it. */
import type { Server as HttpServer } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { InvalidStateError } from "../../errors.ts";
import { currentScope, graceIsOver, refused, WaitList, wasCut, withTaskGroup, type TaskGroup } from "../../lowlevel.ts";
import { shown } from "../../net/check.ts";
import { opened, reasonOf } from "../../net/opening.ts";
import { Connection } from "./connection.ts";

export type NodeServer = HttpServer | HttpsServer;

/** Where a server listens. */
export interface HttpListener {
  readonly host: string;
  readonly port: number;
  /** Without a path, and without a slash at the end: `http://127.0.0.1:8080`. */
  readonly url: string;
  statistics(): HttpStatistics;
}

export interface HttpStatistics {
  /** How many connections are open. */
  readonly connections: number;
  /** How many requests are being answered. */
  readonly requests: number;
  /** How many were refused so far since there were too many at once, or the server was about to end. */
  readonly refused: number;
}

export interface HostOptions {
  readonly port: number;
  readonly host?: string | undefined;
  readonly backlog?: number | undefined;
  readonly maxConnections?: number | undefined;
  readonly started?: ((listener: HttpListener) => void) | undefined;
  readonly onError: (error: unknown) => void;
}

type Counts = () => Omit<HttpStatistics, "connections">;

export interface Hosted {
  readonly server: NodeServer;
  readonly isSecure: boolean;
  readonly counts: Counts;
  /** Called when the server is no longer run here. */
  readonly left?: () => void;
}

/**
 * Runs the server that `make` gives: until the scope around drains and all that was begun is answered, or until it is cancelled.
 * `make` gets the group in which requests are to run, and gives also how to count them.
 */
export function serveInScope(make: (group: TaskGroup) => Hosted, options: HostOptions): Promise<void> {
  return withTaskGroup(async (group) => {
    const hosted = make(group);
    const host = new ServerHost(hosted);
    // Node tells here what has kept a connection from being accepted; who hears of it may fail.
    const failed = (error: unknown): void => void group.trySpawn(() => options.onError(error), { name: "accept" });
    try {
      await host.listen(options);
      hosted.server.on("error", failed);
      await runUntilClosed(host, group, options.started);
    } finally {
      hosted.server.off("error", failed);
      host.leave();
    }
  });
}

async function runUntilClosed(host: ServerHost, group: TaskGroup, started: HostOptions["started"]): Promise<void> {
  try {
    started?.(host);
    await currentScope().waitDraining();
    host.close();
    await host.closed();
  } finally {
    if (!host.isClosed && !wasCut()) group.cancel("the server has ended");
    await host.end();
  }
}

class ServerHost implements HttpListener {
  host = "";
  port = 0;
  isClosed = false;
  readonly #server: NodeServer;
  readonly #hosted: Hosted;
  readonly #sockets = new Set<Duplex>();
  readonly #connections = new Set<Connection>();
  readonly #line: WaitList;
  #closing = false;

  constructor(hosted: Hosted) {
    this.#server = hosted.server;
    this.#hosted = hosted;
    this.#line = new WaitList({ describe: () => `the end of ${this.#sockets.size} connections to '${this.url}'` });
    this.#server.on("connection", this.#accepted);
    this.#server.on(this.#ready, this.#take);
  }

  /** Hears no more of the server: somebody may run it again. */
  leave(): void {
    this.#server.off("connection", this.#accepted);
    this.#server.off(this.#ready, this.#take);
    this.#hosted.left?.();
  }

  /** The event that tells of a connection on which something can be asked. */
  get #ready(): string {
    return this.#hosted.isSecure ? "secureConnection" : "connection";
  }

  get url(): string {
    return `${this.#hosted.isSecure ? "https" : "http"}://${shown(this.host, this.port)}`;
  }

  async listen({ port, host = "127.0.0.1", backlog = 511, maxConnections = Infinity }: HostOptions): Promise<void> {
    const server = this.#server;
    const address = shown(host, port);
    if (maxConnections !== Infinity) server.maxConnections = maxConnections;
    server.listen({ host, port, backlog: Math.min(backlog, 65_535), exclusive: true });
    await opened(server, {
      what: `to listen on '${address}'`,
      event: "listening",
      letsGo: true,
      undo: () => server.close(),
      why: (error) => new InvalidStateError(`Cannot listen on '${address}': ${reasonOf(error)}`, { cause: error }),
    });
    const bound = server.address() as AddressInfo;
    this.host = bound.address;
    this.port = bound.port;
  }

  /** Takes no more connections, ends those on which nothing is asked, and the others after the answer. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#server.close(() => {
      this.isClosed = true;
      this.#line.wakeAll();
    });
    for (const connection of this.#connections) connection.closeWhenIdle();
    this.#server.closeIdleConnections(); // Bun tells of a connection when something is asked on it
  }

  async closed(): Promise<void> {
    const refusal = refused();
    if (refusal !== undefined) await refusal;
    if (!this.isClosed) await this.#line.wait();
  }

  /** Closes, and waits for what is being answered until the cut-off; then by force. */
  async end(): Promise<void> {
    this.close();
    try {
      if (!this.isClosed && !graceIsOver()) await this.#line.wait(undefined, { exempt: true });
    } finally {
      for (const socket of this.#sockets) socket.destroy();
    }
  }

  statistics(): HttpStatistics {
    return { connections: this.#sockets.size, ...this.#hosted.counts() };
  }

  readonly #accepted = (socket: Socket): void => this.#keep(this.#sockets, socket, socket);

  readonly #take = (socket: Duplex): void => {
    const connection = Connection.of(socket);
    this.#keep(this.#connections, connection, socket);
    if (this.#closing) connection.closeWhenIdle();
  };

  #keep<T>(set: Set<T>, item: T, socket: Duplex): void {
    set.add(item);
    socket.once("close", () => set.delete(item));
  }
}
