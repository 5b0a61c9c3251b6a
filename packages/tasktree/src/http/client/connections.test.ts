import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { describe } from "node:test";
import { ClientSockets, isInLine, never, rawServer, withBoth } from "../../../test/client-and-server.ts";
import { echo, TestServer, type Answer } from "../../../test/http-server.ts";
import { collectGarbage } from "../../../test/collect-garbage.ts";
import { until } from "../../../test/files.ts";
import { needs, program } from "../../../test/needs.ts";
import { randomFrom } from "../../../test/random.ts";
import { rejection } from "../../../test/rejection.ts";
import { skipOn } from "../../../test/runtime.ts";
import {
  all,
  BrokenError,
  ClosedError,
  Latch,
  LimitExceededError,
  run,
  sleep,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
} from "../../index.ts";
import { VirtualClock } from "../../testing/index.ts";
import { HttpClient } from "./index.ts";

describe("HttpClient", skipOn({ bun: "its undici has no connections" }), () => {
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
});
