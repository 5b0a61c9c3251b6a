import type { Duplex } from "node:stream";
import { BrokenError } from "../../errors.ts";
import { now, Timer, type Scope } from "../../lowlevel.ts";

/** What runs for a client. */
export interface Visit {
  /** What it is answered with: the headers may still say that the connection ends with it. */
  readonly outgoing: { shouldKeepAlive: boolean; readonly headersSent: boolean } | undefined;
  /** The client has closed its connection, or lost it. */
  clientLeft(): void;
}

/** Cancels what runs for a client that has left. What is cancelled already is not told anew: that would cut its cleanup. */
export function cancelFor(scope: Scope, what: string, why: string): void {
  if (!scope.signal.aborted) scope.cancel(new BrokenError(`Cannot ${what}: ${why}`));
}

/** Ends a connection when all that was written, and `text`, is gone, or when that takes longer than `ms`. */
export function endWithin(ms: number, socket: Duplex, text = ""): void {
  const timer = new Timer(() => socket.destroy());
  socket.once("close", () => timer.set(Infinity));
  if (!socket.closed) timer.set(now() + ms);
  if (text !== "") socket.write(text);
  socket.end(() => socket.destroy());
}

const known = new WeakMap<object, Connection>();

/** A connection of a server, and what runs for it: with pipelining that may be much at once. */
export class Connection {
  readonly socket: Duplex;
  readonly #visits = new Set<Visit>();
  #closing = false;

  static of(socket: Duplex): Connection {
    let connection = known.get(socket);
    if (connection === undefined) known.set(socket, (connection = new Connection(socket)));
    return connection;
  }

  private constructor(socket: Duplex) {
    this.socket = socket;
    socket.once("close", () => {
      for (const visit of this.#visits) visit.clientLeft();
    });
  }

  begin(visit: Visit): void {
    this.#visits.add(visit);
    if (this.#closing && visit.outgoing !== undefined) visit.outgoing.shouldKeepAlive = false;
    if (this.socket.destroyed) visit.clientLeft();
  }

  end(visit: Visit): void {
    this.#visits.delete(visit);
    if (this.#closing && this.#visits.size === 0) this.#end();
  }

  /** As `begin`, for who stands for all that runs so far: he alone is told from now on. */
  takeOver(visit: Visit): void {
    this.#visits.clear();
    this.begin(visit);
  }

  /** Ends it when what runs has been answered; now if nothing does. */
  closeWhenIdle(): void {
    this.#closing = true;
    if (this.#visits.size === 0) this.socket.destroy();
    for (const { outgoing } of this.#visits) {
      if (outgoing !== undefined && !outgoing.headersSent) outgoing.shouldKeepAlive = false;
    }
  }

  /** When all that was written is gone. */
  #end(): void {
    this.socket.end(() => this.socket.destroy());
  }
}
