/** A real HTTP server on 127.0.0.1 that says what its test wants, and counts its connections. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";

export type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

export class TestServer implements AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** The connections that are open. */
  readonly open: Set<Socket> = new Set();
  /** How many there have been, and how many were open at one time. */
  opened = 0;
  mostOpen = 0;
  /** "GET /path", in the order in which they came. */
  readonly requests: string[] = [];
  readonly server: Server;

  static async start(answer: Answer): Promise<TestServer> {
    const server = createServer(answer);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new TestServer(server);
  }

  private constructor(server: Server) {
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
    this.url = `http://127.0.0.1:${this.port}`;
    server.on("connection", (socket: Socket) => {
      this.opened++;
      this.open.add(socket);
      this.mostOpen = Math.max(this.mostOpen, this.open.size);
      socket.on("error", () => {}); // a reset is what some tests are about
      socket.on("close", () => this.open.delete(socket));
    });
    server.prependListener("request", (request: IncomingMessage) => {
      this.requests.push(`${request.method} ${request.url}`);
    });
  }

  /** Resolves when the next request has come. */
  async requested(): Promise<void> {
    await once(this.server, "request");
  }

  /** Resolves when every connection is closed. */
  async allClosed(): Promise<void> {
    for (const socket of this.open) await once(socket, "close");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.server, "close");
    this.server.close();
    for (const socket of this.open) socket.destroy();
    await closed;
  }
}

/** What a request has brought, as the answer. */
export async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await text(request);
  const { method, url, headers } = request;
  response.setHeader("content-type", "application/json").end(JSON.stringify({ method, url, headers, body }));
}

export interface Echo {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}
