import { ClosedError, EndOfStream } from "../../errors.ts";
import { currentScope, drainingChoice, passed, quiet, refusedIntake, waitForOne } from "../../lowlevel.ts";
import type { WebSocketConnection } from "./web-socket-connection.ts";
import type { WebSocketMessage } from "./wire.ts";

type Step = IteratorResult<WebSocketMessage, undefined>;

const finished: Step = { done: true, value: undefined };

/** Message after message, until the other side has closed or the scope around the loop drains. */
export class Messages implements AsyncIterator<WebSocketMessage, undefined> {
  readonly #connection: WebSocketConnection;
  /** How many of those that had come when the scope began to drain are still to be given. */
  #left: number | undefined = undefined;

  constructor(connection: WebSocketConnection) {
    this.#connection = connection;
  }

  next(): Promise<Step> {
    const refusal = refusedIntake();
    if (refusal !== undefined) return refusal;
    if (this.#isDrained()) return passed(finished);
    try {
      const received = this.#connection.tryReceive();
      return received === undefined ? quiet(() => this.#wait()) : passed(received as Step);
    } catch (error) {
      return isEnd(error) ? passed(finished) : Promise.reject(error);
    }
  }

  /** A scope may drain since the other side has closed: then all that it had sent is given, and how it has closed is told. */
  #isDrained(): boolean {
    if (!currentScope().draining || this.#connection.isClosed) return false;
    this.#left ??= this.#connection.statistics().buffered;
    return this.#left-- <= 0;
  }

  async #wait(): Promise<Step> {
    try {
      const { index, value } = await waitForOne<WebSocketMessage | void>([this.#connection.choice(), drainingChoice()]);
      return index === 0 ? { value: value as WebSocketMessage } : await this.next();
    } catch (error) {
      if (isEnd(error)) return finished;
      throw error;
    }
  }
}

/** Who closes the connection in a loop over it has come to the end of his own accord. */
function isEnd(error: unknown): boolean {
  return error instanceof EndOfStream || error instanceof ClosedError;
}
