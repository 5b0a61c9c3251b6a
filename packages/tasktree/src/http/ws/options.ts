import { brief } from "../../errors.ts";
import { isCount } from "../../internal/count.ts";

/** What bounds a connection, on either side. */
export interface WebSocketLimits {
  /** How long a message may be that comes, in bytes; the connection of who sends a longer one is closed. Default 1 MiB. */
  readonly maxMessage?: number;
  /** How much may wait for `receive()`, in bytes; each message counts 64 more than it has. See there what is over it. */
  readonly receiveBuffer?: number;
  /** How much may be handed over that the other side has not taken, in bytes, until `send()` waits. Default 65,536. */
  readonly sendBuffer?: number;
  /** How long `close()` waits for the other side, in milliseconds, until it ends without. Default 5,000. */
  readonly closeTimeout?: number;
}

export type CheckedLimits = Required<WebSocketLimits>;

const names = ["maxMessage", "receiveBuffer", "sendBuffer"] as const;

/** @throws {RangeError} If one of them is not what it should be. */
export function checkedLimits(what: string, given: WebSocketLimits, receiveBuffer: number): CheckedLimits {
  const limits = {
    maxMessage: given.maxMessage ?? 1_048_576,
    receiveBuffer: given.receiveBuffer ?? receiveBuffer,
    sendBuffer: given.sendBuffer ?? 65_536,
    closeTimeout: given.closeTimeout ?? 5000,
  };
  for (const name of names) {
    if (!isCount(limits[name], 1)) throw wrong(what, name, limits[name], "a whole number of bytes from 1, or Infinity");
  }
  checkTime(what, "closeTimeout", limits.closeTimeout);
  return limits;
}

export function checkTime(what: string, name: string, value: unknown): void {
  if (typeof value === "number" && value > 0) return;
  throw wrong(what, name, value, "milliseconds, more than 0");
}

function wrong(what: string, name: string, value: unknown, wanted: string): RangeError {
  return new RangeError(`Cannot ${what} with ${name} ${brief(value)}: wanted ${wanted}`);
}
