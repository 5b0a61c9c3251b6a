import assert from "node:assert/strict";
import test, { describe } from "node:test";
import { never, withBoth } from "../../../test/client-and-server.ts";
import { echo, TestServer, type Answer, type Echo } from "../../../test/http-server.ts";
import { until } from "../../../test/files.ts";
import { rejection } from "../../../test/rejection.ts";
import { skipOn } from "../../../test/runtime.ts";
import { BrokenError, failAfter, HttpStatusError, now, sleep, suppressedErrors, TimeoutError } from "../../index.ts";
import { HttpClient } from "./index.ts";

describe("HttpClient", skipOn({ bun: "its undici has no connections" }), () => {
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
});
