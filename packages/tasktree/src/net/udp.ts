import { createSocket, type Socket } from "node:dgram";
import { brief, BrokenError, checkOptions, ClosedError, InvalidStateError } from "../errors.ts";
import { Deque } from "../internal/deque.ts";
import {
  currentScope,
  drainingChoice,
  here,
  passed,
  quiet,
  refused,
  refusedIntake,
  WaitList,
  waitForOne,
} from "../lowlevel.ts";
import { asStep } from "../streams/chunk-steps.ts";
import { attempt } from "./connect.ts";
import { checkAddress, checkAmount, shown } from "./check.ts";
import { opened, reasonOf } from "./opening.ts";

export interface UdpAddress {
  readonly host: string;
  readonly port: number;
}

/** What came in one piece, and from whom. */
export interface Datagram {
  readonly bytes: Uint8Array;
  readonly from: UdpAddress;
}

export interface OpenUdpOptions {
  /** From 1 to 65,535, or 0 (default) for one that is free; see the socket's `port`. */
  readonly port?: number;
  /** The address to receive at; default 127.0.0.1, where only this machine can send to. */
  readonly host?: string;
  /** How many datagrams may wait to be received: a whole number from 1 (default 1,024); more are dropped, and counted. */
  readonly buffer?: number;
  /** Several programs may share the port; default false. */
  readonly reuseAddress?: boolean;
}

export interface UdpStatistics {
  /** Datagrams that wait to be received. */
  readonly buffered: number;
  /** Datagrams that have come and found no room. */
  readonly dropped: number;
  readonly receiving: number;
  readonly sending: number;
}

/**
 * Opens a UDP socket; on the loopback address only, unless `host` says otherwise.
 *
 * Cancellation: Checkpoint, nothing lost: if this call is cancelled, there is no socket.
 *
 * @throws {InvalidStateError} If the system does not allow it; `cause` is its error.
 * @throws {RangeError} If `port` or `buffer` is not what it should be.
 * @example
 * ```ts
 * import { openUdp } from "tasktree/net";
 * import assert from "node:assert";
 * await using here = await openUdp();
 * await using there = await openUdp();
 * await here.send(Buffer.from("hello"), there);
 * const { bytes, from } = await there.receive();
 * assert.equal(Buffer.from(bytes).toString(), "hello");
 * assert.equal(from.port, here.port);
 * ```
 */
export function openUdp(options: OpenUdpOptions = {}): Promise<UdpSocket> {
  return attempt(
    () => checkUdp(options),
    async () => {
      const { host = "127.0.0.1", port = 0, buffer = 1024, reuseAddress: reuseAddr = false } = options;
      const socket = createSocket({ type: host.includes(":") ? "udp6" : "udp4", reuseAddr });
      const at = shown(host, port);
      socket.bind({ address: host, port, exclusive: true });
      await opened(socket, {
        what: `to receive at '${at}'`,
        event: "listening",
        undo: () => socket.close(),
        why: (error) => new InvalidStateError(`Cannot receive at '${at}': ${reasonOf(error)}`, { cause: error }),
      });
      return new UdpSocket(socket, buffer);
    },
  );
}

function checkUdp(options: OpenUdpOptions): void {
  checkOptions("open a UDP socket", options);
  checkAddress("receive at", options.host ?? "127.0.0.1", options.port ?? 0, 0);
  if (options.buffer !== undefined) checkAmount("open a UDP socket", "buffer", options.buffer);
}

