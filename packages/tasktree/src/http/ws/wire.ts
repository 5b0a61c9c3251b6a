/** What a `WebSocketConnection` asks of whoever speaks the protocol: the `ws` package, or the platform. */

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
  /** Whether it can be told to bring no more: else what comes, comes. */
  readonly canPause: boolean;
  /** The code with which it says that it was given more than is allowed. */
  readonly overflowCode: number;
  readonly protocol: string;
  /** How many bytes of what was sent are not on their way yet. */
  readonly unsent: number;
  listen(events: WireEvents): void;
  send(message: WebSocketMessage): void;
  /** Sees to it that `taken` is called when some is on its way. */
  watchUnsent(): void;
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
