/** What goes over a connection, on servers of ours, with clients through ws and clients that speak frame by frame. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { WebSocket } from "ws";
import { makeCertificate } from "../../../test/certificate.ts";
import { RawClient, served, until } from "../../../test/http-clients.ts";
import { closeCodeIn, frame, handshake, opcodes, openRaw, servedSockets, WsClient } from "../../../test/web-sockets.ts";
import { Channel, currentTask, select, sleep, withCancelScope, withTaskGroup, Latch } from "../../index.ts";
import { reply } from "../index.ts";
import { serveNode, type HttpListener } from "../node.ts";
import { serveWebSocket, webSocketUpgrade, type WebSocketHandler, type WebSocketServerOptions } from "./index.ts";

const echo: WebSocketHandler = async (socket) => {
  for await (const message of socket) await socket.send(message);
};

test("I1 WebSocketConnection carries messages both ways, text as strings and bytes as arrays, in order", async () => {
  await withTaskGroup(async (group) => {
    const listener = await servedSockets(group, echo);
    const client = await WsClient.open(listener);
    const sent = ["", "text, ü and 😀", new Uint8Array([0, 1, 255]), new Uint8Array(0), "x".repeat(100_000)];
    for (const message of sent) client.socket.send(message);
    await until(() => client.messages.length === sent.length);
    assert.deepEqual(client.messages, sent);
    client.socket.close(1000);
    await until(() => client.code !== undefined);
    assert.equal(client.code, 1000);
    await until(() => listener.statistics().connections === 0);
  });
});

test("webSocketUpgrade() names a connection's task after path and client, without the query, and gives the handler the request", async () => {
  await withTaskGroup(async (group) => {
    let seen: unknown[] = [];
    const listener = await servedSockets(group, (socket, request) => {
      seen = [currentTask()!.name, socket.peer, request.url];
    });
    const client = await WsClient.open(listener, "/room?token=secret");
    await until(() => client.code !== undefined);
    const [name, peer, url] = seen as string[];
    assert.match(peer!, /^127\.0\.0\.1:\d+$/);
    assert.equal(name, `upgrade GET /room from ${peer}`);
    assert.equal(url, "/room?token=secret");
    assert.equal(client.code, 1000);
  });
});

test("WebSocketConnection gives bytes that don't keep alive what came with them", async () => {
  await withTaskGroup(async (group) => {
    let kept = 0;
    const listener = await servedSockets(group, async (socket) => {
      await socket.receive();
      kept = ((await socket.receive()) as Uint8Array).buffer.byteLength;
    });
    const client = await openRaw(listener);
    client.socket.write(Buffer.concat([frame(opcodes.text, "x".repeat(30_000)), frame(opcodes.bytes, "small")]));
    await until(() => kept > 0);
    assert.equal(kept, 5);
    client.leave();
  });
});

test("I1 WebSocketConnection gives each of several receivers its message, is a case of select(), and puts fragments together", async () => {
  await withTaskGroup(async (group) => {
    const got: unknown[] = [];
    const quiet = new Channel<string>(0);
    const listener = await servedSockets(group, async (socket) => {
      await withTaskGroup(async (inner) => {
        for (let n = 0; n < 3; n++) inner.spawn(async () => got.push(await socket.receive()));
      });
      assert.equal(socket.tryReceive(), undefined);
      await socket.send("next");
      const { key, value } = await select({ message: socket, item: quiet });
      got.push(key, value);
    });
    const client = await openRaw(listener);
    client.socket.write(Buffer.concat(["a", "b", "c"].map((text) => frame(opcodes.text, text))));
    await client.has("next");
    client.socket.write(frame(opcodes.text, "one ", false));
    client.socket.write(frame(opcodes.ping, "are you there"));
    client.socket.write(frame(opcodes.more, "message"));
    await client.has("are you there");
    await until(() => got.length === 5);
    assert.deepEqual(got, ["a", "b", "c", "message", "one message"]);
    client.leave();
  });
});

function errorOf(call: () => unknown): Error {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error("It was taken");
}

async function refusal(headers: string, options: WebSocketServerOptions = {}, path = "/"): Promise<string> {
  let answer = "";
  await withTaskGroup(async (group) => {
    const listener = await servedSockets(group, () => sleep(1), options);
    const client = await RawClient.open(listener);
    client.say(`GET ${path} HTTP/1.1\r\n${headers}\r\n`);
    await client.has("\r\n\r\n");
    answer = client.received;
    client.leave();
  });
  return answer;
}

const host = "Host: example.com\r\n";

test("webSocketUpgrade() refuses another path with 404, another version with 426, and a bad key with 400", async () => {
  assert.match(await refusal(host + handshake, { path: "/chat" }, "/other"), /^HTTP\/1\.1 404 Not Found\r\n/);
  assert.match(await refusal(host + handshake, { path: "/chat" }, "/chat?room=1"), /^HTTP\/1\.1 101 /);
  for (const version of ["99", "8"]) {
    const other = await refusal(host + handshake.replace("Version: 13", `Version: ${version}`));
    assert.match(
      other,
      /^HTTP\/1\.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n/,
      version,
    );
  }
  assert.match(await refusal(host + handshake.replace(/Key: .*\r\n/, "Key: short\r\n")), /^HTTP\/1\.1 400 /);
  assert.match(await refusal(`Host: a b\r\n${handshake}`), /^HTTP\/1\.1 400 /);
});

test("webSocketUpgrade() lets pages of its own site in, and others only if they are named", async () => {
  const from = (origin: string): string => `${host}Origin: ${origin}\r\n${handshake}`;
  const status = async (origin: string, origins?: WebSocketServerOptions["origins"]): Promise<string> =>
    (await refusal(from(origin), origins === undefined ? {} : { origins })).slice(9, 12);
  assert.equal(await status("http://example.com"), "101");
  assert.equal(await status("https://example.com"), "101");
  assert.equal(await status("https://EXAMPLE.com:443"), "101");
  assert.equal(await status("https://example.com:8443"), "403");
  assert.equal(await status("https://example.com.evil.org"), "403");
  assert.equal(await status("https://evil.org"), "403");
  assert.equal(await status("null"), "403");
  for (const origin of [
    "file://",
    "file://x",
    "file://example.com",
    "data:x",
    "chrome-extension://example.com",
    "http://",
  ])
    assert.equal(await status(origin), "403", origin);
  const withPort = `Host: example.com:8080\r\nOrigin: file://x\r\n${handshake}`;
  assert.equal((await refusal(withPort)).slice(9, 12), "403");
  for (const origin of ["null", "chrome-extension://x"]) assert.equal(await status(origin, [origin]), "101", origin);
  assert.equal(await status("https://evil.org", "any"), "101");
  assert.equal(await status("https://app.org", ["https://app.org"]), "101");
  assert.equal(await status("https://example.com", ["https://app.org"]), "403");
  assert.equal((await refusal(host + handshake, { origins: ["https://app.org"] })).slice(9, 12), "101");
});

test("webSocketUpgrade() asks check(), waits for its answer, and refuses with the status it gives", async () => {
  const check = async ({ url }: { readonly url?: string | undefined }): Promise<number | undefined> => {
    await sleep(2);
    return url === "/in" ? undefined : 401;
  };
  assert.match(await refusal(host + handshake, { check }, "/out"), /^HTTP\/1\.1 401 Unauthorized\r\n/);
  assert.match(await refusal(host + handshake, { check }, "/in"), /^HTTP\/1\.1 101 /);
});

test("webSocketUpgrade() answers 500 when check() fails, tells onError, and goes on", async () => {
  const errors: unknown[] = [];
  const check = ({ url }: { readonly url?: string | undefined }): undefined => {
    if (url === "/bad") throw new Error("no database");
  };
  const options = { check, onError: (error: unknown) => errors.push(error) };
  assert.match(await refusal(host + handshake, options, "/bad"), /^HTTP\/1\.1 500 [^]*\r\n\r\n/);
  assert.match(await refusal(host + handshake, options, "/good"), /^HTTP\/1\.1 101 /);
  assert.deepEqual(errors.map(String), ["Error: no database"]);
});

test("webSocketUpgrade() without onError answers 500 when check() fails, and tells onError of serveHttp", async () => {
  await withTaskGroup(async (group) => {
    const errors: unknown[] = [];
    const check = (): never => {
      throw new Error("no database");
    };
    const listener = await servedSockets(group, echo, { check }, { onError: (error) => errors.push(error) });
    const client = await RawClient.open(listener);
    client.get("/", handshake);
    assert.match(await client.whole(), /^HTTP\/1\.1 500 /);
    assert.deepEqual(errors.map(String), ["Error: no database"]);
  });
});

test("webSocketUpgrade() answers 500 when check() gives what is no status, and tells onError", async () => {
  const wrong: unknown[] = [null, true, 200, 101, 399, 600, 404.5, "403", "403\r\nX-Evil: 1"];
  for (const status of wrong) {
    const errors: unknown[] = [];
    const options = { check: () => status as number, onError: (error: unknown) => errors.push(error) };
    assert.match(await refusal(host + handshake, options), /^HTTP\/1\.1 500 Internal Server Error\r\nConnection/);
    assert.match(
      String(errors),
      /^TypeError: Cannot refuse '127\.0\.0\.1:\d+' with .*: wanted a status from 400 to 599$/,
    );
  }
});

test("webSocketUpgrade() answers 503 when check() takes longer than checkTimeout, cancels it, and tells onError", async () => {
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  let cut = 0;
  const check = async (): Promise<undefined> => {
    try {
      await sleep(60_000);
    } finally {
      cut++;
    }
  };
  assert.match(await refusal(host + handshake, { check, checkTimeout: 20, onError }), /^HTTP\/1\.1 503 /);
  await until(() => errors.length === 1);
  assert.match(String(errors), /^TimeoutError: Cannot let '[^']*' in: check took longer than 20 ms$/);
  assert.equal(cut, 1);
  // one that does not let itself be cancelled
  const deaf = (): Promise<undefined> => new Promise((resolve) => setTimeout(() => resolve(undefined), 200));
  assert.match(await refusal(host + handshake, { check: deaf, checkTimeout: 20, onError }), /^HTTP\/1\.1 503 /);
  await until(() => errors.length === 2);
});

test("webSocketUpgrade() refuses with 503 whom check() lets in when the server has begun to drain", async () => {
  let called = false;
  let client: RawClient | undefined;
  await withCancelScope(async (scope) => {
    await withTaskGroup(async (group) => {
      let asked = false;
      const go = new Latch();
      const check = async (): Promise<undefined> => {
        asked = true;
        await go.wait();
      };
      const listener = await servedSockets(group, () => void (called = true), { check }, {}, false);
      client = await RawClient.open(listener);
      client.get("/", handshake);
      await until(() => asked);
      scope.drain(5000);
      await sleep(1);
      go.open();
    });
  });
  assert.match(await client!.whole(), /^HTTP\/1\.1 503 /);
  assert.equal(called, false);
});

test("webSocketUpgrade() tells in numbers how many are connected, checked and were refused", async () => {
  await withTaskGroup(async (group) => {
    const go = new Latch();
    const check = async ({ url }: { readonly url?: string | undefined }): Promise<number | undefined> => {
      if (url === "/wait") await go.wait();
      return url === "/no" ? 403 : undefined;
    };
    const upgrade = webSocketUpgrade(echo, { check });
    const listener = await served(group, () => reply("http"), { upgrade });
    const client = await WsClient.open(listener, "/yes");
    const refusals = ["/no", "/no"].map(async (path) => {
      const raw = await RawClient.open(listener);
      raw.get(path, handshake);
      await raw.whole();
    });
    await Promise.all(refusals);
    const waiting = WsClient.open(listener, "/wait");
    await until(() => upgrade.statistics().checking === 1);
    assert.deepEqual(upgrade.statistics(), { connections: 1, checking: 1, refused: 2 });
    go.open();
    for (const one of [client, await waiting]) one.socket.close();
    await until(() => upgrade.statistics().connections === 0);
    assert.deepEqual(upgrade.statistics(), { connections: 0, checking: 0, refused: 2 });
  });
});

test("webSocketUpgrade() refuses HTTP/1.0 with 400", async () => {
  await withTaskGroup(async (group) => {
    const listener = await servedSockets(group, echo);
    const client = await RawClient.open(listener);
    client.say(`GET / HTTP/1.0\r\n${host}${handshake}\r\n`);
    assert.match(await client.whole(), /^HTTP\/1\.1 400 /);
  });
});

test("webSocketUpgrade() survives clients that leave while check() thinks", async () => {
  await withTaskGroup(async (group) => {
    let asked = 0;
    let thought = 0;
    const check = async (): Promise<undefined> => {
      asked++;
      try {
        await sleep(60_000);
      } finally {
        thought++;
      }
    };
    const listener = await servedSockets(group, echo, { check });
    for (let n = 0; n < 10; n++) {
      const client = await RawClient.open(listener);
      client.get("/", handshake);
      await until(() => asked === n + 1);
      if (n % 2 === 0) client.leave();
      else client.socket.resetAndDestroy();
    }
    await until(() => thought === 10);
  });
});

test("webSocketUpgrade() serves maxConnections at a time, and refuses more with 503", async () => {
  await withTaskGroup(async (group) => {
    const listener = await servedSockets(group, echo, { maxConnections: 2 });
    const clients = [await WsClient.open(listener), await WsClient.open(listener)];
    const more = await RawClient.open(listener);
    more.get("/", handshake);
    assert.match(await more.whole(), /^HTTP\/1\.1 503 /);
    clients[0]!.socket.close();
    await until(() => listener.statistics().connections === 1);
    await WsClient.open(listener);
  });
});

test("webSocketUpgrade() serves maxConnections also where many are checked at once", async () => {
  await withTaskGroup(async (group) => {
    let asked = 0;
    const go = new Latch();
    const check = async (): Promise<undefined> => {
      asked++;
      await go.wait();
    };
    const listener = await servedSockets(group, echo, { maxConnections: 3, check });
    const clients = await Promise.all(Array.from({ length: 10 }, () => RawClient.open(listener)));
    for (const client of clients) client.get("/", handshake);
    await until(() => clients.filter(({ received }) => received.startsWith("HTTP/1.1 503 ")).length === 7);
    assert.equal(asked, 3);
    go.open();
    for (const client of clients) await client.has("\r\n\r\n");
    assert.equal(clients.filter(({ received }) => received.startsWith("HTTP/1.1 101 ")).length, 3);
    for (const client of clients) client.leave();
  });
});

test("webSocketUpgrade() agrees on the best subprotocol that both sides speak, and on none if there is none", async () => {
  await withTaskGroup(async (group) => {
    const told: string[] = [];
    const listener = await servedSockets(group, (socket) => void told.push(socket.protocol), {
      protocols: ["v2", "v1"],
    });
    const client = await WsClient.open(listener, "/", ["v1", "v2", "v3"]);
    assert.equal(client.socket.protocol, "v2");
    await WsClient.open(listener);
    const raw = await RawClient.open(listener);
    raw.get("/", `${handshake}Sec-WebSocket-Protocol: v9\r\n`);
    await raw.has("\r\n\r\n");
    assert.doesNotMatch(raw.received, /Sec-WebSocket-Protocol/i);
    raw.leave();
    await until(() => told.length === 3);
    assert.deepEqual(told, ["v2", "", ""]);
  });
});

test("I2 webSocketUpgrade() closes with 1000 when a handler returns, with 1011 when it fails, and goes on", async () => {
  await withTaskGroup(async (group) => {
    const errors: unknown[] = [];
    const handler: WebSocketHandler = async (socket) => {
      if ((await socket.receive()) === "fail") throw new Error("told to fail");
    };
    const listener = await servedSockets(group, handler, { onError: (error) => errors.push(error) });
    for (const [text, code] of [
      ["fail", 1011],
      ["return", 1000],
    ] as const) {
      const client = await WsClient.open(listener);
      client.socket.send(text);
      await until(() => client.code !== undefined);
      assert.equal(client.code, code);
      assert.equal(client.reason, ""); // what has failed is nobody else's to know
    }
    assert.deepEqual(errors.map(String), ["Error: told to fail"]);
  });
});

test("webSocketUpgrade() without onError gives the error of a handler to that of serveHttp", async () => {
  await withTaskGroup(async (group) => {
    const errors: unknown[] = [];
    const handler: WebSocketHandler = () => {
      throw new Error("at once");
    };
    const listener = await servedSockets(group, handler, {}, { onError: (error) => errors.push(error) });
    const client = await WsClient.open(listener);
    await until(() => client.code !== undefined);
    assert.equal(client.code, 1011);
    await until(() => errors.length === 1);
  });
});

test("WebSocketConnection closes with a code and a reason, and cannot be used afterwards", async () => {
  await withTaskGroup(async (group) => {
    const errors: unknown[] = [];
    const listener = await servedSockets(group, async (socket) => {
      const receiving = socket.receive().catch((error: unknown) => errors.push(error));
      await socket.close(4001, "goodbye");
      await receiving;
      for (const call of [() => socket.send("x"), () => socket.receive()]) {
        await call().catch((error: unknown) => errors.push(error));
      }
      await socket.close();
      await assert.rejects(socket.close(1001), RangeError);
      await assert.rejects(socket.close(1000, "x".repeat(124)), RangeError);
    });
    const client = await WsClient.open(listener);
    await until(() => client.code !== undefined);
    assert.deepEqual([client.code, client.reason], [4001, "goodbye"]);
    await until(() => errors.length === 3);
    assert.ok(errors.every((error) => (error as { name: string }).name === "ClosedError"));
  });
});

test("WebSocketConnection that closes waits for the good-bye of the other side, and is torn after closeTimeout", async () => {
  await withTaskGroup(async (group) => {
    const listener = await servedSockets(group, () => {}, { closeTimeout: 50 });
    const client = await openRaw(listener);
    await until(() => closeCodeIn(client) === 1000);
    await until(() => client.closed);
    await until(() => listener.statistics().connections === 0);
  });
});

test("webSocketUpgrade() takes limits as large as numbers go", async () => {
  await withTaskGroup(async (group) => {
    const limits = { maxMessage: Infinity, receiveBuffer: Infinity, sendBuffer: Infinity, closeTimeout: Infinity };
    const times = { pingInterval: Infinity, pingTimeout: Infinity, afterClose: Infinity, maxConnections: Infinity };
    const handler: WebSocketHandler = async (socket) => {
      await socket.send(await socket.receive());
    };
    const listener = await servedSockets(group, handler, { ...limits, ...times });
    const client = await openRaw(listener);
    client.socket.write(frame(opcodes.text, "hi"));
    await until(() => closeCodeIn(client) === 1000);
    await sleep(50);
    assert.equal(client.closed, false); // it waits for the client's good-bye
    client.socket.write(frame(opcodes.close, "\x03\u00e8"));
    client.socket.end();
    await until(() => listener.statistics().connections === 0);
  });
});

test("WebSocketConnection sends strings and Uint8Arrays only, and trySend() tells whether there was room", async () => {
  await withTaskGroup(async (group) => {
    let result: unknown;
    const listener = await servedSockets(group, async (socket) => {
      await assert.rejects(socket.send(5 as never), TypeError);
      assert.throws(() => socket.trySend({} as never), TypeError);
      result = socket.trySend("yes");
    });
    const client = await WsClient.open(listener);
    await until(() => client.code !== undefined);
    assert.equal(result, true);
    assert.deepEqual(client.messages, ["yes"]);
  });
});

test("WebSocketConnection refuses bytes whose buffer is detached, also if that came about while they waited, and sends those behind", async () => {
  await withTaskGroup(async (group) => {
    const detach = ({ buffer }: Uint8Array<ArrayBuffer>): void => structuredClone(undefined, { transfer: [buffer] });
    let waiting = 0;
    const results: unknown[] = [];
    const listener = await servedSockets(group, async (socket) => {
      const [gone, later] = [new Uint8Array(4), new Uint8Array(4)];
      detach(gone);
      await assert.rejects(
        socket.send(gone),
        /^TypeError: Cannot send an object \(Uint8Array\) as a message: its buffer/,
      );
      assert.throws(() => socket.trySend(gone), TypeError);
      while (socket.trySend(new Uint8Array(1_000_000)));
      await withTaskGroup(async (inner) => {
        inner.spawn(async () => (results[0] = await socket.send(later).catch(String)));
        inner.spawn(() => socket.send("behind"));
        waiting = socket.statistics().sending;
        detach(later);
      });
    });
    const client = await WsClient.open(listener);
    client.socket.pause();
    await until(() => waiting === 2);
    client.socket.resume();
    await until(() => client.code !== undefined);
    assert.match(String(results[0]), /^TypeError: .*its buffer is detached$/);
    assert.equal(client.messages.at(-1), "behind");
  });
});

test("WebSocketConnection that drops what nobody receives still hears its client's good-bye, and keeps the newest", async () => {
  await withTaskGroup(async (group) => {
    let last: unknown[] = [];
    const go = new Latch();
    const handler: WebSocketHandler = async (socket) => {
      while (!socket.isClosed) await sleep(1);
      const { bufferedBytes, dropped } = socket.statistics();
      last = [dropped];
      assert.ok(bufferedBytes <= 1000);
      for await (const message of socket) last.push(message);
      go.open();
    };
    const listener = await servedSockets(group, handler, { whenFull: "drop oldest", receiveBuffer: 1000 });
    const client = await WsClient.open(listener);
    for (let n = 0; n < 3000; n++) client.socket.send(String(n).padStart(36)); // each counts 100
    client.socket.close();
    await go.wait();
    assert.deepEqual(last.map(Number), [2990, ...Array.from({ length: 10 }, (_, n) => 2990 + n)]);
    await until(() => client.code !== undefined);
  });
});

test('WebSocketConnection with whenFull "fail" closes with 1009 when more comes than receiveBuffer', async () => {
  await withTaskGroup(async (group) => {
    let error: unknown;
    const handler: WebSocketHandler = async (socket) => {
      try {
        await sleep(60_000);
      } catch (thrown) {
        error = thrown;
        assert.equal(socket.isClosed, true);
        throw thrown;
      }
    };
    const listener = await servedSockets(group, handler, { whenFull: "fail", receiveBuffer: 1000 });
    const client = await WsClient.open(listener);
    client.socket.send("x".repeat(1000));
    await until(() => client.code === 1009);
    assert.match(String((error as { reason: unknown }).reason), /more than was received of 1000 bytes$/);
  });
});

test("webSocketUpgrade() compresses messages if that is allowed, and does not unpack a bomb beyond maxMessage", async () => {
  await withTaskGroup(async (group) => {
    const handler: WebSocketHandler = async (socket) => {
      for await (const message of socket) await socket.send(message);
    };
    const listener = await servedSockets(group, handler, { compress: true, maxMessage: 100_000 });
    const client = await WsClient.open(listener);
    assert.match(client.socket.extensions, /permessage-deflate/);
    client.socket.send("a".repeat(100_000));
    await until(() => client.messages.length === 1);
    client.socket.send("a".repeat(100_001));
    await until(() => client.code !== undefined);
    assert.equal(client.code, 1009);
  });
});

test("webSocketUpgrade() and serveWebSocket() say at once what is wrong with their arguments", async () => {
  assert.throws(() => webSocketUpgrade(5 as never), TypeError);
  assert.throws(() => webSocketUpgrade(echo, 5 as never), TypeError);
  for (const wrong of [{ path: "chat" }, { origins: "https://a" }, { protocols: "a" }, { check: 1 }, { onError: 1 }])
    assert.throws(() => webSocketUpgrade(echo, wrong as never), TypeError, JSON.stringify(wrong));
  for (const [wrong, wanted] of [
    [{ origins: ["https://app.example/"] }, /wanted "https:\/\/app\.example", as browsers write it$/],
    [{ origins: ["https://APP.example"] }, /wanted "https:\/\/app\.example"/],
    [{ origins: ["https://app.example:443"] }, /wanted "https:\/\/app\.example"/],
    [{ origins: ["wss://app.example"] }, /wanted "https:\/\/app\.example"/],
    [{ origins: ["app.example"] }, /wanted .* or "any"$/],
    [{ origins: ["localhost:3000"] }, /wanted .* or "any"$/],
    [{ origins: ["*"] }, /wanted .* or "any"$/],
    [{ origins: [5] }, /wanted .* or "any"$/],
    [{ path: "/a b" }, /wanted "\/a%20b"/],
    [{ path: "/a?b" }, /wanted "\/a"/],
    [{ path: "/a#b" }, /wanted "\/a"/],
    [{ path: "/a/../b" }, /wanted "\/b"/],
    [{ path: "/ü" }, /wanted "\/%C3%BC"/],
    [{ protocols: ["a b"] }, /protocol "a b": wanted letters/],
    [{ protocols: ["a", "a"] }, /protocol "a": wanted each once/],
    [{ whenFull: "drop" }, /wanted "wait" or "drop oldest" or "fail"/],
    [{ maxPayload: 5 }, /with maxPayload: did you mean maxMessage\?/],
    [{ origin: "https://a" }, /did you mean origins\?/],
    [{ protocol: "a" }, /did you mean protocols\?/],
  ] as const) {
    const { name, message } = errorOf(() => webSocketUpgrade(echo, wrong as never));
    assert.equal(name, "TypeError");
    assert.match(message, wanted);
  }
  webSocketUpgrade(echo, { path: "//a", origins: ["https://app.example:8443", "capacitor://localhost", "null"] });
  for (const name of ["maxMessage", "receiveBuffer", "sendBuffer", "maxConnections"]) {
    for (const value of [0, 1.5, "5", Number.NaN])
      assert.throws(() => webSocketUpgrade(echo, { [name]: value }), RangeError, `${name} ${value}`);
    webSocketUpgrade(echo, { [name]: Infinity });
  }
  for (const name of ["closeTimeout", "pingInterval", "pingTimeout", "afterClose", "checkTimeout"]) {
    for (const value of [0, -1, "5", Number.NaN])
      assert.throws(() => webSocketUpgrade(echo, { [name]: value }), RangeError, `${name} ${value}`);
    webSocketUpgrade(echo, { [name]: Infinity });
  }
  await assert.rejects(
    serveWebSocket(echo, { port: 8080 } as never),
    /TypeError: .* give webSocketUpgrade\(\) to serveHttp/,
  );
  await assert.rejects(serveWebSocket(echo, undefined as never), TypeError);
});

test("serveWebSocket() takes the upgrades of a plain server, and leaves other paths to others", async () => {
  await withTaskGroup(async (group) => {
    const server = createServer((_request, response) => response.end("http"));
    const listener = await group.start<HttpListener>((started) => serveNode(server, { port: 0, started }), {
      service: true,
    });
    const ended: string[] = [];
    await withCancelScope(async (scope) => {
      await withTaskGroup(async (inner) => {
        for (const path of ["/a", "/b"]) {
          const handler: WebSocketHandler = async (socket) => {
            for await (const message of socket) await socket.send(`${path} ${String(message)}`);
          };
          inner.spawn(() => serveWebSocket(handler, { server, path }).finally(() => ended.push(path)));
        }
        for (const path of ["/a", "/b"]) {
          const client = await WsClient.open(listener, path);
          client.socket.send("hi");
          await until(() => client.messages.length === 1);
          assert.deepEqual(client.messages, [`${path} hi`]);
        }
        assert.equal(await (await fetch(listener.url)).text(), "http");
        const bad = await RawClient.open(listener);
        bad.get("http://", handshake);
        assert.match(await bad.whole(), /^HTTP\/1\.1 400 /);
        const open = await WsClient.open(listener, "/a");
        scope.drain(5000);
        await until(() => open.code !== undefined);
        assert.equal(open.code, 1001);
      });
    });
    assert.deepEqual(ended.toSorted(), ["/a", "/b"]);
    assert.equal(server.listenerCount("upgrade"), 0);
  });
});

test("serveWebSocket() refuses another path where nobody else listens, and is over with its handlers when cancelled", async () => {
  await withTaskGroup(async (group) => {
    const server = createServer();
    const listener = await group.start<HttpListener>((started) => serveNode(server, { port: 0, started }), {
      service: true,
    });
    let cleaned = false;
    let begun = false;
    const serving = group.spawn(() =>
      serveWebSocket(
        async () => {
          begun = true;
          try {
            await sleep(60_000);
          } finally {
            await sleep(2);
            cleaned = true;
          }
        },
        { server, path: "/a" },
      ),
    );
    const other = await RawClient.open(listener);
    other.get("/b", handshake);
    assert.match(await other.whole(), /^HTTP\/1\.1 404 /);
    const client = await WsClient.open(listener, "/a");
    await until(() => begun);
    serving.cancel();
    await serving.outcome();
    assert.equal(cleaned, true);
    await until(() => client.code === 1001);
  });
});

test("wss goes through serveHttp() with TLS", async () => {
  const tls = makeCertificate();
  await withTaskGroup(async (group) => {
    const listener = await servedSockets(group, echo, {}, { tls });
    const client = new WebSocket(`wss://localhost:${listener.port}/`, { ca: tls.cert });
    await once(client, "open");
    client.send("hi");
    const [data] = (await once(client, "message")) as [Buffer];
    assert.equal(data.toString(), "hi");
    client.close();
    await until(() => listener.statistics().connections === 0);
  });
});
