/** Clients that leave, servers that end, and all that stands between. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { test } from "node:test";
import { Fate } from "../../../test/fate.ts";
import { RawClient, refused, served, streamed, until } from "../../../test/http-clients.ts";
import { needs, proc } from "../../../test/needs.ts";
import { randomFrom } from "../../../test/random.ts";
import { isPinned, skipOn } from "../../../test/runtime.ts";
import {
  BrokenError,
  CancelledError,
  checkpoint,
  InvalidStateError,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type Scope,
} from "../../index.ts";
import { reply, sse, type HttpHandler } from "../index.ts";

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

test("U1 serveHttp() cancels the handler of a client that leaves, says why, and lets it clean up", async () => {
  await withTaskGroup(async (group) => {
    const fate = new Fate();
    let signal: AbortSignal | undefined;
    const listener = await served(group, (request) => {
      signal = request.signal;
      return fate.watch(() => sleepForever());
    });
    const client = await RawClient.open(listener);
    client.get("/gone");
    await until(() => fate.begun);
    client.leave();
    await until(() => listener.statistics().requests === 0);
    assert.ok(fate.cleaned);
    const error = fate.error as CancelledError;
    assert.ok(error instanceof CancelledError);
    assert.ok(error.reason instanceof BrokenError);
    assert.equal(error.reason.message, "Cannot answer 'GET /gone': the client has left");
    assert.equal(signal!.reason, error);
    assert.equal(listener.statistics().connections, 0);
  });
});

test("U1 serveHttp() cancels every pipelined request of a client that leaves", async () => {
  await withTaskGroup(async (group) => {
    const listener = await served(group, () => sleepForever());
    const client = await RawClient.open(listener);
    for (const path of ["/1", "/2", "/3"]) client.get(path);
    await until(() => listener.statistics().requests === 3);
    client.leave();
    await until(() => listener.statistics().requests === 0);
  });
});

test("U1 serveHttp() lets the failure of a handler's cleanup be heard, though the client has left", async () => {
  await withTaskGroup(async (group) => {
    const errors: unknown[] = [];
    const handler: HttpHandler = async () => {
      try {
        return await sleepForever();
      } finally {
        throw new Error("cleanup failed");
      }
    };
    const listener = await served(group, handler, { onError: (error) => errors.push(error) });
    const client = await RawClient.open(listener);
    client.get("/");
    await until(() => listener.statistics().requests === 1);
    client.leave();
    await until(() => listener.statistics().requests === 0);
    assert.deepEqual(errors.map(String), ["Error: cleanup failed"]);
  });
});

const makers: [string, (fate: Fate) => Response][] = [
  [
    "a generator that sleeps",
    (fate) =>
      streamed(
        (async function* () {
          fate.begun = true;
          try {
            for (;;) {
              yield bytes("tick");
              await sleep(5);
            }
          } finally {
            await sleep(2);
            fate.cleaned = true;
          }
        })(),
      ),
  ],
  [
    "a generator that the client keeps waiting",
    (fate) =>
      streamed(
        (async function* () {
          fate.begun = true;
          try {
            for (;;) yield new Uint8Array(65_536);
          } finally {
            await sleep(2);
            fate.cleaned = true;
          }
        })(),
      ),
  ],
  [
    "a stream of nobody here",
    (fate) =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(bytes("first")),
          pull: () => {
            fate.begun = true;
            return new Promise(() => {});
          },
          cancel: () => void (fate.cleaned = true),
        }),
      ),
  ],
  [
    "events",
    (fate) =>
      sse(
        (async function* () {
          fate.begun = true;
          try {
            for (;;) {
              yield { data: "tick" };
              await sleep(5);
            }
          } finally {
            fate.cleaned = true;
          }
        })(),
      ),
  ],
];

for (const [what, make] of makers) {
  test(`U1 serveHttp() cancels a body that is being sent when its client leaves: ${what}`, async () => {
    await withTaskGroup(async (group) => {
      const errors: unknown[] = [];
      const fate = new Fate();
      const listener = await served(group, () => make(fate), { onError: (error) => errors.push(error) });
      const client = await RawClient.open(listener);
      client.socket.pause();
      client.get("/");
      await until(() => fate.begun);
      client.leave();
      await until(() => listener.statistics().requests === 0);
      assert.ok(fate.cleaned);
      assert.deepEqual(errors, []);
    });
  });
}

test("serveHttp() tells the maker of a body of the cancellation by its own checkpoints, also if it was not waiting", async () => {
  await withTaskGroup(async (group) => {
    let ticks = 0;
    const gate = Promise.withResolvers<void>();
    async function* body(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
      yield bytes("first");
      await gate.promise; // foreign: the cancellation comes meanwhile
      for (;;) {
        await checkpoint();
        ticks++;
        await sleep(1);
      }
    }
    const listener = await served(group, () => streamed(body()));
    const client = await RawClient.open(listener);
    client.get("/");
    await client.has("first");
    client.leave();
    await until(() => listener.statistics().connections === 0);
    gate.resolve();
    await until(() => listener.statistics().requests === 0);
    assert.equal(ticks, 0);
  });
});

test("U4 serveHttp() makes no more of a body than its client takes", async () => {
  await withTaskGroup(async (group) => {
    let made = 0;
    async function* body(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
      for (;;) {
        await checkpoint();
        made += 65_536;
        yield new Uint8Array(65_536);
      }
    }
    const listener = await served(group, () => streamed(body()));
    const client = await RawClient.open(listener);
    client.socket.pause();
    client.get("/");
    let before = -1;
    while (made !== before) {
      before = made;
      await sleep(50);
    }
    assert.ok(made < 20_000_000, `${made} bytes were made for somebody who reads none`);
    client.leave();
  });
});

test("U4 serveHttp() reads no more of a request's body than its handler does", async () => {
  await withTaskGroup(async (group) => {
    const gate = Promise.withResolvers<void>();
    let seen = 0;
    const handler: HttpHandler = async (request) => {
      await gate.promise;
      for await (const chunk of request.body!) seen += chunk.length;
      return reply(String(seen));
    };
    const client = await RawClient.open(await served(group, handler, { maxBody: Infinity }));
    const size = 50_000_000;
    client.say(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\nConnection: close\r\n\r\n`);
    client.socket.write(Buffer.alloc(size));
    let before = -1;
    while (client.socket.writableLength + client.socket.bytesWritten !== before) {
      before = client.socket.writableLength + client.socket.bytesWritten;
      await sleep(50);
    }
    assert.ok(client.socket.writableLength > 0, "all of it was taken, though nobody reads it");
    gate.resolve();
    assert.ok((await client.whole()).endsWith(String(size)));
  });
});

test("serveHttp() fails the read of a body whose client leaves in its midst", async () => {
  await withTaskGroup(async (group) => {
    const errors: unknown[] = [];
    const fate = new Fate();
    const handler: HttpHandler = (request) => fate.watch(async () => reply(await request.text()));
    const listener = await served(group, handler, { onError: (error) => errors.push(error) });
    const client = await RawClient.open(listener);
    client.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    await until(() => fate.begun);
    client.leave();
    await until(() => listener.statistics().requests === 0);
    assert.ok(fate.cleaned);
    assert.deepEqual(errors, []);
  });
});

test("U4 serveHttp() disconnects a client that takes nothing of its response", async () => {
  await withTaskGroup(async (group) => {
    const listener = await served(group, () => new Response("x".repeat(50_000_000)), { sendTimeout: 50 });
    const client = await RawClient.open(listener);
    client.socket.pause();
    client.get("/");
    await until(() => listener.statistics().requests === 1);
    await until(() => listener.statistics().requests === 0 && listener.statistics().connections === 0);
    client.leave();
  });
});

test("serveHttp() lets a client take its time that takes something of a large answer now and then", async () => {
  const large = 30_000_000;
  async function* pieces(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    yield new Uint8Array(large);
    await sleep(1);
    yield bytes("end");
  }
  const answers: Record<string, () => Response> = {
    "/text": () => reply("x".repeat(large)),
    "/bytes": () => new Response(new Uint8Array(large)),
    "/piece": () => streamed(pieces()),
  };
  await withTaskGroup(async (group) => {
    const handler: HttpHandler = (request) => answers[new URL(request.url).pathname]!();
    const listener = await served(group, handler, { sendTimeout: 1000 });
    await withTaskGroup((clients) => {
      for (const path of Object.keys(answers)) clients.spawn(() => take(listener, path));
    });
  });

  async function take({ port }: { port: number }, path: string): Promise<void> {
    const client = connect(port, "127.0.0.1");
    client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    let taken = 0;
    for await (const chunk of client as AsyncIterable<Uint8Array>) {
      const before = taken;
      taken += chunk.length;
      if (Math.floor(before / 256_000) < Math.floor(taken / 256_000)) await sleep(20);
    }
    assert.ok(taken > large, `${taken} bytes of ${path} came`);
  }
});

test("serveHttp() waits for the turn of an answer that stands behind a slow one", async () => {
  await withTaskGroup(async (group) => {
    const handler: HttpHandler = async (request) => {
      if (request.url.endsWith("/slow")) await sleep(300);
      return reply(`<${request.url.slice(-5)}>`);
    };
    const client = await RawClient.open(await served(group, handler, { sendTimeout: 100 }));
    client.get("/slow");
    client.get("/fast", "Connection: close\r\n");
    assert.match(await client.whole(), /<\/slow>[^]*<\/fast>/);
  });
});

test("U2 serveHttp() resets a connection also for an answer that breaks off before its turn", async () => {
  await withTaskGroup(async (group) => {
    const errors: unknown[] = [];
    async function* body(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
      yield bytes("part");
      await sleep(5);
      throw new Error("broke off");
    }
    const handler: HttpHandler = async (request) => {
      if (request.url.endsWith("/slow")) await sleep(100_000);
      return streamed(body());
    };
    const listener = await served(group, handler, { onError: (error) => errors.push(error) });
    const client = await RawClient.open(listener);
    client.get("/slow");
    client.get("/fast");
    assert.equal(await client.whole(), "");
    await until(() => listener.statistics().requests === 0);
    assert.deepEqual(errors.map(String), ["Error: broke off"]);
  });
});

test("serveHttp() fails who reads on in a body when the request has been answered: what came is not all of it", async () => {
  await withTaskGroup(async (group) => {
    const outcomes: unknown[] = [];
    const read = async (request: Request, before: Promise<unknown>): Promise<void> => {
      await before;
      await request.text().then(
        (text) => outcomes.push(text),
        (error: unknown) => outcomes.push(error),
      );
    };
    const later = Promise.withResolvers<void>();
    const handler: HttpHandler = async (request) => {
      void read(request, request.url.endsWith("/across") ? Promise.resolve() : later.promise);
      await sleep(5);
      return reply("taken");
    };
    const listener = await served(group, handler);
    for (const path of ["/across", "/after"]) {
      const client = await RawClient.open(listener);
      client.say(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhello`);
      await client.has("taken");
      client.say("world");
      await client.whole();
    }
    later.resolve();
    await until(() => outcomes.length === 2);
    for (const outcome of outcomes) {
      assert.ok(outcome instanceof InvalidStateError, String(outcome));
      assert.match(outcome.message, /the request has been answered/);
    }
  });
});

test("serveHttp() bears that nobody waits for a body that was begun: neither an early answer nor a client that leaves is a failure", async () => {
  await withTaskGroup(async (group) => {
    const unheard: unknown[] = [];
    const hear = (error: unknown): void => void unheard.push(error);
    process.on("unhandledRejection", hear);
    const handler: HttpHandler = async (request) => {
      void request.text();
      if (request.url.endsWith("/leave")) await sleepForever();
      await sleep(5);
      return reply("who are you?", { status: 401 });
    };
    const listener = await served(group, handler);
    for (const path of ["/early", "/leave"]) {
      const client = await RawClient.open(listener);
      client.say(`POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello`);
      if (path === "/early") await client.has("401");
      else await until(() => listener.statistics().requests === 1);
      client.leave();
      await until(() => listener.statistics().connections === 0 && listener.statistics().requests === 0);
    }
    await sleep(5);
    process.off("unhandledRejection", hear);
    assert.deepEqual(unheard, []);
  });
});

test("U3 serveHttp() disconnects who takes too long to send headers or body", async () => {
  await withTaskGroup(async (group) => {
    const handler: HttpHandler = async (request) => new Response(await request.text());
    const listener = await served(group, handler, { headersTimeout: 60, receiveTimeout: 100 });
    const loris = await RawClient.open(listener);
    loris.say("GET / HTTP/1.1\r\nHost: a\r\n");
    const drip = setInterval(() => loris.say("X-A: b\r\n"), 10);
    assert.match(await loris.whole(), /^HTTP\/1\.1 408 /);
    clearInterval(drip);
    const slow = await RawClient.open(listener);
    slow.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
    const drops = setInterval(() => slow.say("x"), 10);
    await slow.whole();
    clearInterval(drops);
    assert.equal(listener.statistics().requests, 0);
  });
});

test("U3 serveHttp() refuses headers and bodies that are too long, also where the length comes only with the body", async () => {
  await withTaskGroup(async (group) => {
    const errors: unknown[] = [];
    const handler: HttpHandler = async (request) => reply(String((await request.text()).length));
    const limits = { maxBody: 1000, maxHeaderSize: 2000, onError: (error: unknown) => errors.push(error) };
    const { url, ...listener } = await served(group, handler, limits);
    const answers: [RequestInit, number][] = [
      [{ method: "POST", body: "x".repeat(1000) }, 200],
      [{ method: "POST", body: "x".repeat(1001) }, 413],
      [{ method: "POST", body: "x".repeat(200_000) }, 413],
      [{ headers: { "x-long": "x".repeat(3000) } }, 431],
    ];
    for (const [init, status] of answers) assert.equal((await fetch(url, init)).status, status);
    const client = await RawClient.open({ port: Number(new URL(url).port) });
    client.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (let i = 0; i < 11; i++) client.say(`64\r\n${"x".repeat(100)}\r\n`);
    await client.has("413 Payload Too Large");
    client.say("0\r\n\r\n");
    client.get("/", "Connection: close\r\n"); // the connection is still good
    assert.match(await client.whole(), /413[^]*200 OK[^]*0$/);
    assert.deepEqual(errors, []);
    void listener;
  });
});

test("serveHttp() gives up a client that sends without end what nobody reads", async () => {
  await withTaskGroup(async (group) => {
    const client = await RawClient.open(await served(group, () => new Response("no, thanks")));
    client.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
    let said = 0;
    while (!client.closed && said < 100_000_000) {
      client.say(chunk);
      said += chunk.length;
      await sleep(1);
    }
    assert.ok(client.closed);
    assert.match(client.received, /200 OK[^]*no, thanks/);
  });
});

// --- the end of a server

/** Runs `use` beside a server in a scope of its own, and resolves when both have ended. */
async function serving(
  handler: HttpHandler,
  use: (listener: Awaited<ReturnType<typeof served>>, scope: Scope) => Promise<void>,
  grace?: number,
): Promise<void> {
  await withTaskGroup(async (outer) => {
    const ready = Promise.withResolvers<[Awaited<ReturnType<typeof served>>, Scope]>();
    outer.spawn(() =>
      withCancelScope(
        (scope) =>
          withTaskGroup(async (group) => {
            // so long that none of them ends by itself within the test
            const options = { idleTimeout: 600_000 };
            ready.resolve([await served(group, handler, options, false), scope]);
          }),
        grace === undefined ? {} : { grace },
      ),
    );
    const [listener, scope] = await ready.promise;
    await use(listener, scope);
  });
}

