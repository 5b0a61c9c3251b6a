/**
 * One connection, on either side.
 *
 * What comes waits in a buffer; when that is full, the wire is told to bring no more, so that the other side's own sending waits.
 * What is sent goes to the wire while little is unsent there; else the sender waits in line, and his message is handed over in the
 * step that lets him go on. So a wait that was cut has sent nothing, and taken nothing.
 */
import { BrokenError, ClosedError, EndOfStream, LimitExceededError } from "../../errors.ts";
import {
  graceIsOver,
  here,
  passed,
  refused,
  refusedIntake,
  WaitList,
  type Choice,
  type Selectable,
} from "../../lowlevel.ts";
import { GoodBye, whyNoGoodBye } from "./good-bye.ts";
import { Inbox } from "./inbox.ts";
import { Messages } from "./messages.ts";
import type { CheckedLimits } from "./options.ts";
import { failureBeside, telling } from "./telling.ts";
import { isLonger, whyNoMessage, type WebSocketMessage, type Wire, type WireEnd, type WireEvents } from "./wire.ts";

export interface WebSocketStatistics {
  /** How many messages wait to be received. */
  readonly buffered: number;
  /** How much they count: their bytes, and 64 for each. */
  readonly bufferedBytes: number;
  /** How many were dropped so far, with `whenFull: "drop oldest"`. */
  readonly dropped: number;
  /** How many bytes of what was sent are not on their way yet. */
  readonly unsent: number;
  /** How many wait to receive, and to send. */
  readonly receiving: number;
  readonly sending: number;
}

/** @internal */
export interface ConnectionParts {
  readonly wire: Wire;
  /** Who is at the other end, as errors speak of it. */
  readonly peer: string;
  readonly limits: CheckedLimits;
  /** The other side has said good-bye (`error` is undefined), or is lost. Must not throw. */
  readonly ended?: (error: Error | undefined) => void;
}

/** Codes of who has nothing to complain about: done, going away, and none given. */
const goodCodes: readonly number[] = [1000, 1001, 1005];

/**
 * A connection that carries messages, text or bytes, in order. One of several that receive gets each; of several that send, each
 * in turn.
 */
export class WebSocketConnection implements Selectable<WebSocketMessage>, AsyncDisposable {
  /** Who is at the other end, as errors speak of it: `127.0.0.1:50123`, or a URL without its query. */
  readonly peer: string;
  readonly #wire: Wire;
  readonly #limits: CheckedLimits;
  readonly #ended: ConnectionParts["ended"];
  readonly #inbox = new Inbox();
  readonly #receivers: WaitList<WebSocketMessage>;
  readonly #senders: WaitList<void, { readonly message: WebSocketMessage }>;
  readonly #closers: WaitList;
  readonly #goodBye: GoodBye;
  #paused = false;
  #closed = false;
  /** Why the other side is heard no more, though the wire may not have ended yet. */
  #loss: { readonly error: Error } | undefined = undefined;
  #end: WireEnd | undefined = undefined;

