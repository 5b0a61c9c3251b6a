/** Servers and clients of WebSocket for tests; clients that speak it frame by frame. */
import { once } from "node:events";
import { WebSocket } from "ws";
import type { TaskGroup } from "../src/index.ts";
import { reply, type HttpListener, type ServeHttpOptions } from "../src/http/index.ts";
import { webSocketUpgrade, type WebSocketHandler, type WebSocketServerOptions } from "../src/http/ws/index.ts";
import { RawClient, served } from "./http-clients.ts";

/**
 * A server that speaks WebSocket on every path, as a service of the group or as an ordinary child. Errors that nobody asks for end it,
 * and with it the group.
 */
export function servedSockets(
  group: TaskGroup,
  handler: WebSocketHandler,
  options: WebSocketServerOptions = {},
  http: Partial<ServeHttpOptions> = {},
  service = true,
): Promise<HttpListener> {
  return served(
    group,
    () => reply("http"),
    { onError: thrown, ...http, upgrade: webSocketUpgrade(handler, options) },
    service,
  );
}

function thrown(error: unknown): never {
  throw error;
}

export function urlOf({ port }: { readonly port: number }, path = "/"): string {
  return `ws://127.0.0.1:${port}${path}`;
}

/** A client through the ws package, and what it has heard. */
export class WsClient {
  readonly socket: WebSocket;
  readonly messages: (string | Uint8Array)[] = [];
  /** The close code, once it is closed. */
  code: number | undefined = undefined;
  reason = "";

  static async open(listener: { readonly port: number }, path = "/", protocols: string[] = []): Promise<WsClient> {
    const client = new WsClient(new WebSocket(urlOf(listener, path), protocols));
    await once(client.socket, "open");
    return client;
  }

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data, isBinary) => {
      this.messages.push(isBinary ? new Uint8Array(data as Buffer) : (data as Buffer).toString());
    });
    socket.on("error", () => {}); // a reset is what some tests are about
    socket.on("close", (code, reason) => {
      this.code = code;
      this.reason = reason.toString();
    });
  }
}

export const opcodes = { more: 0, text: 1, bytes: 2, close: 8, ping: 9, pong: 10 } as const;

/** A frame as a client sends it, masked with zeros. */
export function frame(opcode: number, payload: string | Uint8Array, isLast = true): Buffer {
  const body = Buffer.from(payload as string);
  const length = body.length < 126 ? [0x80 | body.length] : long(body.length);
  return Buffer.concat([Buffer.from([(isLast ? 0x80 : 0) | opcode, ...length, 0, 0, 0, 0]), body]);
}

function long(length: number): number[] {
  if (length < 65_536) return [0x80 | 126, length >> 8, length & 255];
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(length));
  return [0x80 | 127, ...bytes];
}

export const handshake: string =
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/** A client that has shaken hands, and says from now on what a test wants. It never answers by itself. */
export async function openRaw(listener: { readonly port: number }, path = "/"): Promise<RawClient> {
  const client = await RawClient.open(listener);
  client.get(path, handshake);
  await client.has("\r\n\r\n");
  return client;
}

/** The code of the close frame among the frames that a raw client has received, if there is one. */
export function closeCodeIn({ received }: RawClient): number | undefined {
  const bytes = Buffer.from(received.slice(received.indexOf("\r\n\r\n") + 4), "latin1");
  for (let at = 0; at + 1 < bytes.length;) {
    const short = bytes[at + 1]! & 127;
    const start = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
    if (start > bytes.length) return undefined;
    if ((bytes[at]! & 15) === opcodes.close) return start + 2 > bytes.length ? undefined : bytes.readUInt16BE(start);
    at =
      start +
      (short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2)));
  }
  return undefined;
}