test("U5 serveHttp() that drains takes no more connections, ends idle ones, answers what was asked, and ends", async () => {
  const gate = Promise.withResolvers<void>();
  const handler: HttpHandler = async (request) => {
    if (request.url.endsWith("/slow")) await gate.promise;
    return new Response("done");
  };
  await serving(handler, async (listener, scope) => {
    const idle = await RawClient.open(listener);
    idle.get("/");
    await idle.has("done");
    const busy = await RawClient.open(listener);
    busy.get("/slow");
    await until(() => listener.statistics().requests === 1);
    scope.drain(10_000);
    await idle.whole();
    await refused(listener);
    gate.resolve();
    assert.match(await busy.whole(), /^HTTP\/1\.1 200 OK[^]*connection: close[^]*done$/i);
  });
});

test("U5 serveHttp() that drains closes a connection whose answer had begun, when that is at its end", async () => {
  const gate = Promise.withResolvers<void>();
  async function* body(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    yield bytes("begun");
    await gate.promise;
    yield bytes("done");
  }
  await serving(
    () => streamed(body()),
    async (listener, scope) => {
      const client = await RawClient.open(listener);
      client.get("/");
      await client.has("begun");
      scope.drain(10_000);
      gate.resolve();
      assert.match(await client.whole(), /keep-alive[^]*begun[^]*done\r\n0\r\n\r\n$/);
      assert.equal(scope.signal.aborted, false); // the drain's time is not over
    },
  );
});

