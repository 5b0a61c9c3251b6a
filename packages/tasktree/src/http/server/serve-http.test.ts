import assert from "node:assert/strict";
import { connect as connectTls } from "node:tls";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { inspect } from "node:util";
import { makeCertificate } from "../../../test/certificate.ts";
import { RawClient, served, streamed, until } from "../../../test/http-clients.ts";
import { needs, program } from "../../../test/needs.ts";
import { runtime, skipOn } from "../../../test/runtime.ts";
import {
  type CancelledError,
  currentScope,
  currentTask,
  InvalidStateError,
  sleep,
  sleepForever,
  TaskLocal,
  withCancelScope,
  withTaskGroup,
} from "../../index.ts";
import { reply, replyJson, serveHttp, type HttpHandler, type ServeHttpOptions } from "../index.ts";

type Answer = { readonly status: number; readonly text: string; readonly headers: Headers };

/** What one request to a server of its own gets. */
async function ask(
  handler: HttpHandler,
  init: RequestInit & { path?: string; duplex?: "half" } = {},
  options: Partial<ServeHttpOptions> = {},
): Promise<Answer> {
  return withTaskGroup(async (group) => {
    const { url } = await served(group, handler, options);
    const response = await fetch(`${url}${init.path ?? "/"}`, init);
    return { status: response.status, text: await response.text(), headers: response.headers };
  });
}

/** What a server of its own says to these bytes until it closes the connection. */
async function say(handler: HttpHandler, text: string, options: Partial<ServeHttpOptions> = {}): Promise<string> {
  return withTaskGroup(async (group) => {
    const client = await RawClient.open(await served(group, handler, options));
    client.say(text);
    return client.whole();
  });
}

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (const text of texts) {
    await sleep(1);
    yield bytes(text);
  }
}

test("serveHttp() gives a handler the request as the platform has it", async () => {
  let seen: Record<string, unknown> = {};
  const handler: HttpHandler = async (request, facts) => {
    seen = {
      method: request.method,
      url: request.url,
      header: request.headers.get("x-twice"),
      is: request instanceof Request,
      redirect: request.redirect,
      used: request.bodyUsed,
      json: await request.json(),
      usedNow: request.bodyUsed,
      task: currentTask()?.name,
      peer: facts.peer.startsWith("127.0.0.1:"),
    };
    await assert.rejects(request.text(), TypeError);
    return new Response("ok");
  };
  const headers: [string, string][] = [
    ["x-twice", "1"],
    ["x-twice", "2"],
  ];
  await ask(handler, { method: "POST", path: "/a/../b%20c?d=e", body: '{"n":1}', headers });
  const { url, ...others } = seen;
  assert.match(url as string, /^http:\/\/127\.0\.0\.1:\d+\/b%20c\?d=e$/);
  assert.deepEqual(others, {
    method: "POST",
    header: "1, 2",
    is: true,
    redirect: "follow",
    used: false,
    json: { n: 1 },
    usedNow: true,
    task: "POST /b%20c",
    peer: true,
  });
});

test("serveHttp() reads a body in every way a Request has", async () => {
  const form = new FormData();
  form.set("name", "Ada");
  const ways: [string, BodyInit, (request: Request) => Promise<unknown>, unknown][] = [
    ["text", "hä", (request) => request.text(), "hä"],
    ["bytes", "ab", (request) => request.bytes(), new Uint8Array([97, 98])],
    ["arrayBuffer", "ab", async (request) => new Uint8Array(await request.arrayBuffer()), new Uint8Array([97, 98])],
    ["blob", "ab", async (request) => (await request.blob()).text(), "ab"],
    ["formData", form, async (request) => (await request.formData()).get("name"), "Ada"],
    ["body", "ab", async (request) => new Response(request.body).text(), "ab"],
    ["clone", "ab", async (request) => (await request.clone().text()) + (await request.text()), "abab"],
  ];
  for (const [way, body, read, wanted] of ways) {
    let got: unknown;
    const handler: HttpHandler = async (request) => {
      got = await read(request);
      return new Response(null);
    };
    assert.equal((await ask(handler, { method: "POST", body })).status, 200, way);
    assert.deepEqual(got, wanted, way);
  }
});

