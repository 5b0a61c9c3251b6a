/** What a `WebSocketConnection` asks of whoever speaks the protocol: the `ws` package, or the platform. */
import { brief } from "../../errors.ts";

/** Text, or bytes. */
export type WebSocketMessage = string | Uint8Array;

/** How a connection has ended. */
export interface WireEnd {
  /** The other side's close code; 1005 if it gave none, 1006 if there was no good-bye. */
  readonly code: number;
  readonly reason: string;
  /** What has broken it, where that is known. */
  readonly error: unknown;
}

/** Who hears of what happens on a wire. */
export interface WireEvents {
  came(message: WebSocketMessage): void;
  /** A message is more than what is allowed. */
  tooLong(): void;
  /** Of what was sent, some is on its way. */
  taken(): void;
  /** Called once; nothing is heard afterwards. */
  ended(end: WireEnd): void;
}

export interface Wire {
  /** The code with which it says that it was given more than is allowed. */
  readonly overflowCode: number;
  readonly protocol: string;
  /** False from a good-bye on, of either side, and when it is lost: nothing can be sent. `ended` may be long in coming. */
  readonly isOpen: boolean;
  /** How many bytes of what was sent are not on their way yet. */
  readonly unsent: number;
  /** Grows when some of what was sent goes out, be it a part of a message, as far as the runtime tells. */
  readonly progress: number;
  listen(events: WireEvents): void;
  send(message: WebSocketMessage): void;
  /** Sees to it that `taken` is called when some is on its way. */
  watchUnsent(): void;
  /** Brings no more for now; the platform's does not listen to that. */
  pause(): void;
  resume(): void;
  /** Says good-bye behind what was sent. */
  close(code: number, reason: string): void;
  /** Ends without a good-bye, as far as that can be done; `ended` is called at once or soon. */
  tear(): void;
}

/** An array of its own for bytes that lie in a larger one, which they would keep alive. */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  const { buffer, byteOffset, length } = bytes;
  if (length * 2 < buffer.byteLength) return new Uint8Array(bytes);
  return new Uint8Array(buffer, byteOffset, length);
}

/** Whether a message has more bytes than `limit`, as UTF-8. */
export function isLonger(message: WebSocketMessage, limit: number): boolean {
  if (typeof message !== "string" || message.length * 3 <= limit) return message.length > limit;
  return Buffer.byteLength(message) > limit;
}

export function whyNoMessage(message: unknown): TypeError | undefined {
  if (typeof message === "string") return undefined;
  if (!(message instanceof Uint8Array))
    return new TypeError(`Cannot send ${brief(message)} as a message: wanted a string or a Uint8Array`);
  if (!(message.buffer as ArrayBuffer).detached) return undefined;
  return new TypeError(`Cannot send ${brief(message)} as a message: its buffer is detached`);
}