const unseen = { bun: "it tells of a connection when something is asked on it" };

test("serveHttp() that drains ends connections on which nothing was asked yet", skipOn(unseen), async () => {
  const gate = Promise.withResolvers<Response>();
  await serving(
    () => gate.promise,
    async (listener, scope) => {
      const fresh = await RawClient.open(listener);
      const busy = await RawClient.open(listener);
      busy.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      await until(() => listener.statistics().requests === 1);
      fresh.say("GET / HTTP/1.1\r\nHos");
      scope.drain(10_000);
      assert.equal(await fresh.whole(), "");
      gate.resolve(new Response("done"));
      await busy.whole();
    },
  );
});

test("U5 serveHttp() that is cancelled cancels its requests, answers 503, and has closed every connection at the end", async () => {
  const fate = new Fate();
  await serving(
    () => fate.watch(() => sleepForever()),
    async (listener, scope) => {
      const client = await RawClient.open(listener);
      client.get("/");
      await until(() => fate.begun);
      scope.cancel();
      assert.match(await client.whole(), /^HTTP\/1\.1 503 [^]*connection: close/i);
      assert.ok(fate.cleaned);
    },
  );
});

test("serveHttp() that is cancelled cuts the answer of a deaf handler when grace is over, and waits for the handler", async () => {
  const gate = Promise.withResolvers<Response>();
  let closed = false;
  await serving(
    () => gate.promise,
    async (listener, scope) => {
      const client = await RawClient.open(listener);
      client.get("/");
      await until(() => listener.statistics().requests === 1);
      scope.cancel();
      assert.equal(await client.whole(), "");
      closed = true;
      gate.resolve(new Response("too late"));
    },
    50,
  );
  assert.ok(closed);
});

