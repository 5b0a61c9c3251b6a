import { brief, checkOptions } from "../../errors.ts";
import { refused } from "../../lowlevel.ts";
import { checkedLimits, type WebSocketLimits } from "./options.ts";
import { PlatformWire } from "./platform-wire.ts";
import { WebSocketConnection } from "./web-socket-connection.ts";

export interface ConnectWebSocketOptions extends WebSocketLimits {
  /** The subprotocols to offer; see the connection's `protocol` for what was agreed on. */
  readonly protocols?: readonly string[];
  /** More headers of the request: Node, Bun and Deno send them, browsers cannot. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Connects through the platform's `WebSocket`, and resolves when the connection is open. There is no limit in time but the one
 * around it. `await using` closes it, also after a cancellation.
 *
 * The platform cannot be told to bring no more: when more than `receiveBuffer` (default 16 MiB) waits to be received, the connection
 * is closed with 4009, and `receive()` throws `LimitExceededError` behind what had come. Nor can a connection be torn: what does not
 * answer a good-bye is left to the platform after `closeTimeout`.
 *
 * Cancellation: Checkpoint, nothing lost: if this call is cancelled, the connection is given up.
 *
 * @param url With `ws:` or `wss:`, or `http:` or `https:` for the same.
 * @throws {BrokenError} If nobody is there, or the server refuses; `cause` is what the platform says, which may be little.
 * @throws {TypeError} If `url` is none of these, or an option is not what it should be.
 * @throws {RangeError} If an option is not what it should be.
 */
export async function connectWebSocket(
  url: string | URL,
  options: ConnectWebSocketOptions = {},
): Promise<WebSocketConnection> {
  checkOptions("connect", options);
  const target = targetOf(url);
  const { protocols = [], headers } = options;
  const limits = checkedLimits("connect", options, 16 * 1_048_576);
  const refusal = refused();
  if (refusal !== undefined) await refusal;
  const { WebSocket } = globalThis;
  const given = headers === undefined ? [...protocols] : { protocols: [...protocols], headers };
  const peer = `${target.protocol}//${target.host}${target.pathname}`;
  const wire = new PlatformWire(new WebSocket(target, given as string[]), peer);
  const connection = new WebSocketConnection({ wire, peer, limits });
  await wire.opened();
  return connection;
}

function targetOf(url: unknown): URL {
  const text = String(url);
  const target = URL.canParse(text) ? new URL(text) : undefined;
  if (target === undefined || !/^(?:ws|http)s?:$/.test(target.protocol))
    throw new TypeError(`Cannot connect to ${brief(text)}: wanted a URL that begins with ws: or wss:`);
  target.protocol = target.protocol.replace("http", "ws");
  return target;
}
