/** Connections through the platform's WebSocket, to servers of ours, of ws and of Python. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { test } from "node:test";
import { needs } from "../../../test/needs.ts";
import { until } from "../../../test/http-clients.ts";
import { randomFrom } from "../../../test/random.ts";
import { isPinned, runtime } from "../../../test/runtime.ts";
import { servedSockets, urlOf } from "../../../test/web-sockets.ts";
import {
  BrokenError,
  CancelledError,
  ClosedError,
  EndOfStream,
  failAfter,
  LimitExceededError,
  moveOnAfter,
  sleep,
  sleepForever,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
  type TaskGroup,
} from "../../index.ts";
import { connectWebSocket, type WebSocketConnection, type WebSocketHandler } from "./index.ts";

const echo: WebSocketHandler = async (socket) => {
  for await (const message of socket) await socket.send(message);
};

/** A server that says what a test wants, and closes with the group. */
async function rawServer(
  group: TaskGroup,
  answer: (socket: Socket) => void,
): Promise<{ port: number; open: Set<Socket> }> {
  const open = new Set<Socket>();
  const server = createTcpServer((socket) => {
    open.add(socket);
    socket.on("error", () => {}).on("close", () => open.delete(socket));
    socket.resume();
    answer(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async (): Promise<void> => {
    try {
      await sleepForever();
    } finally {
      for (const socket of open) socket.destroy();
      server.close();
    }
  };
  group.spawn(close, { service: true });
  return { port: (server.address() as AddressInfo).port, open };
}

function shakeHands(socket: Socket, then: () => void = () => {}): void {
  socket.once("data", (data: Buffer) => {
    const key = /Sec-WebSocket-Key: (.*)\r\n/i.exec(data.toString())![1]!;
    const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    then();
  });
}

test("connectWebSocket() carries text and bytes both ways, and closes with its code and reason", async () => {
  await withTaskGroup(async (group) => {
    let ended: unknown[] = [];
    const listener = await servedSockets(group, async (socket) => {
      for await (const message of socket) await socket.send(message);
      ended = [socket.closeCode, socket.closeReason];
    });
    const socket = await connectWebSocket(listener.url);
    const sent = ["", "text, ü and 😀", new Uint8Array([0, 1, 255]), "x".repeat(100_000)];
    for (const message of sent) await socket.send(message);
    for (const message of sent) assert.deepEqual(await socket.receive(), message);
    assert.equal(socket.tryReceive(), undefined);
    assert.match(socket.peer, /^ws:\/\/127\.0\.0\.1:\d+\/$/);
    await socket.close(3001, "enough").catch(() => {});
    await until(() => ended.length > 0 || listener.statistics().connections === 0);
    assert.equal(socket.isClosed, true);
    await assert.rejects(socket.send("x"), ClosedError);
    await assert.rejects(socket.receive(), ClosedError);
  });
});

test("connectWebSocket() offers subprotocols, and sends headers and the query", async () => {
  await withTaskGroup(async (group) => {
    let seen: unknown[] = [];
    const handler: WebSocketHandler = async (socket, { headers, url }) => {
      seen = [headers.authorization, url];
      await socket.receive();
    };
    const listener = await servedSockets(group, handler, { protocols: ["chat"] });
    const url = `${urlOf(listener, "/room")}?key=secret`;
    await using socket = await connectWebSocket(url, {
      protocols: ["v9", "chat"],
      headers: { authorization: "Bearer x" },
    });
    assert.equal(socket.protocol, "chat");
    await until(() => seen.length > 0);
    assert.deepEqual(seen, ["Bearer x", "/room?key=secret"]);
    assert.doesNotMatch(socket.peer, /secret/);
  });
});

test("connectWebSocket() fails with a BrokenError where nobody is, or the server refuses", async () => {
  await withTaskGroup(async (group) => {
    const { port, open } = await rawServer(
      group,
      (socket) => void socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
    );
    for (const url of [`ws://127.0.0.1:1/path?key=secret`, `ws://127.0.0.1:${port}/path?key=secret`]) {
      await assert.rejects(connectWebSocket(url), (error: Error) => {
        assert.ok(error instanceof BrokenError, String(error));
        assert.match(error.message, /^Cannot connect to 'ws:\/\/127\.0\.0\.1:\d+\/path': \S/);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      });
    }
    await until(() => open.size === 0);
  });
});

test("connectWebSocket() says at once what is wrong with its arguments", async () => {
  for (const url of ["", "chat", "ftp://a/", 5, undefined])
    await assert.rejects(connectWebSocket(url as never), TypeError);
  await assert.rejects(connectWebSocket("ws://localhost/", 5 as never), TypeError);
  await assert.rejects(connectWebSocket("ws://localhost/", { maxMessage: 0 }), RangeError);
  const rejects = async (url: string, options: object, wanted: RegExp): Promise<void> => {
    const error = await connectWebSocket(url, options).catch((thrown: unknown) => thrown as Error);
    assert.ok(error instanceof TypeError);
    assert.match(error.message, wanted);
    assert.doesNotMatch(error.message, /secret/);
  };
  for (const url of ["ws://ada:secret@localhost/", "ws://secret@localhost/?secret", "ws://:secret@localhost/"])
    await rejects(url, {}, /^Cannot connect to "ws:\/\/localhost\/": wanted a URL without user and password/);
  for (const url of ["ftp://ada:secret@localhost/?key=secret", "ws://ada:se/secret@local host/?secret"])
    await rejects(url, {}, /wanted a URL that begins with ws: or wss:$/);
  for (const url of ["ws://localhost/#secret", "ws://localhost/#"]) await rejects(url, {}, /without a fragment/);
  for (const protocols of [["a b"], [""], [5], "a,b", 5])
    await rejects("ws://localhost/", { protocols }, /protocols? /);
  await rejects("ws://localhost/", { protocols: ["a", "a"] }, /protocol "a": wanted each once$/);
  await rejects("ws://localhost/", { whenFull: "wait" }, /wanted "fail" or "drop oldest"$/);
  await rejects("ws://localhost/", { maxPayload: 1 }, /did you mean maxMessage\?$/);
});

test("connectWebSocket() that is cancelled gives the connection up", async () => {
  await withTaskGroup(async (group) => {
    const { port, open } = await rawServer(group, () => {}); // never answers
    const connecting = failAfter(50, () => connectWebSocket(`ws://127.0.0.1:${port}/`));
    await assert.rejects(connecting, TimeoutError);
    await until(() => open.size === 0);
    const refused = withCancelScope(async (scope) => {
      scope.cancel();
      await connectWebSocket(`ws://127.0.0.1:${port}/`);
    });
    assert.equal(await refused, undefined);
    assert.equal(open.size, 0);
  });
});

test("connectWebSocket(): who is cancelled while he receives closes the connection on his way out", async () => {
  await withTaskGroup(async (group) => {
    let code: number | undefined;
    const listener = await servedSockets(group, async (socket) => {
      for await (const _ of socket);
      code = socket.closeCode;
    });
    const result = await withCancelScope(async (scope) => {
      await using socket = await connectWebSocket(listener.url);
      group.spawn(() => sleep(10).then(() => scope.cancel()));
      return await socket.receive();
    });
    assert.equal(result, undefined);
    await until(() => code === 1000);
    await until(() => listener.statistics().connections === 0);
  });
});

test("connectWebSocket() tells the end of a connection as the server tells it", async () => {
  await withTaskGroup(async (group) => {
    const handler: WebSocketHandler = async (socket, { url }) => {
      await socket.send("last");
      if (url === "/fail") throw new Error("told to");
      if (url === "/own") await socket.close(4000, "why");
      if (url === "/tear") socket.abort();
    };
    const listener = await servedSockets(group, handler, { onError: () => {} });
    const end = async (path: string): Promise<[unknown, WebSocketConnection]> => {
      const socket = await connectWebSocket(urlOf(listener, path));
      const got: unknown[] = [];
      let error: unknown;
      try {
        for await (const message of socket) got.push(message);
      } catch (thrown) {
        error = thrown;
      }
      if (path !== "/tear") assert.deepEqual(got, ["last"]);
      await assert.rejects(socket.send("more"), BrokenError);
      await socket.close();
      return [error, socket];
    };
    const [none, good] = await end("/");
    assert.equal(none, undefined);
    assert.equal(good.closeCode, 1000);
    await assert.rejects(good.receive(), ClosedError);
    const [failed, bad] = await end("/fail");
    assert.match(
      String(failed),
      /^BrokenError: Cannot receive from 'ws:[^']*': it has closed the connection with 1011$/,
    );
    assert.equal(bad.closeCode, 1011);
    const [own, other] = await end("/own");
    assert.match(String(own), /with 4000 \(why\)$/);
    assert.deepEqual([other.closeCode, other.closeReason], [4000, "why"]);
    const [torn, lost] = await end("/tear");
    assert.match(String(torn), /: the connection is lost/);
    assert.equal(lost.closeCode, 1006);
  });
});

test("connectWebSocket(): receive() after the server's good-bye throws EndOfStream, each time", async () => {
  await withTaskGroup(async (group) => {
    const listener = await servedSockets(group, () => {});
    await using socket = await connectWebSocket(listener.url);
    await assert.rejects(socket.receive(), EndOfStream);
    await assert.rejects(socket.receive(), EndOfStream);
    assert.throws(() => socket.tryReceive(), EndOfStream);
  });
});

test("connectWebSocket() closes with 4009 when more than receiveBuffer waits; what had come is received, then the error", async () => {
  await withTaskGroup(async (group) => {
    let code: number | undefined;
    const listener = await servedSockets(group, async (socket) => {
      for (let n = 0; n < 20; n++) await socket.send(`${n}`.padEnd(1000));
      for await (const _ of socket);
    });
    const counted = await servedSockets(group, async (socket) => {
      try {
        for (;;) await socket.send("x".repeat(1000));
      } finally {
        code = socket.closeCode;
      }
    });
    await using socket = await connectWebSocket(listener.url, { receiveBuffer: 10_000 });
    await until(() => socket.isClosed);
    const { buffered, bufferedBytes } = socket.statistics();
    assert.ok(bufferedBytes >= 10_000 && bufferedBytes < 12_000);
    for (let n = 0; n < buffered; n++) assert.equal(String(await socket.receive()).trim(), `${n}`);
    await assert.rejects(socket.receive(), LimitExceededError);
    await assert.rejects(socket.send("x"), LimitExceededError);
    await using other = await connectWebSocket(counted.url, { receiveBuffer: 10_000 });
    await until(() => code === 4009);
    assert.equal(other.isClosed, true);
  });
});

test("connectWebSocket() with one protocol as a string offers that", async () => {
  await withTaskGroup(async (group) => {
    const listener = await servedSockets(group, echo, { protocols: ["chat"] });
    await using socket = await connectWebSocket(listener.url, { protocols: "chat" });
    assert.equal(socket.protocol, "chat");
  });
});

test('connectWebSocket() with whenFull "drop oldest" keeps the newest of more than receiveBuffer', async () => {
  await withTaskGroup(async (group) => {
    const listener = await servedSockets(group, async (socket) => {
      for (let n = 0; n < 100; n++) await socket.send(`${n}`.padEnd(36));
      await socket.receive();
    });
    await using socket = await connectWebSocket(listener.url, { whenFull: "drop oldest", receiveBuffer: 1000 });
    await until(() => socket.statistics().dropped === 90);
    for (let n = 90; n < 100; n++) assert.equal(Number(await socket.receive()), n);
  });
});

test("connectWebSocket(): who sends after the good-bye of a server that keeps the connection gets a BrokenError after closeTimeout", async () => {
  await withTaskGroup(async (group) => {
    const { port } = await rawServer(group, (socket) => {
      shakeHands(socket, () => socket.write(Buffer.from([0x88, 2, 0x03, 0xe9])));
    });
    await using socket = await connectWebSocket(`ws://127.0.0.1:${port}/`, { closeTimeout: 50 });
    await sleep(50);
    if (runtime === "node") assert.equal(socket.trySend("x"), false); // the others end it by themselves
    await assert.rejects(socket.send("x"), BrokenError);
    assert.equal(socket.isClosed, true);
    await assert.rejects(socket.receive(), runtime === "node" ? BrokenError : EndOfStream);
  });
});

test("connectWebSocket() closes with 4009 for a message that is longer than maxMessage", async () => {
  await withTaskGroup(async (group) => {
    let code: number | undefined;
    const listener = await servedSockets(group, async (socket) => {
      await socket.send("ü".repeat(500));
      await socket.send("ü".repeat(501));
      await socket.receive().catch(() => {});
      code = socket.closeCode;
    });
    await using socket = await connectWebSocket(listener.url, { maxMessage: 1000 });
    assert.equal((await socket.receive()).length, 500);
    await assert.rejects(
      socket.receive(),
      (error: unknown) => error instanceof LimitExceededError && error.limit === 1000,
    );
    await until(() => code === 4009);
  });
});

test("connectWebSocket(): send() waits while the server takes nothing, and a wait that is cut has sent nothing", async () => {
  await withTaskGroup(async (group) => {
    let go = false;
    const received: number[] = [];
    const listener = await servedSockets(group, async (socket) => {
      while (!go) await sleep(1);
      for await (const message of socket) received.push(message.length);
    });
    const socket = await connectWebSocket(listener.url, { sendBuffer: 100_000 });
    const size = 50_000;
    let sent = 0;
    const bytes = new Uint8Array(size);
    for (let refusals = 0; refusals < 10;) {
      if (socket.trySend(bytes)) {
        sent++;
        refusals = 0;
      } else {
        refusals++;
        await sleep(10);
      }
      assert.ok(sent < 10_000, "all was taken");
    }
    assert.ok(socket.statistics().unsent <= 100_000 + size);
    assert.equal(await moveOnAfter(20, () => socket.send(new Uint8Array(7)).then(() => "sent")), undefined);
    const waiting = socket.send(new Uint8Array(8));
    assert.equal(socket.statistics().sending, 1);
    go = true;
    await waiting;
    await socket.close();
    await until(() => listener.statistics().connections === 0);
    assert.equal(received.length, sent + 1);
    assert.equal(received.at(-1), 8);
    assert.ok(!received.includes(7));
  });
});

test("connectWebSocket(): close() gives up on a server that never answers after closeTimeout, and at once when grace is over", async () => {
  await withTaskGroup(async (group) => {
    const { port } = await rawServer(group, (socket) => shakeHands(socket));
    const url = `ws://127.0.0.1:${port}/`;
    const socket = await connectWebSocket(url, { closeTimeout: 30 });
    await socket.close();
    assert.equal(socket.closeCode, 1006);
    const torn = await withCancelScope(
      async (scope) => {
        const other = await connectWebSocket(url, { closeTimeout: 60_000 });
        try {
          scope.cancel();
          await other.receive();
        } finally {
          await other.close().catch(() => {});
          assert.equal(other.closeCode, 1006);
        }
      },
      { grace: 0 },
    );
    assert.equal(torn, undefined);
  });
});

test("connectWebSocket(): a loop ends when the scope around it drains, with what had come", async () => {
  await withTaskGroup(async (group) => {
    const listener = await servedSockets(group, echo);
    await withCancelScope(async (scope) => {
      await using socket = await connectWebSocket(listener.url);
      for (const text of ["a", "b", "c"]) await socket.send(text);
      await until(() => socket.statistics().buffered === 3);
      const got: unknown[] = [];
      for await (const message of socket) {
        got.push(message);
        if (message === "a") scope.drain(5000);
        if (message === "a") await socket.send("later");
      }
      assert.deepEqual(got, ["a", "b", "c"]);
      assert.equal(await socket.receive(), "later"); // it goes on, as with a queue
    });
  });
});

test("WebSocket clients that are cancelled at random moments leave no connection behind", async () => {
  const rounds = isPinned ? 500 : 100;
  const below = randomFrom(5);
  const errors: unknown[] = [];
  await withTaskGroup(async (group) => {
    const listener = await servedSockets(group, echo, { onError: (error) => errors.push(error) });
    let left = rounds;
    let ended = 0;
    const visit = async (): Promise<void> => {
      while (left-- > 0) {
        await moveOnAfter(below(12), async () => {
          await using socket = await connectWebSocket(listener.url);
          for (;;) {
            await socket.send(new Uint8Array(1 + below(20_000)));
            await socket.receive();
          }
        }).catch((error: unknown) =>
          assert.ok(error instanceof CancelledError || error instanceof TimeoutError, String(error)),
        );
        ended++;
      }
    };
    await withTaskGroup(async (inner) => {
      for (let n = 0; n < 8; n++) inner.spawn(visit);
    });
    assert.equal(ended, rounds);
    await until(() => listener.statistics().connections === 0);
  });
  assert.deepEqual(errors, []);
});

/** Debian's own may not be the first on the PATH. */
const python3 = ["python3", "/usr/bin/python3"].find(
  (file) => spawnSync(file, ["-c", "import websockets"]).status === 0,
);
const python = python3 === undefined ? "needs Python's websockets: apt-get install python3-websockets" : undefined;

test("WebSockets with Python: a client is answered, pinged, and told why it is closed", needs(python), async () => {
  await withTaskGroup(async (group) => {
    const handler: WebSocketHandler = async (socket) => {
      for await (const message of socket) {
        await socket.send(message);
        if (message === "end") await socket.close(4002, "as you wish");
      }
    };
    const listener = await servedSockets(group, handler, { protocols: ["chat"], compress: true, pingInterval: 20 });
    const client = spawn(python3!, ["-c", pythonClient, urlOf(listener)], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    client.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    await once(client, "close");
    assert.equal(output, "chat\nText ü\nb'\\x00\\xff'\n100000\n4002 as you wish\n");
  });
});

const pythonClient = `
import asyncio, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1], subprotocols=["chat"]) as socket:
        print(socket.subprotocol)
        await socket.send("Text ü")
        print(await socket.recv())
        await socket.send(bytes([0, 255]))
        print(await socket.recv())
        await socket.send("x" * 100000)
        print(len(await socket.recv()))
        await (await socket.ping())
        await asyncio.sleep(0.2)
        await socket.send("end")
        await socket.recv()
        try:
            await socket.recv()
        except websockets.ConnectionClosed as closed:
            print(closed.rcvd.code, closed.rcvd.reason)
asyncio.run(main())
`;

test("WebSockets with Python: connectWebSocket() speaks with its server", needs(python), async () => {
  const server = spawn(python3!, ["-c", pythonServer], { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = (await once(server.stdout.setEncoding("utf8"), "data")) as [string];
  {
    await using socket = await connectWebSocket(`ws://127.0.0.1:${Number(line)}/`, { protocols: ["chat"] });
    assert.equal(socket.protocol, "chat");
    for (const message of ["Text ü", new Uint8Array([0, 255]), "x".repeat(100_000)]) {
      await socket.send(message);
      assert.deepEqual(await socket.receive(), message);
    }
    await socket.send("end");
    assert.equal(await socket.receive(), "end");
    await assert.rejects(socket.receive(), BrokenError);
    assert.deepEqual([socket.closeCode, socket.closeReason], [4002, "as you wish"]);
  }
  server.kill();
  await once(server, "close");
});

const pythonServer = `
import asyncio, websockets
async def echo(socket):
    async for message in socket:
        await socket.send(message)
        if message == "end":
            await socket.close(4002, "as you wish")
async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, subprotocols=["chat"]) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()
asyncio.run(main())
`;
