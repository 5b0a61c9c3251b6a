/** fetch, requests, sockets and WebSockets of tasktree/ambient, on real connections. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, type IncomingMessage } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { describe, test } from "node:test";
import { collectGarbage } from "../../test/collect-garbage.ts";
import { rejection } from "../../test/rejection.ts";
import { WebServer } from "../../test/web-server.ts";
import { failAfter, isCancelled, moveOnAfter, sleep, TimeoutError, withCancelScope } from "../index.ts";
import { fetch, http, net, tls, WebSocket } from "./index.ts";

type Request = (url: string) => Promise<string>;

function textOf(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => (text += chunk));
    response.on("end", () => resolve(text));
    response.on("error", reject);
  });
}

function requesting(agent?: Agent): Request {
  return (url) =>
    new Promise((resolve, reject) => {
      const request = http.request(url, { agent }, (response) => void textOf(response).then(resolve, reject));
      request.on("error", reject);
      request.end();
    });
}

const ways: Record<string, Request> = {
  fetch: async (url) => (await fetch(url)).text(),
  "fetch with the caller's signal": async (url) =>
    (await fetch(new Request(url), { signal: new AbortController().signal })).text(),
  "fetch of a Request": async (url) => (await fetch(new Request(url, { signal: new AbortController().signal }))).text(),
  "http.request": requesting(new Agent({ keepAlive: true })),
  "http.get": (url) =>
    new Promise((resolve, reject) => {
      http.get(url, (response) => void textOf(response).then(resolve, reject)).on("error", reject);
    }),
};

for (const [name, ask] of Object.entries(ways)) {
  describe(name, () => {
    test(`C6a ${name} without an answer is cut by a deadline, and its connection closed`, async () => {
      await using server = await WebServer.start();
      const error = await rejection(failAfter(100, () => ask(`${server.url}/never`)));
      assert.ok(error instanceof TimeoutError);
      assert.equal(server.opened, 1);
      await server.allClosed();
    });

    test(`C6a ${name} is cut while the answer is read, and its connection closed`, async () => {
      await using server = await WebServer.start();
      let caught: unknown;
      const value = await moveOnAfter(100, () =>
        ask(`${server.url}/half`).catch((error: unknown) => Promise.reject((caught = error) as Error)),
      );
      assert.equal(value, undefined);
      assert.equal((caught as Error).name, "AbortError");
      await server.allClosed();
    });

    test(`C3a ${name} is refused in a cancelled scope, and works in its cleanup`, async () => {
      await using server = await WebServer.start();
      let refused: unknown;
      let cleanup: unknown;
      await withCancelScope(async (scope) => {
        scope.cancel();
        refused = await rejection(ask(`${server.url}/answer`));
        cleanup = await ask(`${server.url}/answer`);
      });
      assert.equal((refused as Error).name, "AbortError");
      assert.equal(cleanup, "answer");
    });

    test(`C2c ${name} that was cut has told its scope: a request in a finally is answered`, async () => {
      await using server = await WebServer.start();
      let cleanup: unknown;
      await moveOnAfter(100, async () => {
        try {
          await ask(`${server.url}/never`);
        } finally {
          cleanup = await ask(`${server.url}/answer`);
        }
      });
      assert.equal(cleanup, "answer");
    });

    test(`${name} that has been answered is an answer, though the scope is cancelled then`, async () => {
      await using server = await WebServer.start();
      const value = await withCancelScope(async (scope) => {
        const text = await ask(`${server.url}/answer`);
        scope.cancel();
        return text;
      });
      assert.equal(value, "answer");
    });
  });
}

test("an answer of fetch is cut while it is read, also when garbage was collected meanwhile", async () => {
  await using server = await WebServer.start();
  const value = await withCancelScope(async (scope) => {
    const response = await fetch(`${server.url}/half`, { signal: new AbortController().signal });
    for (let n = 0; n < 5; n++) {
      collectGarbage();
      await pause(5);
    }
    setTimeout(() => scope.cancel(), 10);
    return await response.text();
  });
  assert.equal(value, undefined);
  await server.allClosed();
});

test("C6a who reads an answer that is cut hears of the cancellation, not of a lost connection", async () => {
  await using server = await WebServer.start();
  let caught: unknown;
  const value = await moveOnAfter(100, async () => {
    const request = http.get(`${server.url}/half`).on("error", () => {});
    const [response] = (await once(request, "response")) as [IncomingMessage];
    await textOf(response).catch((error: unknown) => Promise.reject((caught = error) as Error));
  });
  assert.equal(value, undefined);
  assert.equal((caught as Error).name, "AbortError");
});

describe("an agent's connections", () => {
  test("outlive the scope in which they were made, if nobody uses them", async () => {
    await using server = await WebServer.start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = requesting(agent);
    await withCancelScope(async (scope) => {
      assert.equal(await ask(`${server.url}/answer`), "answer");
      scope.cancel();
      await sleep(10).catch(() => {});
    });
    assert.equal(server.open.size, 1);
    assert.equal(await ask(`${server.url}/answer`), "answer");
    assert.equal(server.opened, 1);
    agent.destroy();
  });

  test("go to the next request, when one that waits for them is cut", async () => {
    await using server = await WebServer.start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = requesting(agent);
    const first = ask(`${server.url}/late`);
    assert.equal(await moveOnAfter(50, () => ask(`${server.url}/answer`)), undefined);
    const second = ask(`${server.url}/answer`);
    server.answerLate();
    assert.deepEqual(await Promise.all([first, second]), ["late", "answer"]);
    assert.equal(server.opened, 1);
    agent.destroy();
  });
});

test("an answer that nobody listens for is thrown away, as ever", async () => {
  await using server = await WebServer.start();
  const agent = new Agent({ keepAlive: true });
  await withCancelScope(async () => {
    const request = http.get(`${server.url}/answer`, { agent });
    await once(request, "close");
  });
  assert.equal(server.opened, 1);
  agent.destroy();
});

test("a request that is cut while nobody listens for errors of its answer harms nobody else", async () => {
  await using server = await WebServer.start();
  await moveOnAfter(50, async () => {
    const request = http.get(`${server.url}/half`, (response) => response.resume());
    request.on("error", () => {});
    await sleep(1000);
  });
  await server.allClosed();
});

describe("sockets", () => {
  const connect = {
    "net.connect": (port: number) => net.connect(port, "127.0.0.1"),
    "net.createConnection": (port: number) => net.createConnection({ port, host: "127.0.0.1" }),
    // its handshake is never answered
    "tls.connect": (port: number) => tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false }),
  };

  for (const [name, open] of Object.entries(connect)) {
    test(`${name} gives a socket that a cancellation destroys, with its error`, async () => {
      await using server = await WebServer.start({ silent: true });
      let caught: unknown;
      const value = await moveOnAfter(100, async () => {
        const socket = open(server.port);
        await once(socket, "end").catch((error: unknown) => Promise.reject((caught = error) as Error));
      });
      assert.equal(value, undefined);
      assert.equal((caught as Error).name, "AbortError");
      await server.allClosed();
    });

    test(`${name} outside of scopes gives a socket that lasts`, async () => {
      await using server = await WebServer.start();
      const socket = open(server.port);
      await once(socket, "connect");
      await withCancelScope((scope) => scope.cancel());
      assert.equal(socket.destroyed, false);
      socket.destroy();
    });
  }

  test("a WebSocket is closed by a cancellation, and the server sees it", async () => {
    await using server = await WebServer.start();
    let socket: WebSocket | undefined;
    await moveOnAfter(200, async () => {
      socket = new WebSocket(`ws://127.0.0.1:${server.port}/`);
      await once(socket, "open");
      assert.ok(socket instanceof globalThis.WebSocket);
      await sleep(60_000);
    });
    assert.ok(socket!.readyState >= WebSocket.CLOSING);
    await server.allClosed();
  });

  test("a WebSocket outside of scopes lasts", async () => {
    await using server = await WebServer.start();
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/`);
    await once(socket, "open");
    const closed = once(socket, "close");
    await withCancelScope((scope) => scope.cancel());
    assert.equal(socket.readyState, WebSocket.OPEN);
    socket.close();
    await closed;
  });
});

test("a request's error is told apart from a cancellation", async () => {
  await using server = await WebServer.start();
  const { url } = server;
  await server[Symbol.asyncDispose]();
  const error = await rejection(withCancelScope(() => requesting()(`${url}/answer`)));
  assert.equal(isCancelled(error), false);
  assert.equal((error as NodeJS.ErrnoException).code, "ECONNREFUSED");
});
