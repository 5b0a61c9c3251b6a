/** Requests as tasks in servers that are not ours, with the real packages. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { test } from "node:test";
import { createAdaptorServer } from "@hono/node-server";
import express, { type ErrorRequestHandler } from "express";
import { fastify } from "fastify";
import { Hono } from "hono";
import { RawClient, refused, served, until } from "../../test/http-clients.ts";
import { needs, program } from "../../test/needs.ts";
import {
  CancelledError,
  currentTask,
  InvalidStateError,
  isCancelled,
  openTaskGroup,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type TaskGroup,
} from "../index.ts";
import { taskPerRequest as ofExpress } from "./express.ts";
import { taskPerRequest as ofFastify } from "./fastify.ts";
import { taskPerRequest as ofHono } from "./hono.ts";
import { reply, type HttpListener } from "./index.ts";
import { serveNode, withRequestTask, type NodeServer, type WithRequestTaskOptions } from "./node.ts";

/** What a handler is given of a request, and gives as the answer; what it throws is the framework's to answer. */
type Handler = (path: string, body: string) => Promise<string>;

interface Made {
  readonly listener: { readonly port: number; readonly url: string };
  /** What has come to the framework's own handling of errors. */
  readonly errors: unknown[];
}

type Make = (handler: Handler, errors: unknown[], options: { group?: TaskGroup }) => Promise<NodeServer>;

const frameworks: Record<string, Make> = {
  Express: async (handler, errors, options) => {
    const app = express();
    app.use(ofExpress(options));
    app.use(express.text());
    // oxlint-disable-next-line oxc/no-async-endpoint-handlers -- Express 5 takes the rejection
    app.use(async (request, response) => {
      response.send(await handler(request.path, typeof request.body === "string" ? request.body : ""));
    });
    const onError: ErrorRequestHandler = (error, _request, response, _next) => {
      errors.push(error);
      response.status(599).end();
    };
    app.use(onError);
    return createServer(app);
  },
  Fastify: async (handler, errors, options) => {
    const app = fastify();
    void app.register(ofFastify, options);
    app.all("/*", (request) => handler(request.url, typeof request.body === "string" ? request.body : ""));
    app.setErrorHandler(async (error, _request, response) => {
      errors.push(error);
      await response.status(599).send("");
    });
    await app.ready();
    return app.server;
  },
  Hono: async (handler, errors, options) => {
    const app = new Hono();
    app.use(ofHono(options));
    app.all("/*", async (context) => context.text(await handler(context.req.path, await context.req.text())));
    app.onError((error, context) => {
      errors.push(error);
      return context.body(null, 599 as 500);
    });
    // Else it puts a Request and a Response of its own in place of the platform's, for all of the process.
    return createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as NodeServer;
  },
  "node:http": async (handler, errors, options) => {
    const onError: NonNullable<WithRequestTaskOptions["onError"]> = (error) => errors.push(error);
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      let body = "";
      for await (const chunk of request) body += String(chunk);
      response.end(await handler(request.url!, body));
    };
    return createServer(withRequestTask(answer, { ...options, onError }));
  },
};

/** The framework's server as a service of the group, or as an ordinary child. */
async function made(
  group: TaskGroup,
  make: Make,
  handler: Handler,
  service = true,
): Promise<Made & { listener: HttpListener }> {
  const errors: unknown[] = [];
  const server = await make(handler, errors, {});
  const listener = await group.start<HttpListener>((started) => serveNode(server, { port: 0, started }), {
    service,
  });
  return { listener, errors };
}