  /** @internal */
  constructor({ wire, peer, limits, ended }: ConnectionParts) {
    this.peer = peer;
    this.#wire = wire;
    this.#limits = limits;
    this.#ended = ended;
    this.#goodBye = new GoodBye(wire, limits.closeTimeout);
    this.#receivers = new WaitList({ describe: () => `a message from '${peer}'` });
    this.#senders = new WaitList({ describe: () => `room to send to '${peer}' (${wire.unsent} bytes unsent)` });
    this.#closers = new WaitList({ describe: () => `the good-bye of '${peer}'`, left: () => wire.tear() });
    wire.listen(this.#events);
  }

  /** The subprotocol that both sides have agreed on; empty if there is none. */
  get protocol(): string {
    return this.#wire.protocol;
  }

  /** Whether this side has closed it, or the other side has, or it is lost. */
  get isClosed(): boolean {
    return this.#closed || this.#end !== undefined || this.#loss !== undefined;
  }

  /** The code with which the other side has closed: 1005 if it gave none, 1006 if it was lost. Undefined while it is there. */
  get closeCode(): number | undefined {
    return this.#end?.code;
  }

  /** What the other side has said with its code. */
  get closeReason(): string {
    return this.#end?.reason ?? "";
  }

  /**
   * The next message; waits while there is none. What came before the other side's good-bye is received before the end.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, it has taken no message. New work: in cleanup after a
   * cancellation it throws at every call.
   *
   * @throws {EndOfStream} If the other side has closed, with 1000, 1001 or no code.
   * @throws {BrokenError} If it has closed with another code, or is lost.
   * @throws {LimitExceededError} If it has sent more than is allowed here.
   * @throws {ClosedError} If this side was closed before or during the call.
   */
  receive(): Promise<WebSocketMessage> {
    const node = here();
    const refusal = refusedIntake(node);
    if (refusal !== undefined) return refusal;
    if (this.#inbox.size > 0) return passed(this.#take(), node);
    const error = this.#whyNotReceive();
    return error === undefined ? this.#receivers.wait() : Promise.reject(error);
  }

  /** The next message if there is one. Not a checkpoint. It throws what `receive()` throws. */
  tryReceive(): { readonly value: WebSocketMessage } | undefined {
    if (this.#inbox.size > 0) return { value: this.#take() };
    const error = this.#whyNotReceive();
    if (error !== undefined) throw error;
    return undefined;
  }

  /** Receiving, as a case of `select`. */
  choice(): Choice<WebSocketMessage> {
    return { poll: () => this.tryReceive(), line: this.#receivers, intake: true };
  }

  /**
   * Receives until this side is closed, or the other side has closed with 1000, 1001 or no code, or until the scope around drains
   * and what had come by then is received. Leaving the loop does not close the connection.
   *
   * Cancellation: Each step is a checkpoint, nothing lost, as `receive()`.
   */
  [Symbol.asyncIterator](): AsyncIterator<WebSocketMessage, undefined> {
    return new Messages(this);
  }

  /**
   * Sends a message; waits while more than `sendBuffer` is unsent, since the other side takes it slowly. It does not wait until the
   * message was taken. Bytes are the connection's from then on: don't change the array.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, the message was not sent.
   *
   * @throws {BrokenError} If the other side has closed, or is lost.
   * @throws {ClosedError} If this side was closed before or during the call.
   * @throws {TypeError} If `message` is neither a string nor a Uint8Array.
   */
  send(message: WebSocketMessage): Promise<void> {
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    try {
      if (this.trySend(message)) return passed();
    } catch (error) {
      return Promise.reject(error);
    }
    const waiting = this.#senders.wait({ message });
    this.#wire.watchUnsent();
    return waiting;
  }

  /** Sends a message if that need not wait; else gives false. Not a checkpoint. It throws what `send()` throws. */
  trySend(message: WebSocketMessage): boolean {
    const error = whyNoMessage(message) ?? this.#whyNotSend();
    if (error !== undefined) throw error;
    if (this.#senders.size > 0 || !this.#hasRoom()) return false;
    this.#wire.send(message);
    return true;
  }

  /**
   * Says good-bye behind what was sent, and waits for that of the other side: for `closeTimeout` at most from when all has gone
   * out, or nothing goes out any more; then the connection is torn. What comes meanwhile is dropped, and who waits to send or to receive gets a `ClosedError`. Once is enough.
   *
   * Cancellation: Checkpoint, effects possible: it always begins; if its wait is cut, at the end of grace, the connection is torn.
   *
   * @param code 1000 (default, done), or from 3000 to 4999 for what your protocol means.
   * @param reason For the other side; at most 123 bytes in UTF-8.
   * @throws {RangeError} If code or reason cannot be sent.
   */
  close(code: number = 1000, reason: string = ""): Promise<void> {
    const error = whyNoGoodBye(code, reason);
    return error === undefined ? this.closeAs(code, reason) : Promise.reject(error);
  }

  /** As {@link close}, also with the codes that the protocol keeps for itself. @internal */
  closeAs(code: number, reason: string): Promise<void> {
    this.#leave(code, reason);
    if (this.#end !== undefined) return passed();
    if (!graceIsOver()) return this.#closers.wait(undefined, { exempt: true });
    this.#wire.tear();
    return passed();
  }

  /** Ends the connection without a good-bye. Not a checkpoint. */
  abort(): void {
    this.#shut();
    if (this.#end === undefined) this.#wire.tear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  statistics(): WebSocketStatistics {
    return {
      buffered: this.#inbox.size,
      bufferedBytes: this.#inbox.bytes,
      dropped: this.#inbox.dropped,
      unsent: this.#wire.unsent,
      receiving: this.#receivers.size,
      sending: this.#senders.size,
    };
  }

  /** What `error` tells beyond that the other side of this connection has gone. @internal */
  failureIn(error: unknown): { readonly error: unknown } | undefined {
    return failureBeside(error, this);
  }

  /** The other side is lost, as `error` says, though the wire may not know it. @internal */
  lose(error: Error): void {
    this.#lose(error);
    this.#wire.tear();
  }

  // --- what comes

  readonly #events: WireEvents = {
    came: (message) => this.#came(message),
    tooLong: () => this.#lose(this.#overflow("a message longer than", this.#limits.maxMessage)),
    taken: () => {
      this.#pump();
      this.#goodBye.taken();
    },
    ended: (end) => this.#over(end),
  };

  #came(message: WebSocketMessage): void {
    if (this.isClosed) return;
    const { maxMessage } = this.#limits;
    if (isLonger(message, maxMessage)) return this.#refuse(this.#overflow("a message longer than", maxMessage));
    if (this.#receivers.size > 0) return void this.#receivers.wake(message);
    this.#inbox.push(message);
    if (this.#inbox.bytes >= this.#limits.receiveBuffer) this.#full();
  }

  #full(): void {
    const { whenFull, receiveBuffer } = this.#limits;
    if (whenFull === "drop oldest") return this.#inbox.dropOldest(receiveBuffer);
    if (whenFull === "fail") return this.#refuse(this.#overflow("more than was received of", receiveBuffer));
    if (this.#paused) return;
    this.#paused = true;
    this.#wire.pause();
  }

  #take(): WebSocketMessage {
    const message = this.#inbox.shift();
    if (this.#paused && this.#inbox.bytes * 2 <= this.#limits.receiveBuffer) this.#resume();
    return message;
  }

  #resume(): void {
    this.#paused = false;
    this.#wire.resume();
  }

  #overflow(what: string, limit: number): LimitExceededError {
    return new LimitExceededError(`Cannot receive from '${this.peer}': it has sent ${what} ${limit} bytes`, { limit });
  }

  #refuse(error: Error): void {
    this.#wire.close(this.#wire.overflowCode, "too much");
    this.#goodBye.expect();
    this.#lose(error);
  }

  #whyNotReceive(): Error | undefined {
    if (this.#closed) return new ClosedError(`Cannot receive from '${this.peer}': the connection is closed`);
    if (this.#loss !== undefined) return this.#loss.error;
    if (this.#end === undefined) return undefined;
    if (!goodCodes.includes(this.#end.code)) return this.#broken("receive from");
    return telling(new EndOfStream(`Cannot receive from '${this.peer}': it has closed the connection`), this);
  }

  // --- what is sent

  #pump(): void {
    while (this.#senders.size > 0 && this.#hasRoom()) this.#sendFirst();
    if (this.#senders.size > 0) this.#wire.watchUnsent();
  }

  /** Who sends after the other side's good-bye waits until it is known how the connection ends; that may be left to us. */
  #hasRoom(): boolean {
    if (!this.#wire.isOpen) this.#goodBye.expect();
    return this.#wire.isOpen && this.#wire.unsent < this.#limits.sendBuffer;
  }

  /** A message may have become unfit for sending while it waited. */
  #sendFirst(): void {
    const { message } = this.#senders.first!;
    const error = whyNoMessage(message) ?? caught(() => this.#wire.send(message));
    if (error === undefined) this.#senders.wake();
    else this.#senders.fail(error);
  }

  #whyNotSend(): Error | undefined {
    if (this.#closed) return new ClosedError(`Cannot send to '${this.peer}': the connection is closed`);
    if (this.#loss !== undefined) return this.#loss.error;
    return this.#end === undefined ? undefined : this.#broken("send to");
  }

  // --- the end

  #broken(what: string): Error {
    const { code, reason, error } = this.#end!;
    const why = code === 1006 ? "the connection is lost" : `it has closed the connection with ${code}`;
    const more = error instanceof Error ? error.message : reason;
    const text = `Cannot ${what} '${this.peer}': ${why}${more === "" ? "" : ` (${more})`}`;
    return telling(new BrokenError(text, { cause: error }), this);
  }

  #leave(code: number, reason: string): void {
    if (this.#closed) return;
    const told = this.#loss !== undefined;
    this.#shut();
    if (this.#end !== undefined || told) return;
    this.#goodBye.say(code, reason);
  }

  #shut(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#inbox.clear();
    if (this.#paused) this.#resume(); // the other side's good-bye comes behind what waits
    this.#failAll();
  }

  #lose(error: Error): void {
    if (this.isClosed) return;
    this.#loss = { error: telling(error, this) };
    this.#ended?.(error);
    this.#failAll();
  }

  #over(end: WireEnd): void {
    const known = this.isClosed;
    this.#end = end;
    this.#goodBye.over();
    // The scope first, so that who waits here in it is cut, and does not fail.
    if (!known) this.#ended?.(end.code === 1006 ? this.#broken("go on with") : undefined);
    this.#failAll();
    this.#closers.wakeAll();
  }

  #failAll(): void {
    if (this.#receivers.size > 0) this.#receivers.failAll(this.#whyNotReceive());
    if (this.#senders.size > 0) this.#senders.failAll(this.#whyNotSend());
  }
}

function caught(call: () => void): unknown {
  try {
    call();
    return undefined;
  } catch (error) {
    return error;
  }
}
