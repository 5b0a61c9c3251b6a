import { Deque } from "../../internal/deque.ts";
import type { WebSocketMessage } from "./wire.ts";

/** What a message costs besides its bytes: who sends empty ones must not fill the memory either. */
const overhead = 64;

/** Messages that have come and were not received yet, and how much they count. */
export class Inbox {
  bytes = 0;
  dropped = 0;
  readonly #messages = new Deque<WebSocketMessage>();

  get size(): number {
    return this.#messages.size;
  }

  push(message: WebSocketMessage): void {
    this.#messages.push(message);
    this.bytes += costOf(message);
  }

  /** There must be one. */
  shift(): WebSocketMessage {
    const message = this.#messages.shift()!;
    this.bytes -= costOf(message);
    return message;
  }

  /** Until no more than `most` is there; the newest stays, whatever it counts. */
  dropOldest(most: number): void {
    for (; this.size > 1 && this.bytes > most; this.dropped++) this.shift();
  }

  clear(): void {
    this.#messages.clear();
    this.bytes = 0;
  }
}

function costOf(message: WebSocketMessage): number {
  return message.length + overhead;
}
