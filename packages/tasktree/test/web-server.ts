/** A real HTTP server on 127.0.0.1 for the tests of what waits for one. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, Server, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from "node:net";

/**
 * Answers `/answer` with "answer", begins to answer `/half`, answers `/late` when told to, and leaves all else waiting. Takes
 * WebSockets.
 */
export class WebServer implements AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** The connections that are open. */
  readonly open: Set<Socket> = new Set();
  /** How many there have been. */
  opened = 0;
  readonly #server: Server | TcpServer;
  readonly #late: ServerResponse[] = [];

  /** Only takes connections, if `silent`. */
  static async start({ silent = false } = {}): Promise<WebServer> {
    const server = silent ? createTcpServer() : createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new WebServer(server);
  }

  private constructor(server: Server | TcpServer) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    this.url = `http://127.0.0.1:${this.port}`;
    server.on("connection", (socket: Socket) => {
      if (!(server instanceof Server)) socket.resume(); // who does not read does not see the end
      this.opened++;
      this.open.add(socket);
      socket.on("error", () => {}); // a reset is what some tests are about
      socket.on("close", () => this.open.delete(socket));
    });
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      if (request.url === "/answer") response.end("answer");
      if (request.url === "/late") this.#late.push(response);
      if (request.url === "/half") response.writeHead(200, { "content-length": 100 }).write("half");
    });
    server.on("upgrade", (request: IncomingMessage, socket: Socket) => {
      const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
      const accept = createHash("sha1").update(key).digest("base64");
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      socket.on("data", () => socket.end()); // the only thing that is said here is that it closes
    });
  }

  /** Resolves when a request has come. */
  async requested(): Promise<void> {
    await once(this.#server, "request");
  }

  answerLate(): void {
    for (const response of this.#late.splice(0)) response.end("late");
  }

  /** Resolves when every connection is closed. */
  async allClosed(): Promise<void> {
    for (const socket of this.open) await new Promise((resolve) => socket.once("close", resolve)); // also after a reset
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.open) socket.destroy();
    await closed;
  }
}
