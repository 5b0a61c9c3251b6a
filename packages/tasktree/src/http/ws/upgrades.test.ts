/** Several who take the upgrades of one server, and requests that are for none of them. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { promisify } from "node:util";
import { WebSocketServer } from "ws";
import { RawClient, served, until } from "../../../test/http-clients.ts";
import { handshake, servedSockets, WsClient } from "../../../test/web-sockets.ts";
import { InvalidStateError, sleep, withTaskGroup, type TaskGroup } from "../../index.ts";
import { reply } from "../index.ts";
import { serveNode, type HttpListener } from "../node.ts";
import { serveWebSocket, type ServeWebSocketOptions, type WebSocketHandler } from "./index.ts";

const curl = (...args: string[]): Promise<{ stdout: string }> => promisify(execFile)("curl", args);

async function plainServer(group: TaskGroup): Promise<{ server: Server; listener: HttpListener }> {
  const server = createServer((_request, response) => response.end("http"));
  const listener = await group.start<HttpListener>((started) => serveNode(server, { port: 0, started }), {
    service: true,
  });
  return { server, listener };
}

function answering(name: string): WebSocketHandler {
  return async (socket) => {
    for await (const message of socket) await socket.send(`${name} ${String(message)}`);
  };
}

/** Serves until the group is over. */
function serve(group: TaskGroup, name: string, options: ServeWebSocketOptions): void {
  group.spawn(() => serveWebSocket(answering(name), options), { service: true });
}

async function answerAt(listener: HttpListener, path: string): Promise<unknown> {
  const client = await WsClient.open(listener, path);
  client.socket.send("hi");
  await until(() => client.messages.length === 1);
  client.socket.close();
  await until(() => client.code !== undefined);
  return client.messages[0];
}

test("serveWebSocket() refuses with 404 what none of several on one server takes, and bears its reset", async () => {
  await withTaskGroup(async (group) => {
    const { server, listener } = await plainServer(group);
    for (const path of ["/a", "/b"]) serve(group, path, { server, path });
    for (let n = 0; n < 3; n++) {
      const client = await RawClient.open(listener);
      client.get("/c", handshake);
      if (n > 0) client.socket.resetAndDestroy();
      else assert.match(await client.whole(), /^HTTP\/1\.1 404 /);
    }
    assert.equal(await answerAt(listener, "/b"), "/b hi");
    await until(() => listener.statistics().connections === 0);
  });
});

test("serveWebSocket() with a path comes before one without on the same server, and each request is answered once", async () => {
  await withTaskGroup(async (group) => {
    const { server, listener } = await plainServer(group);
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    serve(group, "all", { server, onError });
    serve(group, "a", { server, path: "/a", onError });
    assert.equal(await answerAt(listener, "/a"), "a hi");
    assert.equal(await answerAt(listener, "/other"), "all hi");
    assert.deepEqual(errors, []);
    assert.equal(server.listenerCount("upgrade"), 1);
  });
});

test("serveWebSocket() on a path of a server that is served already is refused, until that one has ended", async () => {
  await withTaskGroup(async (group) => {
    const { server } = await plainServer(group);
    const first = group.spawn(() => serveWebSocket(answering("first"), { server, path: "/a" }));
    await assert.rejects(
      serveWebSocket(answering("second"), { server, path: "/a" }),
      (error: Error) => error instanceof InvalidStateError && error.message.includes("'/a'"),
    );
    first.cancel();
    await first.outcome();
    const next = group.spawn(() => serveWebSocket(answering("second"), { server, path: "/a" }));
    await sleep(1);
    next.cancel();
    assert.equal((await next.outcome()).status, "cancelled");
  });
});

