import { BrokenError, ClosedError } from "../../errors.ts";
import { Deque } from "../../internal/deque.ts";
import { currentScope, drainingChoice, passed, quiet, refusedIntake, waitForOne } from "../../lowlevel.ts";
import type { ByteStream } from "../../streams/byte-stream.ts";
import type { Listener, ListenerStatistics } from "../../streams/listener.ts";
import { WatchedLine } from "../../streams/watched-line.ts";
import type { Schedule } from "./schedule.ts";

export interface ListenOptions {
  /** How many connections may wait to be accepted: a whole number from 1, or Infinity; more are refused. Default 511. */
  readonly backlog?: number;
}

/** What a listener needs of its host. */
export interface ListenerHome {
  readonly schedule: Schedule;
  readonly host: string;
  readonly port: number;
  /** The port is free again. */
  leave(): void;
}

const finished: IteratorResult<never, undefined> = { done: true, value: undefined };

/** Where connections of a {@link SimulatedNetwork} come in. */
export class NetworkListener implements Listener<ByteStream> {
  readonly host: string;
  readonly port: number;
  readonly #home: ListenerHome;
  readonly #room: number;
  readonly #backlog = new Deque<ByteStream>();
  readonly #accepting: WatchedLine<ByteStream, undefined>;
  #over: false | "closed" | "crashed" = false;

  /** @internal */
  constructor(home: ListenerHome, backlog: number) {
    this.#home = home;
    this.host = home.host;
    this.port = home.port;
    this.#room = backlog;
    this.#accepting = new WatchedLine(
      (change) => home.schedule.waits(change),
      () => `a connection to '${this.host}:${this.port}'`,
    );
  }

  get isClosed(): boolean {
    return this.#over === "closed";
  }

  accept(): Promise<ByteStream> {
    const refusal = refusedIntake();
    if (refusal !== undefined) return refusal;
    this.#home.schedule.catchUp();
    if (this.#over !== false) return Promise.reject(this.#whyNotAccept());
    const stream = this.#backlog.shift();
    return stream === undefined ? this.#accepting.wait(undefined) : passed(stream);
  }

  close(): Promise<void> {
    this.#home.schedule.catchUp();
    this.#end("closed");
    return passed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  [Symbol.asyncIterator](): AsyncIterator<ByteStream, undefined> {
    return { next: () => this.#nextStream() };
  }

  statistics(): ListenerStatistics {
    this.#home.schedule.catchUp();
    return { backlog: this.#backlog.size, accepting: this.#accepting.size };
  }

  /** Takes a new connection in, if there is room for it. @internal */
  offer(stream: ByteStream): boolean {
    if (this.#accepting.wake(stream)) return true;
    if (this.#backlog.size >= this.#room) return false;
    this.#backlog.push(stream);
    return true;
  }

  /** Its host is gone. @internal */
  crash(): void {
    this.#end("crashed");
  }

  #end(how: "closed" | "crashed"): void {
    if (this.#over !== false) return;
    this.#over = how;
    this.#home.leave();
    for (const stream of this.#backlog) stream.abort();
    this.#backlog.clear();
    this.#accepting.failAll(() => this.#whyNotAccept());
  }

  #nextStream(): Promise<IteratorResult<ByteStream, undefined>> {
    const refusal = refusedIntake();
    if (refusal !== undefined) return refusal;
    this.#home.schedule.catchUp();
    if (this.#over === "closed" || currentScope().draining) return passed(finished);
    if (this.#over === "crashed") return Promise.reject(this.#whyNotAccept());
    const stream = this.#backlog.shift();
    return stream === undefined ? quiet(() => this.#waitForNext()) : passed({ done: false, value: stream });
  }

  async #waitForNext(): Promise<IteratorResult<ByteStream, undefined>> {
    const accepting = { poll: () => undefined, line: this.#accepting.list, intake: true };
    const chosen = waitForOne<ByteStream | void>([accepting, drainingChoice()]);
    this.#accepting.came();
    try {
      const { index, value } = await chosen;
      return index === 0 ? { done: false, value: value as ByteStream } : finished;
    } catch (error) {
      if (error instanceof ClosedError) return finished;
      throw error;
    }
  }

  #whyNotAccept(): Error {
    const what = `Cannot accept connections to '${this.host}:${this.port}'`;
    if (this.#over === "closed") return new ClosedError(`${what}: the listener is closed`);
    return new BrokenError(`${what}: host '${this.host}' has crashed`);
  }
}