for (const how of ["HEAD", "a client that has left"]) {
  test(`serveHttp() that is cancelled waits until the cut-off for a body that does not end: ${how}`, async () => {
    let told = 0;
    const endless = (): Response =>
      new Response(
        new ReadableStream({
          pull: () => new Promise(() => {}),
          cancel: () => {
            told++;
            return new Promise(() => {});
          },
        }),
      );
    const handler: HttpHandler = async (request) => {
      if (request.method !== "HEAD") await sleepForever().catch(() => {});
      return endless();
    };
    await serving(
      handler,
      async (listener, scope) => {
        const client = await RawClient.open(listener);
        client.say(`${how === "HEAD" ? "HEAD" : "GET"} / HTTP/1.1\r\nHost: a\r\n\r\n`);
        await until(() => listener.statistics().requests === 1);
        if (how !== "HEAD") client.leave();
        await until(() => told === 1);
        scope.cancel();
      },
      50,
    );
  });
}

test("serveHttp() whose drain takes too long ends streams that are being sent, and their makers clean up", async () => {
  const fate = new Fate();
  async function* body(): AsyncGenerator<string> {
    await fate.watch(async () => {
      await sleepForever();
    });
    yield "never";
  }
  const handler: HttpHandler = () => sse(body(), { heartbeat: 5 });
  await serving(handler, async (listener, scope) => {
    const client = await RawClient.open(listener);
    client.get("/");
    await client.has(": \n\n");
    scope.drain(30);
    await client.whole();
    assert.doesNotMatch(client.received, /\r\n0\r\n\r\n$/); // it was not taken for whole
  });
  assert.ok(fate.cleaned);
});

