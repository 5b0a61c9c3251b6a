import assert from "node:assert/strict";
import test, { describe } from "node:test";
import { withBoth } from "../../../test/client-and-server.ts";
import { echo, TestServer, type Echo } from "../../../test/http-server.ts";
import { rejection } from "../../../test/rejection.ts";
import { runtime, skipOn } from "../../../test/runtime.ts";
import type { HttpStatusError } from "../../index.ts";
import { failAfter, HttpError, LimitExceededError } from "../../index.ts";
import { HttpClient } from "./index.ts";

describe("HttpClient", skipOn({ bun: "its undici has no connections" }), () => {
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
});