test("serveHttp() gives the platform's own Request where nothing else will do", async () => {
  const handler: HttpHandler = async (request, facts) => {
    const copy = new Request(facts.platformRequest(), { headers: { "x-new": "1" } });
    return new Response(`${copy.method} ${copy.headers.get("x-new")} ${await copy.text()} ${request.bodyUsed}`);
  };
  assert.equal((await ask(handler, { method: "PUT", body: "body" })).text, "PUT 1 body true");
});

test("serveHttp() sends what a Response holds: status, repeated headers, and its body in one piece or streamed", async () => {
  const headers: [string, string][] = [
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
    ["transfer-encoding", "identity"],
    ["connection", "upgrade"],
  ];
  const whole = await ask(() => new Response("hällo", { status: 201, statusText: "Made", headers }));
  assert.equal(whole.status, 201);
  assert.equal(whole.text, "hällo");
  assert.deepEqual(whole.headers.getSetCookie(), ["a=1", "b=2"]);
  assert.equal(whole.headers.get("content-length"), "6");
  assert.equal(whole.headers.get("connection"), "keep-alive");
  const parts = await ask(() => streamed(pieces("one", "", "two")));
  assert.equal(parts.text, "onetwo");
  assert.equal(parts.headers.get("transfer-encoding"), "chunked");
  const long = "x".repeat(3_000_000);
  assert.equal((await ask(() => new Response(long))).text, long);
});

test("serveHttp() sends reply() and replyJson() as the same Response of the platform", async () => {
  const init = { status: 404, statusText: "Gone", headers: { "x-a": "b", "content-type": "text/html" } };
  const pairs: [() => Response, () => Response][] = [
    [() => reply("hä"), () => new Response("hä", { headers: { "content-type": "text/plain;charset=UTF-8" } })],
    [() => reply("no", init), () => new Response("no", init)],
    [() => reply(bytes("raw")), () => new Response(bytes("raw"))],
    [() => replyJson({ a: 1 }), () => Response.json({ a: 1 }, { headers: { "content-type": "application/json" } })],
  ];
  for (const [ours, theirs] of pairs) {
    const [got, wanted] = [await ask(ours), await ask(theirs)];
    assert.deepEqual([got.status, got.text], [wanted.status, wanted.text]);
    assert.deepEqual(
      { ...Object.fromEntries(got.headers), date: "" },
      { ...Object.fromEntries(wanted.headers), date: "" },
    );
    assert.equal(await ours().text(), wanted.text);
  }
  const errors: unknown[] = [];
  const wrong = (): Response => reply("x", { headers: { "content-length": "2" } });
  assert.equal((await ask(wrong, {}, { onError: (error) => errors.push(error) })).status, 500);
  assert.deepEqual(errors.map(String), ['TypeError: Cannot answer with content-length "2": the body has 1 bytes']);
});

