import { brief, checkOptions } from "../../errors.ts";
import { refused } from "../../lowlevel.ts";
import { checkedLimits, checkNames, checkProtocols, type WebSocketLimits, type WhenFull } from "./options.ts";
import { PlatformWire } from "./platform-wire.ts";
import { WebSocketConnection } from "./web-socket-connection.ts";

export interface ConnectWebSocketOptions extends WebSocketLimits {
  /** The subprotocols to offer, or the only one; see the connection's `protocol` for what was agreed on. */
  readonly protocols?: string | readonly string[];
  /** More headers of the request: Node, Bun and Deno send them, browsers cannot. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What happens when more comes than `receiveBuffer`. Default: "fail". */
  readonly whenFull?: Exclude<WhenFull, "wait">;
}

/**
 * Connects through the platform's `WebSocket`, and resolves when the connection is open. There is no limit in time but the one
 * around it. `await using` closes it, also after a cancellation.
 *
 * The platform cannot be told to bring no more: when more than `receiveBuffer` (default 16 MiB) waits to be received, the connection
 * is closed with 4009, and `receive()` throws `LimitExceededError` behind what had come; or, with `whenFull: "drop oldest"`, the oldest
 * is dropped. Nor can a connection be torn: what does not
 * answer a good-bye is left to the platform after `closeTimeout`.
 *
 * Cancellation: Checkpoint, nothing lost: if this call is cancelled, the connection is given up.
 *
 * @param url With `ws:` or `wss:`, or `http:` or `https:` for the same; without a user, a password and a fragment.
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
  checkNames("connect", options, {});
  const { headers } = options;
  const protocols = typeof options.protocols === "string" ? [options.protocols] : (options.protocols ?? []);
  checkProtocols("connect", protocols);
  const limits = checkedLimits("connect", options, {
    receiveBuffer: 16 * 1_048_576,
    whenFull: ["fail", "drop oldest"],
  });
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
  const fail = (wanted: string): never => {
    throw new TypeError(`Cannot connect to ${brief(withoutSecrets(text))}: wanted ${wanted}`);
  };
  if (target === undefined || !/^(?:ws|http)s?:$/.test(target.protocol))
    return fail("a URL that begins with ws: or wss:");
  if (target.username !== "" || target.password !== "")
    fail("a URL without user and password; send them in headers, as authorization");
  if (target.hash !== "" || text.endsWith("#")) fail("a URL without a fragment (#)");
  target.protocol = target.protocol.replace("http", "ws");
  return target;
}

/** A URL, or what was meant for one, without its query and its user. */
function withoutSecrets(text: string): string {
  return text.replace(/[?#][^]*$/, "").replace(/\/\/[^]*@/, "//");
}
