import assert from "node:assert/strict";
import test, { describe } from "node:test";
import { withBoth } from "../../../test/client-and-server.ts";
import { echo, TestServer, type Echo } from "../../../test/http-server.ts";
import { rejection } from "../../../test/rejection.ts";
import { runtime, skipOn } from "../../../test/runtime.ts";
import { HttpStatusError, sleep } from "../../index.ts";
import { memoryStreamPair } from "../../streams/index.ts";
import { HttpClient } from "./index.ts";

describe("HttpClient", skipOn({ bun: "its undici has no connections" }), () => {
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
});

test("new HttpClient() on Bun says that there it cannot be", (t) => {
  if (runtime !== "bun") return t.diagnostic("only Bun has this");
  assert.throws(
    () => new HttpClient(),
    /^InvalidStateError: Cannot make an HTTP client on Bun: its undici has no conn/,
  );
});
