import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:https";
import test, { describe } from "node:test";
import { makeCertificate } from "../../../test/certificate.ts";
import { echo, TestServer, type Echo } from "../../../test/http-server.ts";
import { until } from "../../../test/files.ts";
import { needs, program } from "../../../test/needs.ts";
import { rejection } from "../../../test/rejection.ts";
import { skipOn } from "../../../test/runtime.ts";
import { BrokenError, HttpStatusError, TimeoutError } from "../../index.ts";
import { HttpClient } from "./index.ts";

/** Runs `use` with these variables set. */
async function withEnvironment(variables: Record<string, string>, use: () => Promise<unknown>): Promise<void> {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    await use();
  } finally {
    for (const [name, value] of before)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  }
}

/** What a proxy does with a connection, when it has read the request line. */
type Serve = (socket: Socket, line: string) => void;

async function startProxy(serve: Serve): Promise<AsyncDisposable & { url: string; open: Set<Socket> }> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {}).on("close", () => open.delete(socket));
    socket.on("data", (data) => {
      if (socket.listenerCount("data") === 1) serve(socket, String(data).split("\r\n", 1)[0]!);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    open,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

const forwarding: Serve = (socket, line) => {
  const [, host, port] = /^CONNECT ([^:]+):(\d+)/.exec(line) ?? [];
  if (host === undefined) {
    socket.write("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nby the proxy");
    return;
  }
  const onward = connect(Number(port), host, () => {
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    onward.pipe(socket).pipe(onward);
  });
  onward.on("error", () => socket.destroy());
  socket.on("close", () => onward.destroy());
};

const nothing = { running: 0, idle: 0, waiting: 0 };

describe("HttpClient", skipOn({ bun: "its undici has no connections" }), () => {
  test("HttpClient goes through the proxy that the environment names, if asked to", async () => {
    await using target = await TestServer.start(echo);
    const tunnels: string[] = [];
    await using proxy = await TestServer.start((request, response) => {
      tunnels.push(request.url!);
      response.end("by the proxy");
    });
    proxy.server.on("connect", (request, socket: Socket) => {
      tunnels.push(request.url!);
      socket.on("error", () => {});
      socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    });
    const before = process.env["http_proxy"];
    process.env["http_proxy"] = proxy.url;
    try {
      await using client = new HttpClient({ proxy: "environment" });
      await using direct = new HttpClient();
      const answer = await client.get(`${target.url}/x`).then(
        (response) => response.text(),
        (error: unknown) => error,
      );
      assert.ok(answer === "by the proxy" || answer instanceof BrokenError, String(answer));
      assert.equal(tunnels.length, 1);
      assert.ok(tunnels[0]!.includes(`127.0.0.1:${target.port}`));
      assert.equal((await (await direct.get(`${target.url}/y`)).json<Echo>()).url, "/y");
      assert.deepEqual(target.requests, ["GET /y"]);
    } finally {
      if (before === undefined) delete process.env["http_proxy"];
      else process.env["http_proxy"] = before;
    }
  });

  test("HttpClient refuses a proxy that is no URL, and says which variable names it", () =>
    withEnvironment({}, async () => {
      for (const name of ["http_proxy", "HTTPS_PROXY"])
        for (const value of ["not a url", "localhost:3128", "ftp://proxy"])
          await withEnvironment({ [name]: value }, async () => {
            assert.throws(
              () => new HttpClient({ proxy: "environment" }),
              new RegExp(`^TypeError: Cannot make an HTTP client with the environment's ${name}: wanted a URL`),
            );
            await new HttpClient().close();
          });
    }));

  test("HttpClient loses no connection to a proxy that is named wrongly later", async () => {
    await using target = await TestServer.start(echo);
    await using client = new HttpClient({ proxy: "environment", maxConnections: 2 });
    await withEnvironment({ http_proxy: "not a url" }, async () => {
      for (let count = 0; count < 5; count++)
        await assert.rejects(
          client.get(target.url, { timeouts: { total: 2000 } }),
          /^TypeError: Cannot connect through a proxy with the environment's http_proxy/,
        );
    });
    assert.deepEqual(client.statistics(), nothing);
    assert.equal((await client.get(target.url)).status, 200);
  });

  test("HttpClient makes a proxy's refusal an HttpStatusError, and tries it again where that is worth it", async () => {
    let said = "407 Proxy Authentication Required";
    let asked = 0;
    await using proxy = await startProxy((socket) => {
      asked++;
      socket.end(`HTTP/1.1 ${said}\r\ncontent-length: 0\r\n\r\n`);
    });
    await withEnvironment({ http_proxy: proxy.url, https_proxy: proxy.url }, async () => {
      await using client = new HttpClient({ proxy: "environment", maxConnections: 1 });
      const refusal = async (url: string): Promise<[number, number]> => {
        asked = 0;
        const error = await rejection(client.get(url, { retry: { attempts: 3, base: 1 } }));
        assert.ok(error instanceof HttpStatusError, String(error));
        assert.equal(error.message, `GET ${url} was answered with ${error.status} by the proxy`);
        assert.deepEqual(client.statistics(), nothing);
        return [error.status, asked];
      };
      assert.deepEqual(await refusal("http://target.example/"), [407, 1]);
      assert.deepEqual(await refusal("https://target.example/"), [407, 1]);
      said = "503 Busy";
      assert.deepEqual(await refusal("https://target.example/"), [503, 3]);
    });
  });

  test("HttpClient times connecting through a proxy by what the request says", async () => {
    await using proxy = await startProxy(() => {});
    await withEnvironment({ https_proxy: proxy.url }, async () => {
      await using client = new HttpClient({ proxy: "environment" });
      const error = await rejection(
        client.get("https://target.example/", { timeouts: { connect: 50, headers: 5000 } }),
      );
      assert.ok(error instanceof TimeoutError);
      assert.match(error.message, /^Timed out after 50 ms waiting for the connection: GET https:/);
      assert.deepEqual(client.statistics(), nothing);
      await until(() => proxy.open.size === 0, "the connection to the proxy is closed");
    });
  });

  test("HttpClient counts no connection to a proxy that is closed, and keeps it as long as others", async () => {
    await using proxy = await startProxy(forwarding);
    await withEnvironment({ http_proxy: proxy.url }, async () => {
      await using client = new HttpClient({ proxy: "environment", idleMs: 1500 });
      const get = async (): Promise<string> => (await client.get("http://target.example/")).text();
      assert.equal(await get(), "by the proxy");
      const [socket] = proxy.open;
      assert.equal(await get(), "by the proxy");
      assert.deepEqual([client.statistics().idle, [...proxy.open]], [1, [socket]]);
      socket!.destroy();
      await until(() => client.statistics().idle === 0, "the proxy has closed it");
      assert.equal(await get(), "by the proxy");
      assert.equal(client.statistics().idle, 1);
      await until(() => client.statistics().idle === 0, "nobody uses it");
      await until(() => proxy.open.size === 0, "it is closed");
    });
  });

  test("HttpClient reaches https through a tunnel, and keeps that", needs(program("openssl", "openssl")), async () => {
    const certificate = makeCertificate();
    const target = createTlsServer(certificate, (_, response) => response.end("through the tunnel")).listen(
      0,
      "127.0.0.1",
    );
    await once(target, "listening");
    await using proxy = await startProxy(forwarding);
    await withEnvironment({ https_proxy: proxy.url }, async () => {
      await using client = new HttpClient({ proxy: "environment", tls: { ca: certificate.cert } });
      const url = `https://127.0.0.1:${(target.address() as AddressInfo).port}/`;
      for (let count = 0; count < 2; count++) assert.equal(await (await client.get(url)).text(), "through the tunnel");
      assert.deepEqual([client.statistics().idle, proxy.open.size], [1, 1]);
    });
    await until(() => proxy.open.size === 0, "the tunnel is closed");
    target.close();
    await once(target, "close");
  });
});