test("U1 1,000 clients that leave at random leave no task and no socket", needs(proc), async () => {
  const descriptors = (): number => readdirSync("/proc/self/fd").length;
  const from = randomFrom(20_261_123);
  const random = (): number => from(1_000_000) / 1_000_000;
  const clients = isPinned ? 1000 : 200;
  await withTaskGroup(async (group) => {
    const errors: unknown[] = [];
    const handler: HttpHandler = async (request) => {
      const text = await request.text();
      await sleep(random() * 10);
      if (text.length % 3 === 0) return reply(text);
      async function* body(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
        for (let i = 0; i < 10; i++) {
          yield new Uint8Array(10_000);
          await sleep(random() * 3);
        }
      }
      return streamed(body());
    };
    const listener = await served(group, handler, { onError: (error) => errors.push(error) });
    const before = descriptors();
    await withTaskGroup((visits) => {
      for (let i = 0; i < clients; i++) visits.spawn(() => visit(i));
    });
    await until(() => listener.statistics().requests === 0 && listener.statistics().connections === 0);
    await until(() => descriptors() <= before);
    assert.deepEqual(errors, []);
    assert.equal(await (await fetch(listener.url)).text(), "");

    async function visit(i: number): Promise<void> {
      await sleep(random() * 300);
      const client = await RawClient.open(listener);
      const length = Math.floor(random() * 50);
      client.say(`POST /${i} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`);
      await sleep(random() * 10);
      client.say("x".repeat(Math.floor(length * Math.min(1, random() * 1.5))));
      await sleep(random() * 20);
      client.leave();
    }
  });
});
