import type { Server, Socket } from "node:net";
import { BrokenError, ClosedError } from "../errors.ts";
import { Deque } from "../internal/deque.ts";
import { currentScope, drainingChoice, passed, quiet, refusedIntake, WaitList, waitForOne } from "../lowlevel.ts";
import { asStep } from "../streams/chunk-steps.ts";
import type { Listener, ListenerStatistics } from "../streams/listener.ts";
import { shown } from "./check.ts";
import { reasonOf } from "./opening.ts";
import type { SocketStream } from "./socket-stream.ts";

export interface SocketListenerStatistics extends ListenerStatistics {
  /** Connections that were reset because too many waited to be accepted. */
  readonly dropped: number;
  /** Connections that have not come as far as an agreement on TLS. */
  readonly failedHandshakes: number;
}

/** @internal */
export interface ListenerParts {
  readonly server: Server;
  readonly backlog: number;
  readonly path: string | undefined;
  readonly streamOf: (socket: Socket) => SocketStream;
  /** Ends what listens, and what has not come as far as to be offered. */
  readonly end: () => void;
}

/**
 * Where connections come in. The system accepts them at once; what nobody has accepted here waits with nothing read of it, up to
 * `backlog` of them. More are reset.
 */
export class SocketListener implements Listener<SocketStream> {
  /** The address it listens on; undefined for a unix socket. */
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly path: string | undefined;
  readonly #end: () => void;
  readonly #room: number;
  readonly #streamOf: (socket: Socket) => SocketStream;
  readonly #backlog = new Deque<Socket>();
  readonly #accepting: WaitList<SocketStream>;
  #dropped = 0;
  #failedHandshakes = 0;
  #failure: Error | undefined = undefined;
  #closed = false;

  /** @internal */
  constructor({ server, backlog, path, streamOf, end }: ListenerParts) {
    const address = server.address();
    if (typeof address === "object") {
      this.host = address?.address;
      this.port = address?.port;
    }
    this.path = path;
    this.#end = end;
    this.#room = backlog;
    this.#streamOf = streamOf;
    this.#accepting = new WaitList({ describe: () => `a connection to '${this.address}'` });
    server.on("error", (error) => this.#fail(error));
    server.on("tlsClientError", (_, socket: Socket) => {
      this.#failedHandshakes++;
      socket.destroy(); // Node leaves one open that took too long
    });
  }

  /** `host:port`, or the path. */
  get address(): string {
    return this.path ?? shown(this.host, this.port);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  accept(): Promise<SocketStream> {
    const refusal = refusedIntake();
    if (refusal !== undefined) return refusal;
    if (this.#closed) return Promise.reject(this.#whyClosed());
    const failure = this.#takeFailure();
    if (failure !== undefined) return Promise.reject(failure);
    const socket = this.#nextWaiting();
    return socket === undefined ? this.#accepting.wait() : passed(this.#streamOf(socket));
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#end();
      for (const socket of this.#backlog) this.#streamOf(socket).abort();
      this.#backlog.clear();
      if (this.#accepting.size > 0) this.#accepting.failAll(this.#whyClosed());
    }
    return passed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [Symbol.asyncIterator](): AsyncIterator<SocketStream, undefined> {
    return { next: () => this.#next() };
  }

  statistics(): SocketListenerStatistics {
    return {
      backlog: this.#backlog.size,
      accepting: this.#accepting.size,
      dropped: this.#dropped,
      failedHandshakes: this.#failedHandshakes,
    };
  }

  /** Takes a new connection in, if there is room for it. @internal */
  offer(socket: Socket): void {
    if (this.#accepting.size > 0) {
      this.#accepting.wake(this.#streamOf(socket));
      return;
    }
    socket.on("error", ignore); // what has become of it is seen by who accepts it
    if (this.#closed || this.#backlog.size >= this.#room) {
      this.#dropped++;
      this.#streamOf(socket).abort();
      return;
    }
    this.#backlog.push(socket);
  }

  /** Those that wait may have gone meanwhile. */
  #nextWaiting(): Socket | undefined {
    let socket = this.#backlog.shift();
    while (socket?.destroyed) socket = this.#backlog.shift();
    return socket;
  }

  #next(): Promise<IteratorResult<SocketStream, undefined>> {
    const refusal = refusedIntake();
    if (refusal !== undefined) return refusal;
    if (this.#closed || currentScope().draining) return passed(asStep<SocketStream>(undefined));
    const failure = this.#takeFailure();
    if (failure !== undefined) return Promise.reject(failure);
    const socket = this.#nextWaiting();
    return socket === undefined ? quiet(() => this.#waitForNext()) : passed(asStep(this.#streamOf(socket)));
  }

  async #waitForNext(): Promise<IteratorResult<SocketStream, undefined>> {
    const accepting = { poll: () => undefined, line: this.#accepting, intake: true };
    try {
      const { index, value } = await waitForOne<SocketStream | void>([accepting, drainingChoice()]);
      return asStep(index === 0 ? (value as SocketStream) : undefined);
    } catch (error) {
      if (error instanceof ClosedError) return asStep<SocketStream>(undefined);
      throw error;
    }
  }

  /** The system could not accept a connection. Whoever accepts next is told; then it goes on. */
  #fail(error: unknown): void {
    const failure = new BrokenError(`Cannot accept connections to '${this.address}': ${reasonOf(error)}`, {
      cause: error,
    });
    if (!this.#accepting.fail(failure)) this.#failure = failure;
  }

  #takeFailure(): Error | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  #whyClosed(): Error {
    return new ClosedError(`Cannot accept connections to '${this.address}': the listener is closed`);
  }
}

function ignore(): void {}