/** A server of ws beside ours, that takes what it is asked on some paths. */
function foreign(server: Server, paths: readonly string[]): () => void {
  const ws = new WebSocketServer({ noServer: true });
  const take = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (!paths.includes(request.url!)) return;
    ws.handleUpgrade(request, socket, head, (opened) => {
      opened.on("message", (data: Buffer) => opened.send(`foreign ${data.toString()}`));
    });
  };
  server.on("upgrade", take);
  return () => void server.off("upgrade", take);
}

test("serveWebSocket() leaves to a foreign listener what it does not take itself", async () => {
  await withTaskGroup(async (group) => {
    const { server, listener } = await plainServer(group);
    serve(group, "a", { server, path: "/a" });
    const stop = foreign(server, ["/b"]);
    assert.equal(await answerAt(listener, "/a"), "a hi");
    assert.equal(await answerAt(listener, "/b"), "foreign hi");
    stop();
  });
});

for (const isFirst of [true, false]) {
  test(`serveWebSocket() gives onError what a foreign listener has taken of its own, and leaves it that connection (${isFirst ? "it came first" : "we came first"})`, async () => {
    await withTaskGroup(async (group) => {
      const { server, listener } = await plainServer(group);
      const errors: unknown[] = [];
      let stop = isFirst ? foreign(server, ["/a"]) : undefined;
      serve(group, "ours", { server, path: "/a", onError: (error) => errors.push(error) });
      stop ??= foreign(server, ["/a"]);
      assert.equal(await answerAt(listener, "/a"), "foreign hi");
      assert.equal(errors.length, 1);
      assert.match(String(errors[0]), /^InvalidStateError: Cannot take 'upgrade GET \/a from [^']*': another listener/);
      stop();
      assert.equal(await answerAt(listener, "/a"), "ours hi");
    });
  });
}

const offer = "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";

async function answerTo(listener: HttpListener, headers: string): Promise<string> {
  const client = await RawClient.open(listener);
  client.get("/", headers);
  return await client.whole();
}

test("webSocketUpgrade() leaves plain requests of clients that offer another protocol to the handler of serveHttp", async () => {
  await withTaskGroup(async (group) => {
    const listener = await servedSockets(group, answering("ours"), { path: "/ws" });
    assert.match(await answerTo(listener, offer), /^HTTP\/1\.1 200 [^]*http/);
    if (spawnSync("curl", ["--version"]).error !== undefined) return;
    const { stdout } = await curl("-s", "--http2", "-w", " %{http_code}", listener.url);
    assert.equal(stdout, "http 200");
  });
});

test("serveWebSocket() leaves plain requests of clients that offer another protocol to the server, and puts back what it had changed", async () => {
  await withTaskGroup(async (group) => {
    const { server, listener } = await plainServer(group);
    const asks = (): unknown => (server as { shouldUpgradeCallback?: unknown }).shouldUpgradeCallback;
    const before = asks();
    const serving = group.spawn(() => serveWebSocket(answering("ours"), { server }));
    assert.match(await answerTo(listener, offer), /^HTTP\/1\.1 200 [^]*http/);
    assert.equal(await answerAt(listener, "/"), "ours hi");
    serving.cancel();
    await serving.outcome();
    assert.equal(asks(), before);
    assert.equal(server.listenerCount("upgrade"), 0);
  });
});

test("serveHttp() gives its upgrade the protocols that this names, and no others", async () => {
  await withTaskGroup(async (group) => {
    const echo = async (_request: IncomingMessage, socket: Duplex): Promise<void> => {
      socket.end("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nechoed");
    };
    const upgrade = Object.assign(echo, { protocols: ["echo"] });
    const listener = await served(group, () => reply("http"), { upgrade });
    assert.match(await answerTo(listener, "Connection: Upgrade, close\r\nUpgrade: Echo\r\n"), / 101 [^]*echoed$/);
    assert.match(await answerTo(listener, offer), /^HTTP\/1\.1 200 [^]*http/);
    assert.match(await answerTo(listener, `${handshake}Connection: close\r\n`), /^HTTP\/1\.1 400 /);
  });
});
