import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { describe } from "node:test";
import zlib from "node:zlib";
import { echo, TestServer, type Answer, type Echo } from "../../../test/http-server.ts";
import { collectGarbage } from "../../../test/collect-garbage.ts";
import { until } from "../../../test/files.ts";
import { needs, program } from "../../../test/needs.ts";
import { randomFrom } from "../../../test/random.ts";
import { rejection } from "../../../test/rejection.ts";
import { runtime, skipOn } from "../../../test/runtime.ts";
import {
  all,
  BrokenError,
  CancelledError,
  ClosedError,
  failAfter,
  HttpError,
  HttpStatusError,
  InvalidStateError,
  Latch,
  LimitExceededError,
  moveOnAfter,
  now,
  run,
  sleep,
  sleepForever,
  suppressedErrors,
  TaskLocal,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
} from "../../index.ts";
import { memoryStreamPair } from "../../streams/index.ts";
import { VirtualClock } from "../../testing/index.ts";
import { HttpClient, type HttpClientOptions } from "./index.ts";

/** Runs `use` with a server and a client of its URL; afterwards nothing is open. */
async function withBoth(
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

const never: Answer = () => {};

/** Whether a request comes to stand in line within this turn of the event loop, in which no connection can end. */
async function isInLine(client: HttpClient): Promise<boolean> {
  for (let step = 0; step < 100 && client.statistics().waiting === 0; step++) await Promise.resolve();
  return client.statistics().waiting === 1;
}

/** A server that answers each connection's bytes as it likes. */
async function rawServer(serve: (socket: Socket) => void): Promise<AsyncDisposable & { readonly url: string }> {
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
class ClientSockets implements Disposable {
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

describe("HttpClient", skipOn({ bun: "its undici has no connections" }), () => {
  // --- requests

  test("HttpClient.get() gives status, headers and body, and resolves URLs by the base", () =>
    withBoth(
      (request, response) => {
        response
          .writeHead(203, { "x-a": ["1", "2"], "set-cookie": ["a=1", "b=2"] })
          .end(`you asked for ${request.url}`);
      },
      async (client, server) => {
        const response = await client.get("v1/things?a=1", { query: { b: [2, "drei"], c: undefined, d: true } });
        assert.deepEqual(
          [response.status, response.statusText, response.ok],
          [203, "Non-Authoritative Information", true],
        );
        assert.equal(response.url, `${server.url}/v1/things?a=1&b=2&b=drei&d=true`);
        assert.equal(response.headers.get("x-a"), "1, 2");
        assert.deepEqual(response.headers.getSetCookie(), ["a=1", "b=2"]);
        assert.equal(await response.text(), "you asked for /v1/things?a=1&b=2&b=drei&d=true");
        const absolute = await client.get(new URL(`${server.url}/x`));
        assert.equal(await absolute.text(), "you asked for /x");
      },
    ));

  test("HttpClient has a method for each of the usual ones, and takes any other", () =>
    withBoth(echo, async (client) => {
      const methods: string[] = [];
      for (const call of ["get", "post", "put", "patch", "delete"] as const)
        methods.push((await (await client[call]("/")).json<Echo>()).method);
      methods.push((await (await client.request("PROPFIND", "/")).json<Echo>()).method);
      methods.push((await (await client.request("delete", "/")).json<Echo>()).method);
      assert.deepEqual(methods, ["GET", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "DELETE"]);
      const head = await client.head("/");
      assert.deepEqual([head.status, await head.text()], [200, ""]);
    }));

  test("HttpClient sends text, bytes, JSON, forms, blobs and streams, each with its type", () =>
    withBoth(echo, async (client) => {
      const sent = async (options: object): Promise<[string | undefined, string]> => {
        const got = await (await client.post("/", options)).json<Echo>();
        return [got.headers["content-type"], got.body];
      };
      assert.deepEqual(await sent({ body: "text é" }), ["text/plain;charset=UTF-8", "text é"]);
      assert.deepEqual(await sent({ body: new Uint8Array([97, 98]) }), [undefined, "ab"]);
      assert.deepEqual(await sent({ body: new Uint8Array([97, 98, 99]).subarray(1) }), [undefined, "bc"]);
      assert.deepEqual(await sent({ body: new Uint8Array([99]).buffer }), [undefined, "c"]);
      const { buffer } = new Uint8Array([97, 98, 99, 100]);
      assert.deepEqual(await sent({ body: new DataView(buffer, 1, 2) }), [undefined, "bc"]);
      assert.deepEqual(await sent({ body: new Uint16Array(buffer, 2) }), [undefined, "cd"]);
      assert.deepEqual(await sent({ body: null }), [undefined, ""]);
      assert.deepEqual(await sent({ body: null, json: 1 }), ["application/json", "1"]);
      assert.deepEqual(await sent({ json: { a: [1] } }), ["application/json", '{"a":[1]}']);
      assert.deepEqual(await sent({ json: null }), ["application/json", "null"]);
      assert.deepEqual(await sent({ json: 1, headers: { "content-type": "text/x" } }), ["text/x", "1"]);
      const form = new URLSearchParams({ a: "1 2" });
      assert.deepEqual(await sent({ body: form }), ["application/x-www-form-urlencoded;charset=UTF-8", "a=1+2"]);
      assert.deepEqual(await sent({ body: new Blob(["blob"], { type: "x/y" }) }), ["x/y", "blob"]);
      const data = new FormData();
      data.set("field", "value");
      const [type, body] = await sent({ body: data });
      assert.match(type!, /^multipart\/form-data; ?boundary=/);
      assert.match(body, /name="field"\r\n\r\nvalue\r\n/);
      async function* pieces(): AsyncGenerator<Uint8Array | string> {
        yield "one ";
        await sleep(1);
        yield new TextEncoder().encode("two");
      }
      assert.deepEqual(await sent({ body: pieces() }), [undefined, "one two"]);
      const [source, feed] = memoryStreamPair();
      await feed.write(new TextEncoder().encode("from a stream"));
      await feed.close();
      assert.deepEqual(await sent({ body: source }), [undefined, "from a stream"]);
      await assert.rejects(
        client.post("/", { json: undefined, body: 5 as never }),
        /^TypeError: Cannot send 5: wanted/,
      );
      await assert.rejects(client.post("/", { json: () => 1 }), /^TypeError: Cannot send function json as JSON/);
    }));

  test("HttpClient sets the headers of a request over its own", () =>
    withBoth(
      echo,
      async (client) => {
        const response = await client.get("/", { headers: { "X-B": "request", "user-agent": "me" } });
        const { headers } = await response.json<Echo>();
        assert.deepEqual([headers["x-a"], headers["x-b"], headers["user-agent"]], ["client", "request", "me"]);
      },
      { headers: { "x-a": "client", "x-b": "client" } },
    ));

  test("HttpClient takes an option of a request that is undefined for one that is not given", () =>
    withBoth(
      (request, response) => {
        if (request.url === "/away") response.writeHead(302, { location: "/x" }).end();
        else response.writeHead(404).end();
      },
      async (client) => {
        const nothing = { redirects: undefined, check: undefined, headers: undefined, timeouts: undefined } as object;
        const error = await rejection(client.get("/away", nothing));
        assert.ok(error instanceof HttpStatusError && error.status === 302, String(error));
      },
      { redirects: 0, check: true },
    ));

  test("U8 HttpClient tells its own credentials to no origin but that of its baseUrl, however the URL is written", async () => {
    await using other = await TestServer.start(echo);
    await withBoth(
      echo,
      async (client) => {
        const own = await (await client.get("x")).json<Echo>();
        assert.equal(own.headers["authorization"], "Bearer secret");
        for (const url of [`${other.url}/x`, `//127.0.0.1:${other.port}/x`, `\\\\127.0.0.1:${other.port}\\x`]) {
          const { headers } = await (await client.get(url)).json<Echo>();
          for (const name of ["authorization", "cookie", "proxy-authorization"])
            assert.equal(headers[name], undefined, `${name} to ${url}`);
          assert.equal(headers["x-other"], "kept");
          const asked = await (await client.get(url, { headers: { authorization: "theirs" } })).json<Echo>();
          assert.equal(asked.headers["authorization"], "theirs");
        }
        await using everywhere = new HttpClient({ headers: { authorization: "all" } });
        assert.equal((await (await everywhere.get(other.url)).json<Echo>()).headers["authorization"], "all");
      },
      { headers: { authorization: "Bearer secret", cookie: "a=1", "proxy-authorization": "p", "x-other": "kept" } },
    );
  });

  test("HttpClient asks for a part of what is not compressed, as fetch does, unless told otherwise", () =>
    withBoth(echo, async (client) => {
      const asked = async (headers: HeadersInit): Promise<string | undefined> =>
        (await (await client.get("/", { headers })).json<Echo>()).headers["accept-encoding"];
      assert.equal(await asked({ range: "bytes=5-" }), "identity");
      assert.equal(await asked({ range: "bytes=5-", "accept-encoding": "br" }), "br");
      assert.match((await asked({}))!, /gzip/);
    }));

  test("HttpResponse.check() and the option make other statuses an HttpStatusError", () =>
    withBoth(
      (request, response) => response.writeHead(request.url === "/good" ? 200 : 404).end("body"),
      async (client, server) => {
        const error = await rejection(client.get("/bad?token=secret", { check: true }));
        assert.ok(error instanceof HttpStatusError);
        assert.equal(error.message, `GET ${server.url}/bad was answered with 404 Not Found`);
        assert.deepEqual([error.status, error.method, error.url], [404, "GET", `${server.url}/bad?token=secret`]);
        const response = await client.get("/bad");
        await assert.rejects(response.check(), HttpStatusError);
        assert.ok(response.body.isClosed);
        const good = await client.get("/good", { check: true });
        assert.equal(await (await good.check()).text(), "body");
        assert.equal(server.opened, 1);
      },
    ));

  test("HttpClient tells its hooks of each request and answer, and sends the headers that they set", () =>
    withBoth(
      (request, response) => {
        if (request.url === "/from") response.writeHead(302, { location: "/to" }).end();
        else void echo(request, response);
      },
      async (_, server) => {
        const seen: unknown[] = [];
        await using client = new HttpClient({
          baseUrl: server.url,
          onRequest: async ({ method, url, headers }) => {
            await sleep(1);
            headers.set("x-count", String(seen.length));
            seen.push(`${method} ${new URL(url).pathname}`);
          },
          onResponse: ({ status, url, ms }) => {
            assert.ok(ms >= 0);
            seen.push(`${status} ${new URL(url).pathname}`);
          },
        });
        const got = await (await client.get("/from")).json<Echo>();
        assert.deepEqual(seen, ["GET /from", "302 /from", "GET /to", "200 /to"]);
        assert.equal(got.headers["x-count"], "2");
        const failing = new HttpClient({ baseUrl: server.url, onResponse: () => Promise.reject(new Error("hook")) });
        await assert.rejects(failing.get("/to"), /hook/);
        assert.equal(failing.statistics().running, 0);
        await failing.close();
      },
    ));

  test("HttpClient refuses what cannot be requested, and says so", () =>
    withBoth(echo, async (client) => {
      for (const url of ["ftp://host/", "http://"])
        await assert.rejects(
          client.get(url),
          /^TypeError: Cannot request "(ftp|http):.*: wanted an absolute URL of http/,
        );
      await assert.rejects(
        client.get("http://user:secret@host/"),
        /^TypeError: Cannot request a URL of 'host' with a user/,
      );
      await assert.rejects(client.request("BAD METHOD", "/"), /^TypeError: Cannot request with method "BAD METHOD"/);
      await assert.rejects(client.request("CONNECT", "/"), TypeError);
      await assert.rejects(client.get("/", null as never), TypeError);
      await assert.rejects(client.post("/", { json: 1, body: "1" }), /both body and json/);
      await assert.rejects(client.get("/", { headers: { "transfer-encoding": "chunked" } }), TypeError);
      await assert.rejects(
        client.get("/", { timeouts: { body: -1 } }),
        /^RangeError: Cannot request with timeouts.body -1/,
      );
      await assert.rejects(client.get("/", { redirects: -1 }), RangeError);
      await assert.rejects(client.get("/", { retry: 0 }), RangeError);
      for (const [options, what] of [
        [{ maxConnections: 0 }, "maxConnections 0"],
        [{ maxConnectionsPerOrigin: 1.5 }, "maxConnectionsPerOrigin 1.5"],
        [{ idleMs: 0 }, "idleMs 0"],
        [{ addresses: "private" }, 'addresses "private"'],
        [{ proxy: "http://p" }, 'proxy "http://p"'],
        [{ onRequest: 1 }, "onRequest 1"],
        [{ deadlineHeader: "a b" }, 'deadlineHeader "a b"'],
      ] as const)
        assert.throws(
          () => new HttpClient(options as never),
          (error: Error) => error.message.startsWith(`Cannot make an HTTP client with ${what}: wanted`),
        );
      assert.throws(() => new HttpClient({ baseUrl: "nowhere" }), TypeError);
      assert.throws(() => new HttpClient({ proxy: "environment", addresses: "public" }), /the proxy looks names up/);
      assert.throws(() => new HttpClient(null as never), TypeError);
    }));

  // --- bodies

  test("U4 HttpResponse.body comes no faster than it is read", () => {
    let written = 0;
    const endless: Answer = (_, response) => {
      const more = (): void => {
        do written += 65_536;
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      };
      response.on("drain", more);
      more();
    };
    return withBoth(endless, async (client) => {
      const response = await client.get("/");
      let last = -1;
      while (last !== written) {
        last = written;
        assert.ok(written < 100_000_000, "the buffers of the system are smaller than that");
        await sleep(100);
      }
      assert.ok(response.body.statistics().buffered <= 200_000, `${response.body.statistics().buffered} bytes held`);
      for (let read = 0; read < last + 10_000_000;) read += (await response.body.read())!.length;
      assert.ok(written > last);
      await response.close();
      await assert.rejects(response.body.read(), ClosedError);
    });
  });

  test("HttpResponse.bytes(), text() and json() read at most limit bytes, and then close the connection", () =>
    withBoth(
      (request, response) => {
        const size = Number(request.url!.slice(2));
        if (request.url!.startsWith("/c")) response.setHeader("content-length", size);
        response.write("1".repeat(size));
        response.end();
      },
      async (client, server) => {
        for (const kind of ["c", "d"]) {
          for (const read of ["bytes", "text", "json"] as const) {
            const fits = await client.get(`/${kind}15`);
            assert.equal(String(await fits[read]({ limit: 15 })).length > 0, true);
            const large = await client.get(`/${kind}100000`);
            const error = await rejection(large[read]({ limit: 99_999 }));
            assert.ok(error instanceof LimitExceededError && error.limit === 99_999);
            assert.match(error.message, /^Cannot read the body of GET http.*: more than 99999 bytes$/);
          }
        }
        await assert.rejects((await client.get("/c1")).bytes({ limit: 0 }), RangeError);
        await until(() => server.open.size <= 1, "the connections of what was too large are closed");
      },
    ));

  test("HttpResponse reads its body once, decodes it by its charset, and says what is no JSON", () =>
    withBoth(
      (request, response) => {
        if (request.url === "/latin") {
          response.setHeader("content-type", 'text/plain; charset="iso-8859-1"').end(Buffer.from([0xe9]));
        } else if (request.url === "/odd") {
          response.setHeader("content-type", "text/plain; charset=no-such").end("é");
        } else {
          response.end(request.url === "/empty" ? "" : "{not json");
        }
      },
      async (client) => {
        assert.equal(await (await client.get("/latin")).text(), "é");
        assert.equal(await (await client.get("/odd")).text(), "é");
        for (const path of ["/bad", "/empty"]) {
          const response = await client.get(path);
          const error = await rejection(response.json());
          assert.ok(error instanceof SyntaxError && error.cause instanceof SyntaxError);
          assert.match(error.message, /^Cannot read the answer to GET http:.* as JSON: "/);
          await assert.rejects(response.text(), InvalidStateError);
        }
      },
    ));

  test("HttpClient undoes gzip, deflate, br and zstd, one in another too, and leaves what it does not know", () => {
    const plain = "plain text, ".repeat(5000);
    const encoders: Record<string, (data: Buffer) => Buffer> = {
      gzip: (data) => zlib.gzipSync(data),
      deflate: (data) => zlib.deflateSync(data),
      br: (data) => zlib.brotliCompressSync(data),
    };
    if ("zstdCompressSync" in zlib) encoders["zstd"] = (data) => zlib.zstdCompressSync(data);
    return withBoth(
      (request, response) => {
        const names = request.url!.slice(1).split(",");
        let data: Buffer = Buffer.from(plain);
        for (const name of names) data = encoders[name]?.(data) ?? data;
        response.setHeader("content-encoding", names.join(", ")).end(data);
      },
      async (client, server) => {
        for (const names of [...Object.keys(encoders), "gzip,br", "br,deflate,gzip"]) {
          const response = await client.get(`/${names}`);
          assert.equal(await response.text(), plain, names);
        }
        assert.equal(await (await client.get("/identity")).text(), plain);
        assert.equal(await (await client.get("/unknown")).text(), plain);
        const raw = await client.get("/gzip", { decompress: false });
        assert.equal(zlib.gunzipSync(await raw.bytes()).toString(), plain);
        await assert.rejects(client.get("/gzip,gzip,gzip,gzip"), HttpError);
        assert.ok(server.opened <= 2);
      },
    );
  });

  test("HttpResponse counts decompressed bytes against the limit: a bomb is stopped while it is small", () => {
    const bomb = zlib.gzipSync(Buffer.alloc(200_000_000));
    return withBoth(
      (_, response) => response.setHeader("content-encoding", "gzip").end(bomb),
      async (client) => {
        const before = process.memoryUsage().arrayBuffers;
        const error = await rejection((await client.get("/")).bytes({ limit: 1_000_000 }));
        assert.ok(error instanceof LimitExceededError);
        assert.ok(process.memoryUsage().arrayBuffers - before < 100_000_000);
        const slow = await client.get("/");
        await sleep(50);
        assert.ok(slow.body.statistics().buffered < 1_000_000);
        await slow.close();
      },
    );
  });

  test("U7 HttpResponse whose body is whole holds no connection for what comes after it", () =>
    withBoth(
      (_, response) => {
        response.setHeader("content-encoding", "gzip");
        // The message goes on, and says nothing more.
        response.write(Buffer.concat([zlib.gzipSync("whole ".repeat(20_000)), Buffer.alloc(1)]));
      },
      async (client, server) => {
        for (let count = 0; count < 3; count++) {
          const response = await client.get("/");
          await sleep(50);
          assert.equal(await response.text(), "whole ".repeat(20_000));
        }
        await until(() => client.statistics().running === 0, "the last connection is closed");
        assert.equal(server.opened, 3);
      },
      { maxConnections: 1, timeouts: { total: 5000 } },
    ));

  test("HttpResponse keeps the connection if what comes after its body is little", () =>
    withBoth(
      (_, response) => {
        response.setHeader("content-encoding", "gzip");
        response.write(Buffer.concat([zlib.gzipSync("whole"), Buffer.alloc(1)]));
        setTimeout(() => response.end(Buffer.alloc(10)), 10);
      },
      async (client, server) => {
        for (let count = 0; count < 3; count++) assert.equal(await (await client.get("/")).text(), "whole");
        await until(() => client.statistics().running === 0, "the rest has come");
        assert.deepEqual([server.opened, client.statistics().idle], [1, 1]);
      },
      { maxConnections: 1 },
    ));

  test("HttpResponse says when what came cannot be decompressed", () =>
    withBoth(
      (request, response) => {
        const good = zlib.gzipSync("x".repeat(1000));
        const data = request.url === "/bad" ? Buffer.from("this is no gzip") : good.subarray(0, good.length - 10);
        response.setHeader("content-encoding", "gzip").end(data);
      },
      async (client) => {
        for (const path of ["/bad", "/cut"]) {
          const error = await rejection((await client.get(path)).text());
          assert.ok(error instanceof BrokenError && error.cause instanceof Error, String(error));
          assert.match(
            error.message,
            /^Cannot read from the body of GET .*: (incorrect header check|unexpected end of file)$/,
          );
        }
      },
    ));

  test("HttpClient sends a streamed body as it comes, in the scope that asked, and tells of its failure", () =>
    withBoth(
      (request, response) => {
        request.on("error", () => {});
        request.resume().on("end", () => response.end("done"));
      },
      async (client) => {
        const local = new TaskLocal<string>({ default: "elsewhere" });
        async function* pieces(): AsyncGenerator<string> {
          for (let piece = 0; piece < 3; piece++) {
            await sleep(1);
            assert.equal(local.get(), "here");
            yield "piece";
          }
        }
        await local.run("here", async () =>
          assert.equal(await (await client.post("/", { body: pieces() })).text(), "done"),
        );
        const failure = new Error("no more pieces");
        async function* failing(): AsyncGenerator<string> {
          yield "first";
          throw failure;
        }
        assert.equal(await rejection(client.post("/", { body: failing(), retry: 3 })), failure);
        async function* wrong(): AsyncGenerator<string> {
          yield 5 as never;
        }
        await assert.rejects(client.post("/", { body: wrong() }), /^TypeError: Cannot send 5 as a piece/);
        let cleaned = false;
        async function* endless(): AsyncGenerator<string> {
          try {
            for (;;) {
              yield "x".repeat(1000);
              await sleep(1);
            }
          } finally {
            cleaned = true;
          }
        }
        await moveOnAfter(30, () => client.post("/", { body: endless() }));
        await until(() => cleaned, "the making of the body is ended");
      },
    ));

  // --- connections

  test("HttpClient keeps a connection for the next request, and closes it when nobody comes", () =>
    withBoth(
      echo,
      async (client, server) => {
        for (let count = 0; count < 20; count++) await (await client.get("/")).text();
        assert.deepEqual([server.opened, client.statistics()], [1, { running: 0, idle: 1, waiting: 0 }]);
        await until(() => client.statistics().idle === 0, "the idle connection is closed");
        await until(() => server.open.size === 0, "the server sees it");
        await (await client.get("/")).text();
        assert.equal(server.opened, 2);
      },
      { idleMs: 300 },
    ));

  test("U7 HttpClient has never more connections than it may have, in all and to one origin", () =>
    run(
      async () => {
        const slow: Answer = (_, response) => void setTimeout(() => response.end("x".repeat(1000)), 2);
        await using one = await TestServer.start(slow);
        await using two = await TestServer.start(slow);
        await using three = await TestServer.start(slow);
        const servers = [one, two, three];
        using sockets = new ClientSockets();
        await using client = new HttpClient({ maxConnections: 5, maxConnectionsPerOrigin: 3 });
        const random = randomFrom(3);
        const gets = Array.from({ length: 300 }, () => async () => {
          await (await client.get(servers[random(3)]!.url)).text();
          const { running, idle } = client.statistics();
          assert.ok(running + idle <= 5);
        });
        await all(gets, { limit: 50 });
        assert.equal(sockets.most, 5);
        for (const { port } of servers) assert.equal(sockets.mostTo(port), 3);
      },
      { host: false },
    ));

  test("F1a requests that wait for a connection get it in the order they came", () => {
    let open = (): void => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    return withBoth(
      (_, response) => void opened.then(() => response.end()),
      async (client, server) => {
        await withTaskGroup(async (group) => {
          for (let index = 0; index < 10; index++) group.spawn(async () => (await client.get(`/${index}`)).text());
          await until(() => client.statistics().waiting === 9, "nine wait");
          open();
        });
        assert.deepEqual(
          server.requests,
          Array.from({ length: 10 }, (_, index) => `GET /${index}`),
        );
      },
      { maxConnections: 1 },
    );
  });

  test("HttpClient sends a request once more when the server had closed the kept connection", async () => {
    let connections = 0;
    let rude = false;
    const requests: string[] = [];
    await using server = await rawServer((socket) => {
      const number = ++connections;
      let answered = 0;
      socket.on("data", (data) => {
        requests.push(`${number}: ${String(data).split(" ", 1)[0]}`);
        // The first request of each connection is answered; at the second it is gone, without a word.
        if (!rude && answered++ === 0) socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        else socket.destroy();
      });
    });
    await using client = new HttpClient({ baseUrl: server.url });
    for (let count = 0; count < 3; count++) assert.equal(await (await client.get("/")).text(), "ok");
    assert.deepEqual(requests, ["1: GET", "1: GET", "2: GET", "2: GET", "3: GET"]);
    await assert.rejects(client.post("/", { body: "once" }), BrokenError); // it may have been done
    assert.equal(requests.at(-1), "3: POST");
    const before = requests.length;
    rude = true;
    await using other = new HttpClient({ baseUrl: server.url });
    await assert.rejects(other.get("/"), BrokenError); // its connection was new
    assert.equal(requests.length, before + 1);
  });

  test("HttpClient closes the connection of a body that was left, unless little is to come", () =>
    withBoth(
      (request, response) => response.end("x".repeat(request.url === "/small" ? 100 : 5_000_000)),
      async (client, server) => {
        for (let count = 0; count < 3; count++) await (await client.get("/small")).close();
        assert.equal(server.opened, 1);
        {
          await using response = await client.get("/large");
          await response.body.read();
        }
        await until(() => server.open.size === 0, "the connection is closed");
        assert.deepEqual(client.statistics(), { running: 0, idle: 0, waiting: 0 });
      },
    ));

  test("U7 HttpClient says it when a connection cannot even be made, each time, and loses nothing", () =>
    withBoth(echo, async (_, server) => {
      // It is looked at when it is used.
      await using client = new HttpClient({ maxConnections: 2, tls: { maxCachedSessions: -1 } as object });
      for (let count = 0; count < 5; count++) {
        const error = await rejection(client.get(server.url, { timeouts: { total: 2000 } }));
        assert.match(String(error), /maxCachedSessions/);
        assert.deepEqual(client.statistics(), { running: 0, idle: 0, waiting: 0 });
      }
    }));

  test("HttpClient says it when the whole time has gone by in line for a connection", () =>
    withBoth(
      never,
      async (client, server) => {
        await withTaskGroup(async (group) => {
          const first = group.attempt(() => client.get("/first", { timeouts: { total: 300 } }));
          await server.requested();
          const error = await rejection(client.get("/second", { timeouts: { total: 50 } }));
          assert.ok(error instanceof TimeoutError);
          assert.match(
            error.message,
            /^Timed out after 50 ms waiting for a free connection \(1 of 1 are in use\): GET .*\/second$/,
          );
          assert.match(String(await rejection(first)), /waiting for the whole answer: GET .*\/first$/);
        });
      },
      { maxConnections: 1 },
    ));

  test("a request that waits for another origin's connection to be closed can be cancelled, and holds up nobody", () =>
    run(
      async () => {
        await using one = await TestServer.start(echo);
        await using two = await TestServer.start(echo);
        await using client = new HttpClient({ maxConnections: 1 });
        for (let round = 0, waited = 0; waited < 5; round++) {
          assert.ok(round < 1000, "it waits in some of the rounds");
          await (await client.get(one.url)).text();
          const before = two.requests.length;
          await withTaskGroup(async (group) => {
            const waiting = group.spawn(() => client.get(two.url));
            const inLine = await isInLine(client);
            waiting.cancel();
            await waiting.outcome();
            if (!inLine) return;
            assert.equal(two.requests.length, before);
            waited++;
          });
        }
        assert.equal(await (await client.get(two.url)).text().then(() => "served"), "served");
      },
      { host: false },
    ));

  test("an answer that nobody can read any more lets its connection go when that shows", () =>
    withBoth(
      (_, response) => response.end("x".repeat(5_000_000)),
      async (client) => {
        const forget = async (): Promise<void> => void (await client.get("/"));
        const { body } = await client.get("/");
        await body.read();
        await forget();
        await until(() => {
          collectGarbage();
          return client.statistics().running === 1;
        }, "the forgotten one is closed");
        while ((await body.read()) !== undefined);
      },
    ));

  test("R4 debug mode tells of an answer that is held when its scope has ended, and nobody reads it", async (t) => {
    await using server = await TestServer.start((_, response) => response.end("x".repeat(5_000_000)));
    const told = t.mock.method(console, "error", () => undefined);
    const clock = new VirtualClock({ autoJump: false });
    const answered = new Latch();
    const over = new Latch();
    const running = run(
      async () => {
        const client = new HttpClient({ baseUrl: server.url });
        const closed = await withTaskGroup(() => client.get("/closed"));
        const held = await withTaskGroup(() => client.get("/held"), { name: "asker" });
        const read = await withTaskGroup(() => client.get("/read"));
        const own = await client.get("/own");
        await closed.close();
        answered.open();
        while ((await read.body.read()) !== undefined && !over.isOpen) await sleep(1000);
        await over.wait();
        assert.deepEqual([held.status, own.status], [200, 200]);
        await client.close({ drainMs: 0 });
      },
      { clock, host: false, debug: true },
    );
    await until(() => answered.isOpen, "all are answered");
    for (let second = 0; second < 15; second++) await clock.advance(1000);
    over.open();
    await clock.advance(1000);
    await running;
    const messages = told.mock.calls.map((call) => String(call.arguments[0]));
    told.mock.restore();
    assert.equal(messages.length, 1, messages.join("\n"));
    assert.match(
      messages[0]!,
      /The answer to GET http:\S+\/held holds its connection: '\S*asker' has ended, and nobody/,
    );
  });

  test("X3 a client that is made and first used in a task goes on when that has ended", () =>
    withBoth(echo, async (_, server) => {
      let client: HttpClient | undefined;
      await withTaskGroup(async (group) => {
        const first = group.spawn(async () => {
          client = new HttpClient({ baseUrl: server.url });
          return (await client.get("/")).text();
        });
        await first;
        first.cancel();
      });
      await withCancelScope(async (scope) => {
        await (await client!.get("/")).text();
        scope.cancel();
      });
      await (await client!.get("/")).text();
      assert.equal(server.opened, 1);
      await client!.close();
    }));

  test("HttpClient.close() waits for what runs, and refuses what comes or waits", () =>
    withBoth(
      (_, response) => void setTimeout(() => response.end("late"), 50),
      async (client, server) => {
        await withTaskGroup(async (group) => {
          const running = group.spawn(async () => (await client.get("/")).text());
          const waiting = group.attempt(() => client.get("/"));
          await server.requested();
          await until(() => client.statistics().waiting === 1, "one waits");
          const closing = group.spawn(() => client.close());
          await assert.rejects(Promise.resolve(waiting), /^ClosedError: Cannot request: the HTTP client is closed$/);
          await assert.rejects(client.get("/"), ClosedError);
          assert.equal(await running, "late");
          await closing;
        });
        assert.deepEqual(client.statistics(), { running: 0, idle: 0, waiting: 0 });
      },
      { maxConnections: 1 },
    ));

  test("HttpClient.close() ends what has not ended after drainMs, or when grace is over, and abort() at once", () =>
    withBoth(never, async (_, server) => {
      const endings: ((client: HttpClient) => unknown)[] = [
        (client) => client.close({ drainMs: 20 }),
        (client) => client.abort(new Error("why")),
        (client) =>
          withCancelScope(
            async (scope) => {
              scope.cancel();
              await client.close();
            },
            { grace: 20 },
          ),
      ];
      for (const end of endings) {
        const client = new HttpClient({ baseUrl: server.url });
        await withTaskGroup(async (group) => {
          const request = group.attempt(() => client.get("/"));
          await server.requested();
          await end(client);
          const error = await rejection(request);
          assert.ok(error instanceof ClosedError, String(error));
          assert.match(error.message, /^The HTTP client was closed before the answer was read$/);
        });
        await until(() => server.open.size === 0, "the connection is closed");
      }
    }));

  test("HttpClient.close() leaves no request behind that is on its way into a connection, and abort() ends it", async () => {
    await using one = await TestServer.start(echo);
    await using two = await TestServer.start(echo);
    for (const end of ["close", "abort"] as const) {
      for (let round = 0; round < 60; round++) {
        const steps = round >> 1;
        const client = new HttpClient({ maxConnections: 1 });
        const kept = await client.get(one.url);
        await kept.text();
        const late = client.get(round % 2 === 0 ? one.url : two.url).then(
          async (response) => `served ${(await response.bytes()).length > 0}`,
          (error: unknown) => error,
        );
        for (let step = 0; step < steps; step++) await Promise.resolve();
        await client[end]();
        const seen = two.requests.length;
        if (end === "abort") await late;
        assert.deepEqual(client.statistics(), { running: 0, idle: 0, waiting: 0 }, `${end} after ${steps} steps`);
        const outcome = await late;
        assert.ok(outcome instanceof ClosedError || (end === "close" && outcome === "served true"), String(outcome));
        assert.equal(two.requests.length, seen, "nothing goes out after the end");
      }
    }
  });

  test("HttpClient.close() refuses a time that is none, and then closes nothing", () =>
    withBoth(echo, async (client) => {
      for (const drainMs of [NaN, -1, "5"])
        await assert.rejects(
          client.close({ drainMs: drainMs as number }),
          /^(RangeError|TypeError): Cannot close an HTTP client with drainMs .*: wanted milliseconds from 0$/,
        );
      await assert.rejects(client.close(null as never), TypeError);
      assert.equal(await (await client.get("/")).text().then(() => "open"), "open");
    }));

  test(
    "1,000 requests to Python's http.server through a pool of 10 make at most 10 connections at a time",
    needs(program("python3", "python3")),
    async () => {
      const folder = await mkdtemp(join(tmpdir(), "tasktree-test-"));
      await writeFile(join(folder, "file.txt"), "from Python");
      const code = `
import functools, http.server
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=${JSON.stringify(folder)}))
print(server.server_port, flush=True)
server.serve_forever()`;
      const python = spawn("python3", ["-c", code], { stdio: ["ignore", "pipe", "inherit"] });
      try {
        const [line] = (await once(python.stdout, "data")) as [Buffer];
        using sockets = new ClientSockets();
        await using client = new HttpClient({ baseUrl: `http://127.0.0.1:${Number(line)}/`, maxConnections: 10 });
        const get = async (): Promise<string> => (await client.get("file.txt", { check: true })).text();
        const texts = await all(Array.from({ length: 1000 }, () => get));
        assert.equal(texts.filter((text) => text === "from Python").length, 1000);
        assert.equal(sockets.most, 10);
      } finally {
        python.kill("SIGKILL");
        await once(python, "close");
        await rm(folder, { recursive: true });
      }
    },
  );

  // --- redirects

  test("HttpClient follows redirects as fetch does: methods, bodies, and what is about them", () =>
    withBoth(
      (request, response) => {
        const status = Number(request.url!.slice(1));
        if (status > 0) {
          request.resume();
          response.writeHead(status, { location: "../target?x#y" }).end("moved");
        } else void echo(request, response);
      },
      async (client, server) => {
        const wanted: Record<string, Record<number, string>> = {
          GET: { 301: "GET", 302: "GET", 303: "GET", 307: "GET", 308: "GET" },
          POST: { 301: "GET", 302: "GET", 303: "GET", 307: "POST", 308: "POST" },
          PUT: { 301: "PUT", 302: "PUT", 303: "GET", 307: "PUT", 308: "PUT" },
        };
        for (const [method, byStatus] of Object.entries(wanted)) {
          for (const [status, becomes] of Object.entries(byStatus)) {
            const body = method === "GET" ? {} : { body: "body", headers: { "content-language": "de" } };
            const response = await client.request(method, `/${status}`, body);
            assert.equal(response.url, `${server.url}/target?x#y`);
            const got = await response.json<Echo>();
            const kept = becomes === method && method !== "GET";
            assert.deepEqual(
              [got.method, got.body, got.url],
              [becomes, kept ? "body" : "", "/target?x"],
              `${method} ${status}`,
            );
            assert.equal(got.headers["content-type"], kept ? "text/plain;charset=UTF-8" : undefined);
            assert.equal(got.headers["content-language"], kept ? "de" : undefined);
          }
        }
        assert.equal(server.opened, 1);
        const head = await client.head("/303");
        assert.equal(server.requests.at(-1), "HEAD /target?x");
        await head.close();
        const left = await client.get("/302", { redirects: 0 });
        assert.deepEqual([left.status, await left.text()], [302, "moved"]);
        async function* stream(): AsyncGenerator<string> {
          yield "once";
        }
        await assert.rejects(
          client.post("/307", { body: stream() }),
          /^HttpError: Cannot follow.*: the body was sent$/,
        );
        assert.equal((await (await client.post("/303", { body: stream() })).json<Echo>()).method, "GET");
      },
    ));

  test("HttpClient follows a redirect that is written in UTF-8, as fetch does", () =>
    withBoth(
      (request, response) => {
        if (request.url !== "/") response.end(request.url);
        else response.writeHead(302, { location: Buffer.from("/é?x=ü").toString("latin1") }).end();
      },
      async (client, server) => {
        assert.equal(await (await client.get("/")).text(), "/%C3%A9?x=%C3%BC");
        // Deno's reads it as Latin-1.
        if (runtime === "node") assert.equal(await (await fetch(server.url)).text(), "/%C3%A9?x=%C3%BC");
      },
    ));

  test("HttpClient follows at most so many redirects, and none that lead nowhere", () =>
    withBoth(
      (request, response) => {
        const to: Record<string, string> = { "/ftp": "ftp://host/", "/user": "http://u:p@host/", "/bad": "http://[" };
        if (request.url === "/none") response.writeHead(302).end("no location");
        else response.writeHead(302, { location: to[request.url!] ?? "/loop" }).end();
      },
      async (client, server) => {
        const error = await rejection(client.get("/loop"));
        assert.ok(error instanceof LimitExceededError && error.limit === 10);
        assert.equal(error.message, `Cannot follow more than 10 redirects from GET ${server.url}/loop`);
        assert.equal(server.requests.length, 11);
        await assert.rejects(client.get("/loop", { redirects: 2 }), LimitExceededError);
        assert.equal(server.requests.length, 14);
        for (const path of ["/ftp", "/user", "/bad"]) await assert.rejects(client.get(path), HttpError);
        assert.equal((await (await client.get("/none")).check().catch((e: HttpStatusError) => e)).status, 302);
        assert.equal(client.statistics().running, 0);
      },
    ));

  test("U8 HttpClient takes credentials along within an origin, and not to another", async () => {
    await using other = await TestServer.start(echo);
    await withBoth(
      (request, response) => {
        if (request.url === "/away") response.writeHead(302, { location: `${other.url}/x` }).end();
        else if (request.url === "/stay") response.writeHead(302, { location: "/x" }).end();
        else void echo(request, response);
      },
      async (client) => {
        const headers = { cookie: "a=1", "proxy-authorization": "p", "x-other": "kept" };
        const stayed = await (await client.get("/stay", { headers })).json<Echo>();
        assert.deepEqual([stayed.headers["authorization"], stayed.headers["cookie"]], ["Bearer secret", "a=1"]);
        const away = await (await client.get("/away", { headers })).json<Echo>();
        assert.equal(away.headers["host"], `127.0.0.1:${other.port}`);
        for (const name of ["authorization", "cookie", "proxy-authorization"])
          assert.equal(away.headers[name], undefined, name);
        assert.equal(away.headers["x-other"], "kept");
      },
      { headers: { authorization: "Bearer secret" } },
    );
  });

  test("HttpClient keeps cookies if asked to, also those of redirects, and by their paths", () =>
    withBoth(
      (request, response) => {
        if (request.url === "/login") {
          response.writeHead(302, { location: "/home", "set-cookie": ["id=1; Path=/", "deep=2; Path=/a"] }).end();
        } else void echo(request, response);
      },
      async (client, server) => {
        assert.equal((await (await client.get("/login")).json<Echo>()).headers["cookie"], "id=1");
        assert.equal((await (await client.get("/a/b")).json<Echo>()).headers["cookie"], "deep=2; id=1");
        const own = await client.get("/a", { headers: { cookie: "mine=1" } });
        assert.equal((await own.json<Echo>()).headers["cookie"], "mine=1");
        await using without = new HttpClient({ baseUrl: server.url });
        assert.equal((await (await without.get("/login")).json<Echo>()).headers["cookie"], undefined);
      },
      { cookies: true },
    ));

  // --- time

  test("HttpClient times each phase, and names it", () =>
    withBoth(
      (request, response) => {
        if (request.url === "/headers") return;
        if (request.url === "/early") {
          response.flushHeaders();
          return void setTimeout(() => response.write("half"), 10); // and then nothing
        }
        if (request.url === "/drip") {
          const drip = setInterval(() => response.write("."), 10);
          response.on("close", () => clearInterval(drip));
        }
      },
      async (client, server) => {
        const timedOut = async (promise: Promise<unknown>, what: string): Promise<void> => {
          const error = await rejection(promise);
          assert.ok(error instanceof TimeoutError, String(error));
          assert.equal(error.message, what);
        };
        const at = (path: string): string => `GET ${server.url}${path}`;
        await timedOut(
          client.get("/headers", { timeouts: { headers: 30 } }),
          `Timed out after 30 ms waiting for the headers: ${at("/headers")}`,
        );
        const half = await client.get("/early", { timeouts: { body: 30 } });
        await timedOut(half.text(), `Timed out after 30 ms waiting for the body: ${at("/early")}`);
        await timedOut(
          client.get("/headers", { timeouts: { total: 30 } }),
          `Timed out after 30 ms waiting for the whole answer: ${at("/headers")}`,
        );
        const drip = await client.get("/drip", { timeouts: { total: 500, body: 450 } });
        await timedOut(drip.text(), `Timed out after 500 ms waiting for the whole answer: ${at("/drip")}`);
        const slow = await client.get("/early", { timeouts: { body: 30 } });
        assert.equal((await slow.body.read())!.length, 4);
        await sleep(60); // nobody waits: nobody is late
        assert.equal(client.statistics().running, 1);
        await timedOut(slow.body.read(), `Timed out after 30 ms waiting for the body: ${at("/early")}`);
        await until(() => server.open.size === 0, "their connections are closed");
      },
    ));

  test("HttpClient times connecting, where nobody takes the connection", async () => {
    // An address of the network for documentation, which nobody answers for; where there is no network at all, it is refused.
    await using client = new HttpClient({ timeouts: { connect: 50 }, maxConnections: 1 });
    for (let count = 0; count < 2; count++) {
      const error = await rejection(client.get("http://192.0.2.1/"));
      assert.ok(error instanceof TimeoutError || error instanceof BrokenError);
      if (error instanceof TimeoutError)
        assert.equal(error.message, "Timed out after 50 ms waiting for the connection: GET http://192.0.2.1/");
    }
    assert.deepEqual(client.statistics(), { running: 0, idle: 0, waiting: 0 });
  });

  test("HttpClient does not time the headers while the body still goes out", () =>
    withBoth(echo, async (client) => {
      async function* slow(): AsyncGenerator<string> {
        for (let piece = 0; piece < 4; piece++) {
          await sleep(40);
          yield "piece";
        }
      }
      const response = await client.post("/", { body: slow(), timeouts: { headers: 80 } });
      assert.equal((await response.json<Echo>()).body, "piece".repeat(4));
    }));

  test("U6 D1 HttpClient tells the server how much time is left, and nothing where there is no deadline", () =>
    withBoth(echo, async (client, server) => {
      const told = async (from: HttpClient, name: string, options = {}): Promise<string | undefined> =>
        (await (await from.get("/", options)).json<Echo>()).headers[name];
      assert.equal(await told(client, "x-request-timeout"), undefined);
      for (const value of [
        await failAfter(5000, () => failAfter(60_000, () => told(client, "x-request-timeout"))),
        await told(client, "x-request-timeout", { timeouts: { total: 5000 } }),
      ]) {
        assert.match(String(value), /^\d+m$/);
        const left = Number.parseInt(String(value));
        assert.ok(left > 3000 && left <= 5000, String(value));
      }
      await using named = new HttpClient({ baseUrl: server.url, deadlineHeader: "grpc-timeout" });
      assert.match(String(await failAfter(5000, () => told(named, "grpc-timeout"))), /^\d+m$/);
      await using silent = new HttpClient({ baseUrl: server.url, deadlineHeader: false });
      assert.equal(await failAfter(5000, () => told(silent, "x-request-timeout")), undefined);
    }));

  // --- retries

  /** Answers with these statuses in order, the last for ever. */
  function statuses(...list: (number | "reset")[]): Answer {
    let count = 0;
    return (request, response) => {
      request.resume();
      const status = list[Math.min(count++, list.length - 1)]!;
      if (status === "reset") request.socket.destroy();
      else response.writeHead(status, { "x-count": count }).end(`answer ${count}`);
    };
  }

  const fast = { attempts: 4, base: 1 };

  test("HttpClient tries again on 429, 502, 503, 504 and lost connections if asked to, and gives the last answer", () =>
    withBoth(statuses(429, 502, 503, 200), async (client, server) => {
      assert.equal(await (await client.get("/", { retry: fast })).text(), "answer 4");
      assert.equal(server.opened, 1);
    }).then(() =>
      withBoth(statuses("reset", 504, "reset", 503), async (client, server) => {
        const response = await client.get("/", { retry: fast });
        assert.deepEqual([response.status, await response.text()], [503, "answer 5"]);
        // The second reset came on a kept connection, so that request went out once more by itself.
        assert.equal(server.requests.length, 5);
        await assert.rejects(client.get("/", { retry: { ...fast, attempts: 2 }, check: true }), HttpStatusError);
      }),
    ));

  test("U9 HttpClient makes one attempt unless asked, and one of what may not be repeated", () =>
    withBoth(statuses(503), async (client, server) => {
      const attempts = async (method: string, options = {}): Promise<number> => {
        const before = server.requests.length;
        await (await client.request(method, "/", options)).close();
        return server.requests.length - before;
      };
      assert.equal(await attempts("GET"), 1);
      assert.equal(await attempts("GET", { retry: false }), 1);
      assert.equal(await attempts("PUT", { retry: fast, body: "again" }), 4);
      assert.equal(await attempts("POST", { retry: fast, body: "once" }), 1);
      assert.equal(await attempts("POST", { retry: fast, body: "key", headers: { "idempotency-key": "k" } }), 4);
      assert.equal(await attempts("POST", { retry: { ...fast, methods: ["POST"] } }), 4);
      assert.equal(await attempts("GET", { retry: { ...fast, statuses: [500] } }), 1);
      async function* stream(): AsyncGenerator<string> {
        yield "once";
      }
      assert.equal(await attempts("PUT", { retry: fast, body: stream() }), 1);
    }));

  test("HttpClient tries anything again that the server cannot have seen", async () => {
    const gone = await TestServer.start(never);
    await gone[Symbol.asyncDispose]();
    await using client = new HttpClient({ baseUrl: gone.url });
    let pauses = 0;
    const error = await rejection(client.post("/", { body: "x", retry: { ...fast, onRetry: () => pauses++ } }));
    assert.ok(error instanceof BrokenError);
    assert.match(error.message, /^Cannot get an answer to POST http:.*: .*ECONNREFUSED/);
    assert.deepEqual([pauses, suppressedErrors(error).length], [3, 3]);
  });

  test("HttpClient waits as long as Retry-After says, but for more than max, or a deadline", () => {
    let after = "1";
    return withBoth(
      (_, response) => {
        response.writeHead(after === "" ? 200 : 429, { "retry-after": after }).end();
        if (after === "1") after = "";
      },
      async (client, server) => {
        const begun = now();
        assert.equal((await client.get("/", { retry: 3 })).status, 200);
        assert.ok(now() - begun >= 1000);
        for (const [value, within] of [
          ["31", Infinity],
          [new Date(Date.now() + 60_000).toUTCString(), Infinity],
          ["20", 10_000],
        ] as const) {
          after = value;
          const before = server.requests.length;
          const response = await failAfter(within, () => client.get("/", { retry: 3 }));
          assert.deepEqual([response.status, server.requests.length - before], [429, 1], value);
          await response.close();
        }
      },
    );
  });

  test("HttpClient takes Retry-After for the least pause, garbage for nothing, and too long for no", () => {
    let after = "";
    return withBoth(
      (_, response) => response.writeHead(503, { "retry-after": after }).end(),
      async (client, server) => {
        for (const [value, wanted] of [
          ["0", 50],
          ["0.5", 50],
          ["-5", 50],
          ["10, 20", 50],
          ["120;", 50],
          ["Wed, 21 Oct 2015 07:28:00 GMT", 50],
          ["1", 1000],
          ["9999999999", undefined],
        ] as const) {
          after = value;
          const pauses: number[] = [];
          const before = server.requests.length;
          const onRetry = ({ delay }: { delay: number }): unknown => pauses.push(delay);
          const retry = { attempts: 2, base: 50, jitter: "none", onRetry } as const;
          await (await client.get("/", { retry })).close();
          assert.deepEqual(pauses, wanted === undefined ? [] : [wanted], value);
          assert.equal(server.requests.length - before, 1 + pauses.length);
        }
      },
    );
  });

  test("HttpClient asks the caller's when() too, and closes the answer if a hook of it throws", () =>
    withBoth(statuses(503), async (client, server) => {
      const seen: unknown[] = [];
      const when = (error: unknown): boolean => {
        seen.push((error as HttpStatusError).status);
        return seen.length < 2;
      };
      assert.equal((await client.get("/", { retry: { ...fast, when } })).status, 503);
      assert.deepEqual([seen, server.requests.length], [[503, 503], 2]);
      const onRetry = (): never => {
        throw new Error("hook");
      };
      await assert.rejects(client.get("/", { retry: { ...fast, onRetry } }), /hook/);
      await client.abort();
    }));

  // --- addresses

  test("U8 HttpClient connects to none but allowed addresses: literal, looked up, or redirected to", () =>
    withBoth(
      (request, response) => {
        if (request.url === "/") return response.end("reached");
        return response.writeHead(302, { location: `http://${request.url!.slice(1)}/` }).end();
      },
      async (_, server) => {
        await using guarded = new HttpClient({ addresses: "public" });
        for (const host of [
          "127.0.0.1",
          "localhost",
          "[::1]",
          "0.0.0.0",
          "2130706433",
          "0x7f.1",
          "[::ffff:127.0.0.1]",
        ]) {
          const error = await rejection(guarded.get(`http://${host}:${server.port}/`, { retry: 3 }));
          assert.ok(error instanceof HttpError, `${host}: ${String(error)}`);
          assert.match(error.message, /^Cannot connect to '.*: the client's `addresses` don't allow it$/);
        }
        assert.equal(server.opened, 0);
        // This one may use the server's own address, and no other.
        const asked: string[] = [];
        await using own = new HttpClient({
          addresses: (address) => {
            asked.push(address);
            return address === "127.0.0.1";
          },
        });
        assert.equal(await (await own.get(`${server.url}/`)).text(), "reached");
        await assert.rejects(own.get(`${server.url}/127.0.0.2`), HttpError);
        await assert.rejects(own.get(`${server.url}/169.254.169.254`), HttpError);
        assert.deepEqual(asked, ["127.0.0.1", "127.0.0.2", "169.254.169.254"]);
        const name = await rejection(
          new HttpClient({ addresses: () => false }).get(`http://localhost:${server.port}/`),
        );
        assert.match(String(name), /^HttpError: Cannot connect to 'localhost' \((127\.0\.0\.1|::1)/);
      },
    ));

  test("HttpClient connects to nothing on the word of an asynchronous function, or of one that throws", () =>
    withBoth(echo, async (_, server) => {
      const thrower = (): never => {
        throw new Error("from the function");
      };
      for (const [addresses, wanted] of [
        [(async () => true) as never, /^HttpError: Cannot connect to/],
        [thrower, /^BrokenError: Cannot get an answer to .*: from the function$/],
      ] as const) {
        await using client = new HttpClient({ addresses });
        for (const host of ["127.0.0.1", "localhost"]) {
          const error = await rejection(failAfter(5000, () => client.get(`http://${host}:${server.port}/`)));
          assert.match(String(error), wanted);
        }
        assert.deepEqual(client.statistics(), { running: 0, idle: 0, waiting: 0 });
      }
      assert.equal(server.opened, 0);
    }));

  // --- faults

  test("HttpClient says what became of the connection: refused, no HTTP, closed before or in the answer", async () => {
    const answers: Record<string, (socket: Socket) => void> = {
      "no HTTP": (socket) => socket.end("SSH-2.0-OpenSSH\r\n"),
      "closed before": (socket) => socket.once("data", () => socket.end()),
      reset: (socket) => socket.once("data", () => socket.resetAndDestroy()),
      "in the headers": (socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-le"),
    };
    for (const [name, serve] of Object.entries(answers)) {
      await using server = await rawServer(serve);
      await using client = new HttpClient({ baseUrl: server.url });
      const error = await rejection(client.get("/"));
      assert.ok(error instanceof BrokenError && error.cause instanceof Error, `${name}: ${String(error)}`);
      assert.match(error.message, /^Cannot get an answer to GET http:/);
      assert.deepEqual(client.statistics(), { running: 0, idle: 0, waiting: 0 });
    }
    for (const begun of [
      "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ]) {
      await using server = await rawServer((socket) => socket.once("data", () => socket.end(begun)));
      await using client = new HttpClient({ baseUrl: server.url });
      const error = await rejection((await client.get("/")).text());
      assert.ok(error instanceof BrokenError && error.cause instanceof Error, String(error));
    }
  });

  test("HttpClient takes no more than 16 KiB of headers", async () => {
    await using server = await rawServer((socket) =>
      socket.once("data", () => socket.end(`HTTP/1.1 200 OK\r\nx: ${"x".repeat(40_000)}\r\ncontent-length: 0\r\n\r\n`)),
    );
    await using client = new HttpClient({ baseUrl: server.url });
    const error = await rejection(client.get("/", { retry: 3 }));
    assert.ok(error instanceof LimitExceededError, String(error));
  });

  // --- cancellation

  test("C3a a request in a cancelled scope is not made", () =>
    withBoth(echo, async (client, server) => {
      await withCancelScope(async (scope) => {
        scope.cancel();
        await assert.rejects(client.get("/"), CancelledError);
      });
      assert.equal(server.opened, 0);
    }));

  test("C2a cancelling a request closes its connection: while it waits for the headers, and for the body", () =>
    withBoth(
      (request, response) => {
        if (request.url === "/body") response.write("half");
      },
      async (client, server) => {
        for (const path of ["/headers", "/body"]) {
          await withTaskGroup(async (group) => {
            const task = group.spawn(async () => (await client.get(path)).text());
            await server.requested();
            await sleep(10);
            task.cancel();
            assert.equal((await task.outcome()).status, "cancelled");
            assert.deepEqual(client.statistics(), { running: 0, idle: 0, waiting: 0 });
          });
          await until(() => server.open.size === 0, "the server sees the connection closed");
        }
      },
    ));

  test("C7b the end of the scope that asked ends the body, whoever reads it", () =>
    withBoth(
      (_, response) => void response.write("half"),
      async (client, server) => {
        await withTaskGroup(async (group) => {
          const [response] = await group.start<[Awaited<ReturnType<HttpClient["get"]>>]>(
            async (started) => {
              started([await client.get("/")]);
              await sleepForever();
            },
            { name: "asker", service: true },
          );
          assert.equal((await response.body.read())!.length, 4);
          const reading = group.attempt(async () => response.body.read());
          await sleep(5);
          assert.equal(reading.status, "running");
          await response.body.close();
          await assert.rejects(Promise.resolve(reading), ClosedError);
        });
        await withTaskGroup(async (group) => {
          let response: Awaited<ReturnType<HttpClient["get"]>> | undefined;
          const asker = group.spawn(async () => {
            response = await client.get("/");
            await sleepForever();
          });
          await until(() => response !== undefined, "an answer");
          asker.cancel();
          await asker.outcome();
          const error = await rejection(response!.text());
          assert.ok(error instanceof BrokenError && error.cause instanceof CancelledError, String(error));
        });
        assert.equal(client.statistics().running, 0);
        await until(() => server.open.size === 0, "the connection is closed");
      },
    ));

  test("C7d a request in cleanup after a cancellation works until grace is over", () =>
    withBoth(
      (request, response) => {
        if (request.url === "/farewell") response.end("bye");
      },
      async (client) => {
        const seen: unknown[] = [];
        await withCancelScope(
          async (scope) => {
            scope.cancel();
            try {
              await sleepForever();
            } finally {
              seen.push(await (await client.get("/farewell")).text());
              seen.push((await rejection(client.get("/never"))) instanceof CancelledError);
            }
          },
          { grace: 100 },
        );
        assert.deepEqual(seen, ["bye", true]);
      },
    ));

  test("U7 a request that waits for a connection can be cancelled, and the next gets its place", () =>
    withBoth(
      (request, response) => {
        if (request.url !== "/stuck") response.end("answer");
      },
      async (client, server) => {
        await withTaskGroup(async (group) => {
          const stuck = group.spawn(() => client.get("/stuck"));
          await server.requested();
          const second = group.spawn(() => client.get("/second"));
          const third = group.spawn(async () => (await client.get("/third")).text());
          await sleep(5);
          assert.equal(client.statistics().waiting, 2);
          second.cancel();
          stuck.cancel();
          assert.equal(await third, "answer");
        });
        assert.deepEqual(server.requests, ["GET /stuck", "GET /third"]);
      },
      { maxConnections: 1 },
    ));

  test("U7 1,000 requests cancelled at random moments leave no connection and hold up nobody", () =>
    withBoth(
      (_, response) => {
        response.write("x".repeat(20_000));
        setTimeout(() => response.end("x".repeat(20_000)), 1);
      },
      async (client, server) => {
        using sockets = new ClientSockets();
        const random = randomFrom(11);
        let finished = 0;
        const one = async (): Promise<void> => {
          const ms = random(10) === 0 ? Infinity : random(150) / 2; // some finish however busy the machine is
          const done = await moveOnAfter(ms, async () => (await client.get("/")).bytes());
          if (done !== undefined) finished++;
          const { running, idle } = client.statistics();
          assert.ok(running + idle <= 10);
        };
        await all(
          Array.from({ length: 1000 }, () => one),
          { limit: 40 },
        );
        assert.deepEqual({ ...client.statistics(), idle: 0 }, { running: 0, idle: 0, waiting: 0 });
        assert.ok(sockets.most <= 10, `${sockets.most} connections`);
        assert.ok(finished > 0 && finished < 1000, `${finished} finished`);
        assert.ok(server.opened > 20);
        assert.equal((await (await client.get("/")).bytes()).length, 40_000);
        await client.close();
        await until(() => server.open.size === 0, "no connection is left");
      },
      { maxConnections: 10 },
    ));
});

test("new HttpClient() on Bun says that there it cannot be", (t) => {
  if (runtime !== "bun") return t.diagnostic("only Bun has this");
  assert.throws(
    () => new HttpClient(),
    /^InvalidStateError: Cannot make an HTTP client on Bun: its undici has no conn/,
  );
});