for (const [name, make] of Object.entries(frameworks)) {
  test(`U1 taskPerRequest() makes a request a task, also after its body was parsed: ${name}`, async () => {
    const tasks: (string | undefined)[] = [];
    const handler: Handler = async (_path, body) => {
      tasks.push(currentTask()?.name);
      await sleep(1);
      tasks.push(currentTask()?.name);
      return body;
    };
    await withTaskGroup(async (group) => {
      const { listener, errors } = await made(group, make, handler);
      const client = await RawClient.open(listener);
      client.say("POST /a/b?c HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n");
      await sleep(30); // the body comes on an event of its own, which belongs to no task
      client.say("body");
      await client.has("body");
      client.leave();
      assert.deepEqual(tasks, ["POST /a/b", "POST /a/b"]);
      await until(() => listener.statistics().requests === 0);
      assert.deepEqual(errors, []);
    });
  });

  test(`U1 taskPerRequest() cancels the request of a client that leaves; its cleanup may wait, and the framework hears of it: ${name}`, async () => {
    let why: unknown;
    let cleaned = false;
    const handler: Handler = async () => {
      try {
        return await sleepForever();
      } catch (error) {
        why = error;
        throw error;
      } finally {
        await sleep(5);
        await sleep(5);
        cleaned = true;
      }
    };
    await withTaskGroup(async (group) => {
      const { listener, errors } = await made(group, make, handler);
      const client = await RawClient.open(listener);
      client.get("/gone");
      await until(() => listener.statistics().requests === 1);
      await sleep(20);
      client.leave();
      await until(() => cleaned && errors.length === (name === "node:http" ? 0 : 1));
      assert.ok(why instanceof CancelledError);
      assert.match(String(why), /'GET \/gone': the client has left/);
      assert.ok(errors.every(isCancelled));
    });
  });

  test(`taskPerRequest() leaves it to the framework to answer what a handler throws: ${name}`, async () => {
    const failure = new Error("failed");
    await withTaskGroup(async (group) => {
      const { listener, errors } = await made(group, make, () => Promise.reject(failure));
      const { status } = await fetch(listener.url);
      assert.equal(status, name === "node:http" ? 500 : 599);
      assert.deepEqual(errors, [failure]);
    });
  });

  test(`U5 taskPerRequest() in a server that drains: what was asked is answered, and no more is taken: ${name}`, async () => {
    const gate = Promise.withResolvers<void>();
    await withTaskGroup(async (outer) => {
      const ready = Promise.withResolvers<HttpListener>();
      outer.spawn(() =>
        withCancelScope((scope) =>
          withTaskGroup(async (group) => {
            const handler: Handler = async (path) => {
              if (path === "/slow") scope.drain(10_000);
              if (path === "/slow") await gate.promise;
              return "done";
            };
            ready.resolve((await made(group, make, handler, false)).listener);
          }),
        ),
      );
      const listener = await ready.promise;
      const idle = await RawClient.open(listener);
      idle.get("/");
      await idle.has("done");
      const busy = await RawClient.open(listener);
      busy.get("/slow");
      await idle.whole();
      await refused(listener);
      gate.resolve();
      assert.match(await busy.whole(), /^HTTP\/1\.1 200 OK[^]*\r\ndone/);
    });
  });

  test(`taskPerRequest() is held up by a deaf handler no longer than the grace, or its own end: ${name}`, async () => {
    const gate = Promise.withResolvers<string>();
    const ended = withCancelScope(
      (scope) =>
        withTaskGroup(async (group) => {
          const { listener } = await made(group, make, () => gate.promise);
          const client = await RawClient.open(listener);
          client.get("/");
          await until(() => listener.statistics().requests === 1);
          scope.cancel();
          void client.whole().then(() => gate.resolve("late"));
        }),
      { grace: 50 },
    );
    await ended;
    gate.resolve("late");
  });

  test(`taskPerRequest() answers 503 to a request of a group that is cancelled: ${name}`, async () => {
    await using group = openTaskGroup();
    const server = await make(async () => "never", [], { group });
    group.cancel();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    assert.equal((await fetch(`http://127.0.0.1:${port}`)).status, 503);
    server.closeAllConnections();
    server.close();
  });

  test(`taskPerRequest() without serveNode() makes tasks of the root: ${name}`, async () => {
    const paths: (string | undefined)[] = [];
    const server = await make(
      async () => {
        await sleep(1);
        paths.push(currentTask()?.path);
        return "ok";
      },
      [],
      {},
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    for (let i = 0; i < 2; i++) assert.equal(await (await fetch(`http://127.0.0.1:${port}/x`)).text(), "ok");
    assert.deepEqual(paths, ["requests/GET /x", "requests/GET /x"]);
    server.closeAllConnections();
    server.close();
  });
}

/** Counts tokens, one every 10 ms, until it is cut. */
class Tokens {
  count = 0;
  ended = false;

  async make(): Promise<never> {
    try {
      for (;;) {
        await sleep(10);
        this.count++;
      }
    } finally {
      this.ended = true;
    }
  }
}

async function leaveByKill(what: string, tokens: Tokens, url: string): Promise<void> {
  const curl = spawn("curl", ["--silent", "--no-buffer", `${url}/tokens`], { stdio: "ignore" });
  await until(() => tokens.count >= 20);
  curl.kill("SIGKILL");
  await once(curl, "exit");
  const atKill = tokens.count;
  await until(() => tokens.ended);
  await sleep(100);
  console.log(`${what}: ${atKill} tokens when curl was killed, ${tokens.count - atKill} more`);
  assert.ok(tokens.count - atKill <= 10, `${tokens.count - atKill} more tokens after the kill`);
}

test(
  "U1 tokens for a curl that was killed: serveHttp() makes at most 10 more",
  needs(program("curl", "curl")),
  async () => {
    const tokens = new Tokens();
    await withTaskGroup(async (group) => {
      const { url } = await served(group, async () => reply(await tokens.make()));
      await leaveByKill("serveHttp", tokens, url);
    });
  },
);

for (const [name, make] of Object.entries(frameworks)) {
  test(
    `U1 tokens for a curl that was killed: ${name} makes at most 10 more`,
    needs(program("curl", "curl")),
    async () => {
      const tokens = new Tokens();
      await withTaskGroup(async (group) => {
        const { listener } = await made(group, make, () => tokens.make());
        await leaveByKill(name, tokens, listener.url);
      });
    },
  );
}

test("taskPerRequest() of Hono says what it needs where the request came through another server", async () => {
  const app = new Hono();
  const errors: unknown[] = [];
  app.use(ofHono());
  app.get("/", (context) => context.text("ok"));
  app.onError((error, context) => {
    errors.push(error);
    return context.body(null, 500);
  });
  await app.request("/");
  assert.match(String(errors[0]), /did not come through @hono\/node-server/);
});

test("withRequestTask() keeps nothing of what a handler that failed had said", async () => {
  const errors: unknown[] = [];
  const server = createServer(
    withRequestTask(
      (request, response) => {
        for (const name of ["cache-control", "content-encoding", "set-cookie"]) response.setHeader(name, "x");
        if (request.url === "/text") response.statusMessage = "bad\n";
        if (request.url === "/broken")
          response.writeHead = () => {
            throw new Error("cannot be answered");
          };
        throw new Error("failed");
      },
      { onError: (error) => errors.push(error) },
    ),
  );
  await withTaskGroup(async (group) => {
    const serve = (started: (listener: HttpListener) => void): Promise<void> => serveNode(server, { port: 0, started });
    const listener = await group.start<HttpListener>(serve, { service: true });
    const answers: string[] = [];
    for (const path of ["/", "/text", "/broken"]) {
      const client = await RawClient.open(listener);
      client.get(path, "Connection: close\r\n");
      answers.push(await client.whole());
    }
    for (const answer of answers.slice(0, 2)) {
      assert.match(answer, /^HTTP\/1\.1 500 Internal Server Error\r\n/);
      assert.doesNotMatch(answer, /cache-control|content-encoding|set-cookie/i);
    }
    assert.equal(answers[2], "");
  });
  assert.deepEqual(errors.map(String), [
    "Error: failed",
    "Error: failed",
    "Error: cannot be answered",
    "Error: failed",
  ]);
});

test("serveNode() leaves a server as it was, and can run it again", async () => {
  const server = createServer(withRequestTask((_request, response) => response.end("hello")));
  const count = (): number[] => ["request", "connection", "error"].map((name) => server.listenerCount(name));
  const before = count();
  for (let i = 0; i < 3; i++) {
    await withTaskGroup(async (group) => {
      const serve = (started: (listener: HttpListener) => void): Promise<void> =>
        serveNode(server, { port: 0, started });
      const listener = await group.start<HttpListener>(serve, { service: true });
      const response = await fetch(listener.url);
      assert.deepEqual([response.status, await response.text()], [200, "hello"]);
    });
    assert.deepEqual(count(), before);
  }
  await assert.rejects(serveNode(server, { port: 0, host: "192.0.2.1" }), InvalidStateError);
  assert.deepEqual(count(), before);
});

test("the adapters say what is wrong with their arguments", async () => {
  assert.throws(() => ofExpress(5 as never), TypeError);
  assert.throws(() => withRequestTask(5 as never), TypeError);
  assert.throws(() => withRequestTask(() => {}, { onError: 5 as never }), TypeError);
  await assert.rejects(serveNode(createServer(), { port: 0, onError: 5 as never }), TypeError);
  await assert.rejects(serveNode({} as never, { port: 0 }), TypeError);
  await assert.rejects(serveNode(createServer(), { port: -1 }), RangeError);
  await assert.rejects(serveNode(createServer(), { port: 0, maxConnections: 0 }), RangeError);
});