/** Where datagrams are sent from, and received. As ever with UDP, what was sent may be lost, doubled or out of order. */
export class UdpSocket implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly #socket: Socket;
  readonly #room: number;
  readonly #inbox = new Deque<Datagram>();
  readonly #receivers: WaitList<Datagram>;
  readonly #sending = new Set<WaitList>();
  #dropped = 0;
  #failure: Error | undefined = undefined;
  #closed = false;

  /** @internal */
  constructor(socket: Socket, room: number) {
    const { address, port } = socket.address();
    this.host = address;
    this.port = port;
    this.#socket = socket;
    this.#room = room;
    this.#receivers = new WaitList({ describe: () => `a datagram at '${shown(address, port)}'` });
    socket.on("message", (bytes, from) => this.#take(bytes, from));
    socket.on("error", (error) => this.#fail(error));
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /**
   * Sends `bytes` in one piece; resolves when the system has taken them, which says nothing of their arrival.
   *
   * Cancellation: Checkpoint, effects possible: if this call is cancelled while it waits, they may be sent all the same.
   *
   * @throws {BrokenError} If the system refuses them: they are too many, the name is not known. `cause` is its error.
   * @throws {ClosedError} If the socket was closed before or during the call.
   * @throws {TypeError} If `bytes` are not a `Uint8Array`.
   */
  send(bytes: Uint8Array, to: UdpAddress): Promise<void> {
    try {
      if (!(bytes instanceof Uint8Array))
        throw new TypeError(`Cannot send ${brief(bytes)} from ${this.#shown}: wanted a Uint8Array`);
      checkOptions("send to", to);
      checkAddress("send to", to.host, to.port, 1);
    } catch (error) {
      return Promise.reject(error);
    }
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    if (this.#closed) return Promise.reject(this.#whyClosed("send from"));
    return quiet(() => this.#send(bytes, to));
  }

  /**
   * The next datagram; waits until one comes. Who comes first is served first.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, what comes is there for the next one. New work: in cleanup
   * after a cancellation it throws at every call.
   *
   * @throws {ClosedError} If the socket was closed before or during the call.
   * @throws {BrokenError} If the system has an error to tell; later calls go on.
   */
  receive(): Promise<Datagram> {
    const node = here();
    const refusal = refusedIntake(node);
    if (refusal !== undefined) return refusal;
    if (this.#closed) return Promise.reject(this.#whyClosed("receive at"));
    const datagram = this.#inbox.shift();
    if (datagram !== undefined) return passed(datagram, node);
    const failure = this.#failure;
    this.#failure = undefined;
    return failure === undefined ? this.#receivers.wait() : Promise.reject(failure);
  }

  /** Ends it; who waits gets a `ClosedError`, loops end. Not a checkpoint: it always begins, and never waits. */
  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#socket.close();
      this.#inbox.clear();
      if (this.#receivers.size > 0) this.#receivers.failAll(this.#whyClosed("receive at"));
      for (const line of this.#sending) line.failAll(this.#whyClosed("send from"));
    }
    return passed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Datagram after datagram, until the socket is closed, or the scope around the loop drains: a server takes no more.
   *
   * Cancellation: Each step is a checkpoint and intake, nothing lost.
   */
  [Symbol.asyncIterator](): AsyncIterator<Datagram, undefined> {
    return { next: () => this.#next() };
  }

  statistics(): UdpStatistics {
    return {
      buffered: this.#inbox.size,
      dropped: this.#dropped,
      receiving: this.#receivers.size,
      sending: this.#sending.size,
    };
  }

  #next(): Promise<IteratorResult<Datagram, undefined>> {
    const node = here();
    const refusal = refusedIntake(node);
    if (refusal !== undefined) return refusal;
    if (this.#closed || currentScope().draining) return passed(asStep<Datagram>(undefined), node);
    return this.#inbox.size > 0 || this.#failure !== undefined
      ? quiet(() => this.receive().then(asStep<Datagram>))
      : quiet(() => this.#waitForNext());
  }

  async #waitForNext(): Promise<IteratorResult<Datagram, undefined>> {
    const coming = { poll: () => undefined, line: this.#receivers, intake: true };
    try {
      const { index, value } = await waitForOne<Datagram | void>([coming, drainingChoice()]);
      return asStep(index === 0 ? (value as Datagram) : undefined);
    } catch (error) {
      if (error instanceof ClosedError) return asStep<Datagram>(undefined);
      throw error;
    }
  }

  #send(bytes: Uint8Array, { host, port }: UdpAddress): Promise<void> {
    const done = (): void => void this.#sending.delete(line);
    const line = new WaitList({ describe: () => `a datagram to '${shown(host, port)}' to be sent`, left: done });
    this.#sending.add(line);
    this.#socket.send(bytes, port, host, (error) => {
      done();
      if (error === null) line.wake();
      else line.fail(this.#broken(`send to '${shown(host, port)}' from`, error));
    });
    return line.wait();
  }

  #take(bytes: Uint8Array, { address, port }: { address: string; port: number }): void {
    const plain = new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
    const datagram = { bytes: plain, from: { host: address, port } };
    if (this.#receivers.wake(datagram)) return;
    if (this.#inbox.size < this.#room) this.#inbox.push(datagram);
    else this.#dropped++;
  }

  #fail(error: Error): void {
    const failure = this.#broken("receive at", error);
    if (!this.#receivers.fail(failure)) this.#failure = failure;
  }

  get #shown(): string {
    return `'${shown(this.host, this.port)}'`;
  }

  #whyClosed(what: string): ClosedError {
    return new ClosedError(`Cannot ${what} ${this.#shown}: the socket is closed`);
  }

  #broken(what: string, cause: Error): BrokenError {
    return new BrokenError(`Cannot ${what} ${this.#shown}: ${reasonOf(cause)}`, { cause });
  }
}
