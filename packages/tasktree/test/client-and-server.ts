/** What the tests of HttpClient share: servers, and what the client does with its sockets. */
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { TestServer, type Answer } from "./http-server.ts";
import { until } from "./files.ts";
import { run } from "../src/index.ts";
import { HttpClient, type HttpClientOptions } from "../src/http/client/index.ts";

/** Runs `use` with a server and a client of its URL; afterwards nothing is open. */
export async function withBoth(
  answer: Answer,
  use: (client: HttpClient, server: TestServer) => Promise<unknown>,
  options: HttpClientOptions = {},
): Promise<void> {
  await run(
    async () => {
      await using server = await TestServer.start(answer);
      {
        await using client = new HttpClient({ baseUrl: server.url, ...options });
        await use(client, server);
        assert.deepEqual(client.statistics(), { running: 0, idle: client.statistics().idle, waiting: 0 });
      }
      await until(() => server.open.size === 0, "every connection closed");
    },
    { host: false },
  );
}

export const never: Answer = () => {};

/** Whether a request comes to stand in line within this turn of the event loop, in which no connection can end. */
export async function isInLine(client: HttpClient): Promise<boolean> {
  for (let step = 0; step < 100 && client.statistics().waiting === 0; step++) await Promise.resolve();
  return client.statistics().waiting === 1;
}

/** A server that answers each connection's bytes as it likes. */
export async function rawServer(serve: (socket: Socket) => void): Promise<AsyncDisposable & { readonly url: string }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    serve(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** The sockets that this side opens, from their making until they are closed. */
export class ClientSockets implements Disposable {
  most = 0;
  readonly #open = new Set<Socket>();
  readonly #mostTo = new Map<number, number>();

  constructor() {
    subscribe("net.client.socket", this.#made);
  }

  mostTo(port: number): number {
    return this.#mostTo.get(port) ?? 0;
  }

  [Symbol.dispose](): void {
    unsubscribe("net.client.socket", this.#made);
  }

  readonly #made = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    this.#open.add(socket);
    this.most = Math.max(this.most, this.#open.size);
    socket.once("close", () => this.#open.delete(socket));
    socket.once("connect", () => {
      const port = socket.remotePort!;
      const to = [...this.#open].filter(({ remotePort }) => remotePort === port).length;
      this.#mostTo.set(port, Math.max(this.mostTo(port), to));
    });
  };
}
