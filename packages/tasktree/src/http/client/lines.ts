import { ClosedError } from "../../errors.ts";
import { here, passed, refused, WaitList } from "../../lowlevel.ts";
import { Line } from "./line.ts";
import type { ConnectionSettings } from "./options.ts";

/** What the connections of a client do. */
export interface HttpClientStatistics {
  /** Connections that a request goes through, from its start until its answer's body has come. */
  readonly running: number;
  /** Connections that are kept for later ones. */
  readonly idle: number;
  /** Requests that wait for a connection. */
  readonly waiting: number;
}

/** A line that is somebody's until he gives it back. */
export interface Lease {
  readonly line: Line;
  /** Lets it serve another. Once is enough, of this or of `discard`. */
  release(): void;
  /** Closes it; what runs through it fails with `error`. Resolves when nothing is open any more. */
  discard(error: Error): Promise<void>;
}

/**
 * The connections of a client: of all origins never more than `most`, of one never more than `mostEach`, those that are idle or
 * being closed counted. Who wants one waits first for those to its origin, then for any, and so never holds up others' origins.
 */
export class Lines {
  readonly #most: number;
  readonly #mostEach: number;
  readonly #settings: ConnectionSettings;
  readonly #all: Room;
  readonly #origins = new Map<string, Origin>();
  /** The oldest first. */
  readonly #idle = new Set<Line>();
  readonly #closing = new Set<Promise<void>>();
  /** Has room for who takes, and waits until as much is closed. */
  readonly #freed: WaitList = new WaitList({ describe: () => "an unused connection to be closed" });
  #open = 0;
  #closed: ClosedError | undefined = undefined;

  constructor(most: number, mostEach: number, settings: ConnectionSettings) {
    this.#most = most;
    this.#mostEach = mostEach;
    this.#settings = settings;
    this.#all = new Room(most, "");
  }

  /**
   * Gives what `begin` makes of a connection to `name`. That is called in the moment in which the connection is taken, so that
   * nobody has one without whoever closes the client knowing of him.
   */
  async take<T>(name: string, begin: (lease: Lease) => T): Promise<T> {
    const origin = this.#originOf(name);
    try {
      return await inside(origin.room, () => inside(this.#all, () => this.#lineTo(name, origin, begin)));
    } finally {
      this.#forget(name, origin);
    }
  }

  /** Who waits for a connection, or comes for one, gets `error`. */
  refuse(error: ClosedError): void {
    this.#closed ??= error;
    this.#all.refuse(error);
    this.#freed.failAll(error);
    for (const { room } of this.#origins.values()) room.refuse(error);
  }

  /** Closes what nobody uses. */
  async closeIdle(): Promise<void> {
    for (const line of this.#idle) void this.#close(line, closedIdle);
    await Promise.all(this.#closing);
  }

  /** "2 of 2 are in use", for messages. */
  inUse(): string {
    const each = this.#mostEach < this.#most ? `, at most ${this.#mostEach} to one origin` : "";
    return `${this.statistics().running} of ${this.#most} are in use${each}`;
  }

  statistics(): HttpClientStatistics {
    let waiting = this.#all.waiting + this.#freed.size;
    for (const { room } of this.#origins.values()) waiting += room.waiting;
    const running = this.#open - this.#idle.size - this.#closing.size;
    return { running, idle: this.#idle.size, waiting };
  }

  // ---

  #originOf(name: string): Origin {
    let origin = this.#origins.get(name);
    if (origin === undefined) {
      origin = { room: new Room(this.#mostEach, ` to ${name}`), idle: [] };
      if (this.#closed !== undefined) origin.room.refuse(this.#closed);
      this.#origins.set(name, origin);
    }
    return origin;
  }

  #forget(name: string, { room, idle }: Origin): void {
    if (room.taken === 0 && room.waiting === 0 && idle.length === 0) this.#origins.delete(name);
  }

  async #lineTo<T>(name: string, origin: Origin, begin: (lease: Lease) => T): Promise<T> {
    // Whoever had been woken in a line when the client was closed comes here.
    if (this.#closed !== undefined) throw this.#closed;
    const kept = this.#kept(origin);
    if (kept !== undefined) return begin(this.#lease(kept, origin));
    // There is room for who runs, so what is too much is idle, or on its way out.
    while (this.#open >= this.#most) {
      const [oldest] = this.#idle;
      if (oldest !== undefined) void this.#close(oldest, closedIdle);
      await this.#freed.wait();
      if (this.#closed !== undefined) throw this.#closed;
    }
    const line = new Line(name, this.#settings);
    // Not before: one that could not be made is none.
    this.#open++;
    return begin(this.#lease(line, origin));
  }

  #kept(origin: Origin): Line | undefined {
    const kept = origin.idle.pop();
    if (kept === undefined) return undefined;
    this.#idle.delete(kept);
    kept.onClose = undefined;
    return kept;
  }

  #lease(line: Line, origin: Origin): Lease {
    let over = false;
    const leave = (): void => {
      this.#all.leave();
      origin.room.leave();
      this.#forget(line.origin, origin);
    };
    return {
      line,
      release: () => {
        if (over) return;
        over = true;
        line.onConnect = undefined;
        if (this.#closed !== undefined || !line.connected) void this.#close(line, closedIdle);
        else this.#keep(line, origin);
        leave();
      },
      discard: async (error) => {
        if (over) return;
        over = true;
        await this.#close(line, error);
        leave();
      },
    };
  }

  #keep(line: Line, origin: Origin): void {
    origin.idle.push(line);
    this.#idle.add(line);
    line.onClose = () => void this.#close(line, closedIdle);
  }

  #close(line: Line, error: Error): Promise<void> {
    if (this.#idle.delete(line)) {
      const origin = this.#origins.get(line.origin)!;
      origin.idle.splice(origin.idle.indexOf(line), 1);
      this.#forget(line.origin, origin);
    }
    const closing: Promise<void> = line.destroy(error).then(() => {
      this.#closing.delete(closing);
      this.#open--;
      this.#freed.wake();
    });
    this.#closing.add(closing);
    return closing;
  }
}

interface Origin {
  readonly room: Room;
  /** The one used last comes last, and is used first. */
  readonly idle: Line[];
}

const closedIdle = new ClosedError("The connection is not needed any more");

/** Runs `fn` inside; who it fails for is out again. */
async function inside<T>(room: Room, fn: () => Promise<T>): Promise<T> {
  await room.enter();
  try {
    return await fn();
  } catch (error) {
    room.leave();
    throw error;
  }
}

/** How many may be in at a time; the others wait in line. */
class Room {
  taken = 0;
  readonly #most: number;
  readonly #line: WaitList;
  #refusal: Error | undefined = undefined;

  constructor(most: number, where: string) {
    this.#most = most;
    this.#line = new WaitList({ describe: () => `one of ${most} connections${where}` });
  }

  get waiting(): number {
    return this.#line.size;
  }

  enter(): Promise<void> {
    const node = here();
    const refusal = refused(node);
    if (refusal !== undefined) return refusal;
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    if (this.taken >= this.#most) return this.#line.wait();
    this.taken++;
    return passed(undefined, node);
  }

  leave(): void {
    if (!this.#line.wake()) this.taken--;
  }

  refuse(error: Error): void {
    this.#refusal = error;
    this.#line.failAll(error);
  }
}
