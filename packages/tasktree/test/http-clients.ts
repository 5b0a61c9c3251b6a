/** Clients that say what a test wants, byte by byte, and servers that run beside it. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { ReadableStream as NodeReadableStream } from "node:stream/web";
import { setTimeout as pause } from "node:timers/promises";
import type { TaskGroup } from "../src/index.ts";
import { serveHttp, type HttpHandler, type HttpListener, type ServeHttpOptions } from "../src/http/index.ts";

/** A server as a service of the group, or as an ordinary child, which keeps it open. */
export function served(
  group: TaskGroup,
  handler: HttpHandler,
  options: Partial<ServeHttpOptions> = {},
  service = true,
): Promise<HttpListener> {
  const serve = (started: (listener: HttpListener) => void): Promise<void> =>
    serveHttp(handler, { port: 0, ...options, started });
  return group.start<HttpListener>(serve, { service });
}

/** A connection on which anything may be said. */
export class RawClient {
  readonly socket: Socket;
  received = "";
  closed = false;

  static async open({ port }: { readonly port: number }): Promise<RawClient> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new RawClient(socket);
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("latin1").on("data", (text: string) => (this.received += text));
    socket.on("error", () => {}); // a reset is what some tests are about
    socket.on("close", () => (this.closed = true));
  }

  say(text: string): void {
    this.socket.write(text, "latin1");
  }

  get(path: string, headers = ""): void {
    this.say(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`);
  }

  /** Waits until the answer holds `text`. */
  async has(text: string): Promise<void> {
    await until(() => this.received.includes(text) || this.closed);
    if (!this.received.includes(text)) throw new Error(`It was closed without "${text}": ${this.received}`);
  }

  /** What was received until the other side has closed. */
  async whole(): Promise<string> {
    await until(() => this.closed);
    return this.received;
  }

  leave(): void {
    this.socket.destroy();
  }
}

/** Waits for what goes on alone: a bound on liveness, not on speed. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 20_000; turn++) {
    if (condition()) return;
    await pause(1);
  }
  throw new Error(`It never came about: ${condition.toString()}`);
}

/**
 * Waits until nobody is let in any more, and no answer was given to who was. Node closes idle connections a moment before it stops
 * to listen.
 */
export async function refused(listener: { readonly port: number }): Promise<void> {
  for (;;) {
    try {
      const client = await RawClient.open(listener);
      client.get("/");
      if ((await client.whole()) !== "") throw new Error(`It was answered: ${client.received}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ECONNREFUSED") return;
      if ((error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
    }
  }
}

/** A response whose body is made by an iterator, as far as the client takes it. */
export function streamed(body: AsyncIterable<unknown>, init?: ResponseInit): Response {
  return new Response(NodeReadableStream.from(body) as ReadableStream<Uint8Array<ArrayBuffer>>, init);
}