test("serveHttp() sends no body with HEAD, 204 and 304, and closes what would have made it", async () => {
  let closed = 0;
  const ofHead: HttpHandler = () =>
    new Response(new ReadableStream({ pull: () => {}, cancel: () => void closed++ }), { headers: { "x-a": "b" } });
  const head = await ask(ofHead, { method: "HEAD" });
  assert.deepEqual([head.status, head.text, head.headers.get("x-a"), closed], [200, "", "b", 1]);
  const ofReply = await say(() => reply("hello"), "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  assert.match(ofReply, /content-length: 5\r\n[^]*\r\n\r\n$/i);
  const none = await say(
    () => new Response(null, { status: 204 }),
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  );
  assert.match(none, /^HTTP\/1\.1 204 No Content\r\n/);
  assert.doesNotMatch(none, /content-length|transfer-encoding/i);
  assert.equal((await ask(() => new Response(null, { status: 304 }))).status, 304);
  assert.equal((await ask(() => new Response(null))).headers.get("content-length"), "0");
});

test("U3 serveHttp() takes absolute targets, and refuses what names no host, or two, or none that can be", async () => {
  const close = "Connection: close\r\n\r\n";
  const handler: HttpHandler = (request) => new Response(request.url);
  const good: [string, string][] = [
    [`GET http://else.where:81/x HTTP/1.1\r\nHost: a\r\n${close}`, "http://else.where:81/x"],
    [`GET https://else.where/x HTTP/1.1\r\nHost: a\r\n${close}`, "http://else.where/x"],
    [`GET //evil.example/x HTTP/1.1\r\nHost: a\r\n${close}`, "http://a//evil.example/x"],
    ["GET /old HTTP/1.0\r\n\r\n", "http://localhost/old"],
    [`GET /6 HTTP/1.1\r\nHost: [::1]:80\r\n${close}`, "http://[::1]/6"],
  ];
  for (const [text, url] of good) assert.ok((await say(handler, text)).endsWith(url), text);
  const bad = [
    `GET / HTTP/1.1\r\n${close}`,
    `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n${close}`,
    `GET / HTTP/1.1\r\nHost: a/b\r\n${close}`,
    `GET / HTTP/1.1\r\nHost: user@a\r\n${close}`,
    `GET / HTTP/1.1\r\nHost: a:99999\r\n${close}`,
    `GET / HTTP/1.1\r\nHost:\r\n${close}`,
    `GET * HTTP/1.1\r\nHost: a\r\n${close}`,
    `GET ftp://a/ HTTP/1.1\r\nHost: a\r\n${close}`,
    `GET http://u@b/ HTTP/1.1\r\nHost: a\r\n${close}`,
  ];
  for (const text of bad) assert.match(await say(handler, text), /^HTTP\/1\.1 400 /, text);
});

test("serveHttp() takes OPTIONS for all of a server", skipOn({ bun: "it refuses that target" }), async () => {
  const text = "OPTIONS * HTTP/1.1\r\nHost: a:8\r\nConnection: close\r\n\r\n";
  assert.match(await say((request) => new Response(request.url), text), /http:\/\/a:8\/\*$/);
});

test("serveHttp() says 100 Continue when the body is read, and never if it is not wanted", async () => {
  const head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n";
  await withTaskGroup(async (group) => {
    const listener = await served(group, async (request) => new Response(await request.text()));
    const client = await RawClient.open(listener);
    client.say(`${head}Connection: close\r\n\r\n`);
    await client.has("HTTP/1.1 100 Continue\r\n\r\n");
    client.say("body");
    assert.match(await client.whole(), /200 OK[^]*body$/);
  });
  const unwanted = await say(() => new Response("no"), `${head}\r\n`);
  assert.match(unwanted, /^HTTP\/1\.1 200 OK[^]*connection: close/i);
  assert.doesNotMatch(unwanted, /100 Continue/);
  assert.match(await say(() => new Response("no"), `${head}\r\n`, { maxBody: 3 }), /^HTTP\/1\.1 413 /);
});

test("serveHttp() tells early what a client will want to load", async () => {
  const handler: HttpHandler = (_request, facts) => {
    facts.earlyHints({ link: "</style.css>; rel=preload" });
    return new Response("ok");
  };
  const text = await say(handler, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  assert.match(text, /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/style\.css>[^]*HTTP\/1\.1 200 OK/i);
});

test("serveHttp() tells nothing early to a client of HTTP/1.0, who knows of no such answer", async () => {
  const handler: HttpHandler = (_request, facts) => {
    facts.earlyHints({ link: "</style.css>; rel=preload" });
    return new Response("ok");
  };
  assert.match(await say(handler, "GET / HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 200 OK/);
});

test("serveHttp() refuses a body to which more was done than to give it a length", async () => {
  const text = (coding: string): string =>
    `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ${coding}\r\nConnection: close\r\n\r\n1\r\nx\r\n0\r\n\r\n`;
  const handler: HttpHandler = async (request) => new Response(await request.text());
  assert.match(await say(handler, text("Chunked")), /^HTTP\/1\.1 200 [^]*x$/);
  assert.match(await say(handler, text("gzip, chunked")), /^HTTP\/1\.1 501 /);
});

/** What `inspect` gives, and whatever else a Request or Response of the platform can be asked. */
function looks(at: object, prototype: object): unknown[] {
  const names = Object.keys(Object.getOwnPropertyDescriptors(prototype)).filter((name) => name !== "body");
  return [inspect(at), ...names.map((name): unknown => Reflect.get(at, name))];
}

test("serveHttp() gives a request that can be printed, and asked anything, before and after its body was read", async () => {
  const seen: unknown[][] = [];
  const handler: HttpHandler = async (request) => {
    seen.push(looks(request, Request.prototype));
    await request.text();
    seen.push(looks(request, Request.prototype));
    for (const text of ["POST", "x-a"]) assert.ok(inspect(request).includes(text), inspect(request));
    if (runtime !== "deno") assert.equal(inspect([[[request]]], { depth: 2 }).includes("POST"), false);
    const answer = reply("ok", { headers: { "x-b": "c" } });
    seen.push(looks(answer, Response.prototype));
    for (const text of ["200", "x-b"]) assert.ok(inspect(answer).includes(text), inspect(answer));
    return answer;
  };
  assert.equal((await ask(handler, { method: "POST", body: "body", headers: { "x-a": "b" } })).text, "ok");
  assert.equal(seen.length, 3);
  const errors: unknown[] = [];
  const onError = (error: unknown, request?: Request): void => void errors.push(inspect([error, request]));
  assert.equal((await ask(() => Promise.reject(new Error("fails")), {}, { onError })).status, 500);
  assert.equal(errors.length, 1);
});

test("U2 serveHttp() answers a handler's failure with 500 and nothing else, and tells onError", async () => {
  const errors: [unknown, string | undefined, string | undefined][] = [];
  const onError = (error: unknown, request?: Request): void => {
    errors.push([error, request && new URL(request.url).pathname, currentTask()?.name]);
  };
  const failures: (() => unknown)[] = [
    () => {
      throw new Error("secret");
    },
    () => Promise.reject(new Error("secret")),
    () => "text",
    () => undefined,
    () => Response.error(),
  ];
  for (const fail of failures) {
    const { status, text } = await ask(fail as HttpHandler, { path: "/x" }, { onError });
    assert.deepEqual([status, text], [500, "Internal Server Error\n"]);
  }
  assert.deepEqual(
    errors.map(([error, path, task]) => [(error as Error).message, path, task]),
    [
      ["secret", "/x", "GET /x"],
      ["secret", "/x", "GET /x"],
      ['Cannot answer with "text": wanted a Response', "/x", "GET /x"],
      ["Cannot answer with undefined: wanted a Response", "/x", "GET /x"],
      ["Cannot answer with status 0: wanted one from 200", "/x", "GET /x"],
    ],
  );
});

/** What passes for a `Response`, as another library may make one. */
function foreign(parts: object): Response {
  return { status: 200, statusText: "", headers: new Headers(), body: null, ...parts } as Response;
}

test("U2 serveHttp() answers 500 where what a handler says cannot be sent, and goes on", async () => {
  const errors: unknown[] = [];
  const bad: (() => Response)[] = [
    () => reply("x", { status: 404, statusText: "no “42”" }),
    () => replyJson({}, { statusText: "a\nb" }),
    () => foreign({ statusText: "a\nb" }),
    () => foreign({ headers: new Map([["x-a", "a\r\nb"]]) }),
    () => foreign({ status: 1000 }),
  ];
  await withTaskGroup(async (group) => {
    const handler: HttpHandler = (request) => bad[Number(new URL(request.url).pathname.slice(1))]!();
    const listener = await served(group, handler, { onError: (error) => errors.push(error) });
    for (const [i] of bad.entries()) {
      const client = await RawClient.open(listener);
      client.get(`/${i}`, "Connection: close\r\n");
      assert.match(await client.whole(), /^HTTP\/1\.1 500 Internal Server Error\r\n[^]*\r\nInternal Server Error\n$/);
      assert.equal(errors.length, i + 1);
    }
  });
});

test("U2 serveHttp() resets the connection where it cannot even answer 500, and tells onError of both", async () => {
  const errors: unknown[] = [];
  const handler: HttpHandler = (_request, facts) => {
    const { outgoing } = facts as unknown as { outgoing: ServerResponse };
    outgoing.writeHead = () => {
      throw new Error("cannot be answered");
    };
    throw new Error("failed");
  };
  const text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  assert.equal(await say(handler, text, { onError: (error) => errors.push(error) }), "");
  assert.deepEqual(errors.map(String), ["Error: cannot be answered", "Error: failed"]);
});

test("U2 serveHttp() sends no length with which the client would take the next answer for a body", async () => {
  const errors: unknown[] = [];
  const status = async (method: string, length: string, code = 200): Promise<string> => {
    const handler: HttpHandler = () => new Response(null, { status: code, headers: { "content-length": length } });
    const text = `${method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    const answer = await say(handler, text, { onError: (error) => errors.push(error) });
    return `${answer.slice(9, 12)} ${/content-length: (.*)/i.exec(answer)?.[1]}`;
  };
  assert.deepEqual(
    [await status("GET", "5"), await status("GET", "abc"), await status("HEAD", "abc"), await status("GET", "5", 205)],
    ["500 22", "500 22", "500 22", "500 22"],
  );
  assert.equal(errors.length, 4);
  assert.deepEqual([await status("HEAD", "5"), await status("GET", "0")], ["200 5", "200 0"]);
  assert.equal(await status("GET", "5", 204), "204 undefined");
  assert.equal((await status("GET", "5", 304)).slice(0, 3), "304");
  assert.equal(errors.length, 4);
});

test("serveHttp() answers 500 with a body that somebody else reads, also to HEAD", async () => {
  const errors: unknown[] = [];
  for (const method of ["GET", "HEAD"]) {
    const handler: HttpHandler = () => {
      const response = new Response("locked");
      response.body!.getReader();
      return response;
    };
    assert.equal((await ask(handler, { method }, { onError: (error) => errors.push(error) })).status, 500, method);
  }
  assert.equal(errors.length, 2);
});

test("serveHttp() ends with what onError throws", async () => {
  const failing = serveHttp(
    () => {
      throw new Error("first");
    },
    {
      port: 0,
      started: ({ url }) => void fetch(url).catch(() => {}),
      onError: () => {
        throw new Error("second");
      },
    },
  );
  await assert.rejects(failing, /second/);
});

test("U2 serveHttp() resets the connection when a body breaks off, so that it is not taken for whole", async () => {
  const bodies: [string, () => Response][] = [
    [
      "fails",
      () =>
        streamed(
          (async function* () {
            yield bytes("part");
            await sleep(5);
            throw new Error("broke off");
          })(),
        ),
    ],
    [
      "no bytes",
      () =>
        streamed(
          (async function* () {
            yield bytes("part");
            await sleep(5);
            yield 5;
          })(),
        ),
    ],
    ["too short", () => streamed(pieces("part"), { headers: { "content-length": "9" } })],
    ["too long", () => streamed(pieces("part", "more"), { headers: { "content-length": "5" } })],
  ];
  for (const [how, make] of bodies) {
    const errors: unknown[] = [];
    await assert.rejects(ask(make, {}, { onError: (error) => errors.push(error) }), TypeError, how);
    assert.equal(errors.length, 1, how);
  }
});

test("U1 serveHttp() cancels a request whose time is over, and answers with 504", async () => {
  let why: unknown;
  const handler: HttpHandler = async () => {
    try {
      return await sleepForever();
    } catch (error) {
      why = (error as CancelledError).why;
      throw error;
    } finally {
      await sleep(5);
    }
  };
  assert.equal((await ask(handler, {}, { requestTimeout: 20 })).status, 504);
  assert.equal(why, "deadline");
  const wanted = { deadlineHeader: "X-Request-Timeout", requestTimeout: 60_000 };
  assert.equal((await ask(handler, { headers: { "x-request-timeout": "20m" } }, wanted)).status, 504);
  const left: HttpHandler = () => new Response(String(currentScope().deadline < Infinity));
  assert.equal((await ask(left, { headers: { "x-request-timeout": "nonsense" } }, wanted)).text, "true");
  assert.equal((await ask(left)).text, "false");
});

test("serveHttp() gives the value of a handler that goes on after its time, and its failure to onError", async () => {
  const late: HttpHandler = async () => {
    await sleep(1000).catch(() => {});
    return new Response("all the same");
  };
  assert.equal((await ask(late, {}, { requestTimeout: 10 })).text, "all the same");
  const errors: unknown[] = [];
  const failing: HttpHandler = async () => {
    await sleep(1000).catch(() => {
      throw new Error("cleanup");
    });
    return new Response("");
  };
  const options = { requestTimeout: 10, onError: (error: unknown) => errors.push(error) };
  assert.equal((await ask(failing, {}, options)).status, 500);
  assert.equal(errors.length, 1);
});

test("serveHttp() answers in place of a handler that is deaf to its cancellation when grace is over", async () => {
  const hanging = Promise.withResolvers<Response>();
  await withCancelScope(
    () =>
      withTaskGroup(async (group) => {
        const { url } = await served(group, () => hanging.promise, { requestTimeout: 20 });
        assert.equal((await fetch(url)).status, 504);
        hanging.resolve(new Response("too late"));
      }),
    { grace: 50 },
  );
});

test("U3 serveHttp() refuses what is more than maxRequests at once, with Retry-After", async () => {
  await withTaskGroup(async (group) => {
    const gate = Promise.withResolvers<void>();
    const handler: HttpHandler = async () => {
      await gate.promise;
      return new Response("ok");
    };
    const options = { maxRequests: 2, busyStatus: 429, retryAfter: 7 } as const;
    const listener = await served(group, handler, options);
    const first = [fetch(listener.url), fetch(listener.url)];
    await until(() => listener.statistics().requests === 2);
    const third = await fetch(listener.url);
    assert.deepEqual([third.status, third.headers.get("retry-after")], [429, "7"]);
    assert.equal(listener.statistics().refused, 1);
    gate.resolve();
    for (const response of await Promise.all(first)) assert.equal(await response.text(), "ok");
    assert.equal((await fetch(listener.url)).status, 200);
  });
});

test(
  "serveHttp() closes connections that are more than maxConnections",
  skipOn({ bun: "it takes them all" }),
  async () => {
    await withTaskGroup(async (group) => {
      const listener = await served(group, () => new Response("ok"), { maxConnections: 1 });
      const first = await RawClient.open(listener);
      const second = await RawClient.open(listener);
      await second.whole();
      first.get("/", "Connection: close\r\n");
      assert.match(await first.whole(), /200 OK/);
    });
  },
);

test("serveHttp() runs the requests of one connection in the context in which it was called", async () => {
  const place = new TaskLocal<string | undefined>({ name: "place" });
  await place.run("here", () =>
    withTaskGroup(async (group) => {
      const client = await RawClient.open(await served(group, () => new Response(place.get())));
      client.get("/");
      await client.has("here");
      client.received = "";
      client.get("/");
      await client.has("here");
      client.leave();
    }),
  );
});

test("serveHttp() answers pipelined requests in their order", async () => {
  await withTaskGroup(async (group) => {
    const handler: HttpHandler = async (request) => {
      const { pathname } = new URL(request.url);
      if (pathname === "/slow") await sleep(20);
      return new Response(`<${pathname}>`);
    };
    const client = await RawClient.open(await served(group, handler));
    client.get("/slow");
    client.get("/fast");
    await client.has("</fast>");
    assert.ok(client.received.indexOf("</slow>") < client.received.indexOf("</fast>"));
    client.leave();
  });
});

test("serveHttp() refuses an upgrade to WebSocket unless there is somebody for it, and passes over others", async () => {
  const upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade:";
  assert.match(await say(() => new Response("ok"), `${upgrade} websocket\r\n\r\n`), /^HTTP\/1\.1 400 /);
  assert.match(await say(() => new Response("ok"), `${upgrade} h2c\r\n\r\n`), /^HTTP\/1\.1 200 /);
  let why: unknown;
  let name: string | undefined;
  await withTaskGroup(async (group) => {
    const listener = await served(group, () => new Response("no"), {
      upgrade: async (_request, socket) => {
        name = currentTask()?.name;
        socket.resume().once("end", () => socket.destroy()); // as a protocol does
        socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
        await sleepForever().catch((error: unknown) => {
          why = error;
          throw error;
        });
      },
    });
    const client = await RawClient.open(listener);
    client.say(`${upgrade} websocket\r\n\r\n`);
    await client.has("101");
    client.leave();
    await until(() => why !== undefined);
  });
  assert.match(name!, /^upgrade GET \/ from 127\.0\.0\.1:\d+$/);
  assert.match(String(why), /the client has left/);
});

const badUpgrade = "GET / HTTP/1.1\r\nHost: a b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const goodUpgrade = badUpgrade.replace("a b", "a");

test("U3 serveHttp() bears clients that reset a connection they wanted upgraded, refused or not", async () => {
  await withTaskGroup(async (group) => {
    let begun = 0;
    const listener = await served(group, () => new Response("ok"), {
      upgrade: async () => {
        begun++;
        await sleepForever();
      },
    });
    for (const text of [badUpgrade, goodUpgrade]) {
      const client = await RawClient.open(listener);
      client.say(text + "y".repeat(100_000));
      if (text === goodUpgrade) await until(() => begun === 1);
      client.socket.resetAndDestroy();
      await until(() => listener.statistics().connections === 0);
    }
    assert.equal(await (await fetch(listener.url)).text(), "ok");
  });
});

test("serveHttp() keeps no connection whose upgrade it has refused", async () => {
  await withTaskGroup(async (group) => {
    const listener = await served(group, () => new Response("ok"), { upgrade: () => {} });
    const refused = connect({ port: listener.port, host: "127.0.0.1", allowHalfOpen: true });
    refused.on("error", () => {}).resume();
    refused.write(badUpgrade);
    await once(refused, "end");
    await until(() => listener.statistics().connections === 0);
    refused.destroy();
  });
});

test("serveHttp() keeps no upgraded connection whose handler has ended, though the client takes nothing", async () => {
  await withTaskGroup(async (group) => {
    const listener = await served(group, () => new Response("ok"), {
      sendTimeout: 50,
      upgrade: (_request, socket) => void socket.write(Buffer.alloc(20_000_000)),
    });
    const deaf = await RawClient.open(listener);
    deaf.socket.pause();
    deaf.say(goodUpgrade);
    await until(() => listener.statistics().connections === 1);
    await until(() => listener.statistics().connections === 0);
    deaf.leave();
  });
});

test("serveHttp() serves HTTPS", needs(program("openssl", "openssl")), async () => {
  const { cert, key } = makeCertificate();
  await withTaskGroup(async (group) => {
    const handler: HttpHandler = (request, { isSecure }) => new Response(`${request.url.slice(0, 8)} ${isSecure}`);
    const { port, url } = await served(group, handler, { tls: { cert, key } });
    assert.match(url, /^https:/);
    const socket = connectTls({ port, host: "127.0.0.1", ca: cert, servername: "localhost" });
    await once(socket, "secureConnect");
    let text = "";
    socket.setEncoding("latin1").on("data", (piece: string) => (text += piece));
    socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await once(socket, "close");
    assert.match(text, /https:\/\/ true$/);
  });
});

test("serveHttp() takes an option that is undefined for one that was not given", async () => {
  const names = [
    "host",
    "backlog",
    "tls",
    "onError",
    "upgrade",
    "maxConnections",
    "maxRequests",
    "busyStatus",
    "maxBody",
  ];
  const times = ["headersTimeout", "requestTimeout", "sendTimeout", "idleTimeout", "deadlineHeader", "retryAfter"];
  const options = Object.fromEntries([...names, ...times].map((name) => [name, undefined]));
  assert.equal((await ask(() => new Response("ok"), {}, options)).text, "ok");
  const printed: unknown[][] = [];
  const { error: print } = console;
  console.error = (...args: unknown[]) => void printed.push(args);
  try {
    assert.equal((await ask(() => Promise.reject(new Error("fails")), {}, options)).status, 500);
  } finally {
    console.error = print;
  }
  assert.equal(printed.length, 1);
});

test("serveHttp() says what is wrong with its arguments, and where it cannot listen", async () => {
  const handler: HttpHandler = () => new Response("");
  await assert.rejects(serveHttp(5 as never, { port: 0 }), TypeError);
  await assert.rejects(serveHttp(handler, undefined as never), TypeError);
  await assert.rejects(serveHttp(handler, { port: -1 }), RangeError);
  await assert.rejects(serveHttp(handler, { port: 0, host: 5 as never }), TypeError);
  await assert.rejects(serveHttp(handler, { port: 0, maxRequests: 0 }), RangeError);
  await assert.rejects(serveHttp(handler, { port: 0, maxBody: -1 }), RangeError);
  await assert.rejects(serveHttp(handler, { port: 0, retryAfter: 1.5 }), RangeError);
  await assert.rejects(serveHttp(handler, { port: 0, busyStatus: 500 as never }), RangeError);
  await assert.rejects(serveHttp(handler, { port: 0, requestTimeout: Number.NaN }), RangeError);
  await assert.rejects(serveHttp(handler, { port: 0, upgrade: 5 as never }), TypeError);
  await assert.rejects(serveHttp(handler, { port: 0, deadlineHeader: 5 as never }), TypeError);
  await withTaskGroup(async (group) => {
    const { port } = await served(group, handler);
    await assert.rejects(serveHttp(handler, { port }), InvalidStateError);
  });
});

test("reply() says what is wrong with its arguments", () => {
  assert.throws(() => reply(5 as never), TypeError);
  assert.throws(() => reply("", { status: 204 }), RangeError);
  assert.throws(() => reply("", { statusText: "a\r\nb" }), TypeError);
  assert.throws(() => replyJson(1, { statusText: 5 as never }), TypeError);
  assert.throws(() => replyJson(undefined), TypeError);
});
