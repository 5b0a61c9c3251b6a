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
  /**
   * How long `close()` waits for the other side, in milliseconds, until it ends without: from when what was sent has gone out, or
   * nothing of it goes out any more. Default 5,000.
   */
  readonly closeTimeout?: number;
}

/**
 * What happens when more comes than `receiveBuffer`: the other side waits, the oldest is dropped (and counted), or the connection is
 * closed and `receive()` throws `LimitExceededError` behind what had come.
 */
export type WhenFull = "wait" | "drop oldest" | "fail";

export interface CheckedLimits extends Required<WebSocketLimits> {
  readonly whenFull: WhenFull;
}

interface Defaults {
  readonly receiveBuffer: number;
  /** What may be chosen, the default first. */
  readonly whenFull: readonly WhenFull[];
}

const names = ["maxMessage", "receiveBuffer", "sendBuffer"] as const;

/** @throws {RangeError} @throws {TypeError} If one of them is not what it should be. */
export function checkedLimits(
  what: string,
  given: WebSocketLimits & { readonly whenFull?: WhenFull },
  defaults: Defaults,
): CheckedLimits {
  const limits = {
    maxMessage: given.maxMessage ?? 1_048_576,
    receiveBuffer: given.receiveBuffer ?? defaults.receiveBuffer,
    sendBuffer: given.sendBuffer ?? 65_536,
    closeTimeout: given.closeTimeout ?? 5000,
    whenFull: given.whenFull ?? defaults.whenFull[0]!,
  };
  for (const name of names) {
    if (!isCount(limits[name], 1)) throw wrong(what, name, limits[name], "a whole number of bytes from 1, or Infinity");
  }
  checkTime(what, "closeTimeout", limits.closeTimeout);
  if (defaults.whenFull.includes(limits.whenFull)) return limits;
  const words = defaults.whenFull.map((word) => JSON.stringify(word)).join(" or ");
  throw new TypeError(`Cannot ${what} with whenFull ${brief(limits.whenFull)}: wanted ${words}`);
}

/** A token as in RFC 9110, section 5.6.2. */
const token = /^[\w!#$%&'*+.^`|~-]+$/;

/** @throws {TypeError} If these are no subprotocols: they are offered and agreed on as they are written. */
export function checkProtocols(what: string, protocols: unknown): asserts protocols is readonly string[] {
  if (!Array.isArray(protocols))
    throw new TypeError(`Cannot ${what} with protocols ${brief(protocols)}: wanted an array of strings`);
  for (const [index, protocol] of protocols.entries()) {
    const isToken = typeof protocol === "string" && token.test(protocol);
    if (isToken && protocols.indexOf(protocol) === index) continue;
    const wanted = isToken ? "each once" : "letters, digits and !#$%&'*+-.^_`|~";
    throw new TypeError(`Cannot ${what} with protocol ${brief(protocol)}: wanted ${wanted}`);
  }
}

/** What people write who know other libraries, and what it is called here. */
const otherNames: Readonly<Record<string, string>> = {
  maxPayload: "maxMessage",
  maxPayloadLength: "maxMessage",
  protocol: "protocols",
  subprotocols: "protocols",
  handleProtocols: "protocols",
};

/** @throws {TypeError} If an option has a name that would be passed over in silence. */
export function checkNames(what: string, options: object, more: Readonly<Record<string, string>>): void {
  for (const [name, here] of Object.entries({ ...otherNames, ...more })) {
    if (name in options) throw new TypeError(`Cannot ${what} with ${name}: did you mean ${here}?`);
  }
}

export function checkTime(what: string, name: string, value: unknown): void {
  if (typeof value === "number" && value > 0) return;
  throw wrong(what, name, value, "milliseconds, more than 0");
}

function wrong(what: string, name: string, value: unknown, wanted: string): RangeError {
  return new RangeError(`Cannot ${what} with ${name} ${brief(value)}: wanted ${wanted}`);
}
