/** Clients that leave, say too much or take too little, and servers that end. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { Fate } from "../../../test/fate.ts";
import { RawClient, refused, until } from "../../../test/http-clients.ts";
import { randomFrom } from "../../../test/random.ts";
import { isPinned, runtime } from "../../../test/runtime.ts";
import { closeCodeIn, frame, handshake, opcodes, openRaw, servedSockets, WsClient } from "../../../test/web-sockets.ts";
import {
  BrokenError,
  CancelledError,
  currentScope,
  Latch,
  LimitExceededError,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type Scope,
} from "../../index.ts";
import type { WebSocketConnection, WebSocketHandler } from "./index.ts";

const ways: [string, (client: RawClient) => void][] = [
  ["closes its socket", (client) => client.leave()],
  ["resets its socket", (client) => client.socket.resetAndDestroy()],
];

for (const [how, leave] of ways) {
  test(`I2 webSocketUpgrade() cancels the handler, whatever that is at, of a client that ${how} without a good-bye`, async () => {
    await withTaskGroup(async (group) => {
      const works: ((socket: WebSocketConnection) => Promise<unknown>)[] = [
        () => sleepForever(),
        (socket) => socket.receive(),
        async (socket) => {
          for await (const _ of socket);
        },
        async (socket) => {
          for (;;) {
            await socket.send("tick");
            await sleep(1);
          }
        },
      ];
      for (const work of works) {
        const fate = new Fate();
        const listener = await servedSockets(group, (socket) => fate.watch(() => work(socket)));
        const client = await openRaw(listener);
        await until(() => fate.begun);
        leave(client);
        await until(() => fate.cleaned);
        assert.ok(fate.reason instanceof BrokenError);
        assert.match(fate.reason.message, /^Cannot go on with '127\.0\.0\.1:\d+': the connection is lost/);
        await until(() => listener.statistics().connections === 0);
      }
    });
  });
}

test("webSocketUpgrade() lets the failure of a handler's cleanup be heard, though the client has gone", async () => {
  await withTaskGroup(async (group) => {
    const errors: unknown[] = [];
    const handler: WebSocketHandler = async () => {
      try {
        await sleepForever();
      } finally {
        throw new Error("cleanup failed");
      }
    };
    const listener = await servedSockets(group, handler, { onError: (error) => errors.push(error) });
    const client = await openRaw(listener);
    client.leave();
    await until(() => errors.length === 1);
    assert.match(String(errors[0]), /cleanup failed/);
  });
});

test("I2 webSocketUpgrade() gives what a client has sent before its good-bye, then ends the loop, and gives the handler its time", async () => {
  await withTaskGroup(async (group) => {
    const received: unknown[] = [];
    let draining = false;
    let done = false;
    const listener = await servedSockets(group, async (socket) => {
      for await (const message of socket) {
        received.push(message);
        await sleep(5);
      }
      draining = currentScope().draining;
      await assert.rejects(socket.send("too late"), BrokenError);
      await sleep(20);
      assert.equal(socket.closeCode, 1001);
      assert.equal(socket.closeReason, "off");
      done = true;
    });
    const client = await WsClient.open(listener);
    for (const text of ["a", "b", "c"]) client.socket.send(text);
    client.socket.close(1001, "off");
    await until(() => done);
    assert.deepEqual(received, ["a", "b", "c"]);
    assert.equal(draining, true);
  });
});

test("webSocketUpgrade() cancels a handler that goes on after the client's good-bye after afterClose", async () => {
  await withTaskGroup(async (group) => {
    const fate = new Fate();
    const listener = await servedSockets(group, () => fate.watch(() => sleepForever()), { afterClose: 30 });
    const client = await WsClient.open(listener);
    await until(() => fate.begun);
    client.socket.close();
    await until(() => fate.cleaned);
    assert.ok(fate.error instanceof CancelledError);
  });
});

test("webSocketUpgrade() ends a loop quietly after 1000, 1001 and no code, and throws after others; neither is the handler's failure", async () => {
  await withTaskGroup(async (group) => {
    const ends: (string | undefined)[] = [];
    const handler: WebSocketHandler = async (socket) => {
      try {
        for await (const _ of socket);
        ends.push(undefined);
        await socket.receive();
      } catch (error) {
        if (ends.length < 1 || (error as Error).name !== "EndOfStream") ends.push((error as Error).name);
        throw error;
      }
    };
    const listener = await servedSockets(group, handler);
    for (const [code, wanted] of [
      [1000, undefined],
      [1001, undefined],
      [undefined, undefined],
      [1011, "BrokenError"],
      [4000, "BrokenError"],
    ] as const) {
      ends.length = 0;
      const client = await WsClient.open(listener);
      client.socket.close(code);
      await until(() => ends.length === 1);
      assert.deepEqual(ends, [wanted], String(code));
    }
  });
});

test("webSocketUpgrade() loses a client that does not answer a ping, and keeps one that answers", async () => {
  await withTaskGroup(async (group) => {
    const fates = new Map<string, Fate>();
    const handler: WebSocketHandler = (_, { url }) => {
      const fate = new Fate();
      fates.set(url!, fate);
      return fate.watch(() => sleepForever());
    };
    const listener = await servedSockets(group, handler, { pingInterval: 40, pingTimeout: 500 });
    const dead = await openRaw(listener, "/dead");
    const alive = await WsClient.open(listener, "/alive");
    await until(() => fates.get("/dead")!.cleaned);
    assert.match(fates.get("/dead")!.reason.message, /it was not heard for 500 ms when asked$/);
    await until(() => dead.closed);
    await sleep(800);
    assert.equal(fates.get("/alive")!.cleaned, false);
    assert.equal(alive.code, undefined);
  });
});

test("webSocketUpgrade() takes a message of maxMessage bytes, and closes the connection with 1009 for a longer one", async () => {
  await withTaskGroup(async (group) => {
    const fate = new Fate();
    let length = 0;
    const handler: WebSocketHandler = (socket) =>
      fate.watch(async () => {
        for await (const message of socket) length = message.length;
      });
    const listener = await servedSockets(group, handler, { maxMessage: 1000 });
    const client = await WsClient.open(listener);
    client.socket.send("x".repeat(1000));
    await until(() => length === 1000);
    client.socket.send("x".repeat(1001));
    await until(() => fate.cleaned);
    await until(() => client.code === 1009);
    assert.ok(fate.reason instanceof LimitExceededError);
    assert.equal(fate.reason.limit, 1000);
    await until(() => listener.statistics().connections === 0);
  });
});

test("I1 WebSocketConnection holds no more of what a client floods than receiveBuffer and what one read brings, and loses nothing", async () => {
  await withTaskGroup(async (group) => {
    const limit = 65_536;
    const oneRead = runtime === "bun" ? 524_288 : 65_536;
    const [count, size] = [2000, 10_000];
    let most = 0;
    let received = 0;
    const go = new Latch();
    const listener = await servedSockets(group, async (socket) => {
      await go.wait();
      for await (const message of socket) {
        assert.equal((message as Uint8Array)[0], received % 256);
        received++;
        most = Math.max(most, socket.statistics().bufferedBytes);
        if (received % 100 === 0) await sleep(1);
      }
    });
    const client = await WsClient.open(listener);
    for (let n = 0; n < count; n++) client.socket.send(Buffer.alloc(size, n % 256));
    await sleep(200);
    // What the kernel takes is not held here; the rest is where it comes from.
    assert.ok(client.socket.bufferedAmount > (count * size) / 2, `${client.socket.bufferedAmount} unsent`);
    go.open();
    await until(() => received === count);
    assert.ok(most > 0 && most <= limit + oneRead + size, `${most} bytes were held`);
    console.log(`${count * size} bytes came, at most ${most} were held at a time`);
  });
});

test("WebSocketConnection holds up a flood of empty messages too", async () => {
  await withTaskGroup(async (group) => {
    let held = 0;
    let received = 0;
    const count = 200_000;
    const listener = await servedSockets(group, async (socket) => {
      await until(() => socket.statistics().buffered >= 1024);
      await sleep(20); // what is to come though it should not has time
      held = socket.statistics().buffered;
      for await (const _ of socket) received++;
    });
    const client = await openRaw(listener);
    client.socket.write(Buffer.concat(Array.from({ length: count }, () => frame(opcodes.text, ""))));
    await until(() => received === count);
    // one read brings 64 KiB, of frames of 6 bytes
    assert.ok(held >= 1024 && held <= 1024 + (runtime === "bun" ? 100_000 : 11_000), `${held} were held`);
    client.leave();
  });
});

test("I1 WebSocketConnection lets send() wait for a client that takes nothing, so that little more than sendBuffer is held; it then gets all in order", async () => {
  await withTaskGroup(async (group) => {
    const [count, size] = [1000, 20_000];
    let connection: WebSocketConnection | undefined;
    let sent = 0;
    let most = 0;
    const listener = await servedSockets(
      group,
      async (socket) => {
        connection = socket;
        for (; sent < count; sent++) {
          await socket.send(new Uint8Array(size).fill(sent % 251));
          most = Math.max(most, socket.statistics().unsent);
        }
      },
      { sendBuffer: 100_000, pingInterval: Infinity },
    );
    const client = await WsClient.open(listener);
    client.socket.pause();
    await until(() => connection?.statistics().sending === 1);
    const before = sent;
    await sleep(50);
    assert.equal(sent, before);
    assert.ok(sent < count, "all was taken");
    assert.equal(connection!.trySend("no"), false);
    assert.ok(most >= 100_000 - size && most <= 100_000 + 2 * size, `${most} bytes were held`);
    client.socket.resume();
    await until(() => client.messages.length === count);
    client.messages.forEach((message, index) => assert.equal((message as Uint8Array)[size - 1], index % 251));
    console.log(`${count * size} bytes were sent, at most ${most} were held at a time`);
  });
});

test("WebSocketConnection has sent nothing for a send() that is cancelled while it waits, and those behind it go on in order", async () => {
  await withTaskGroup(async (group) => {
    const result: string[] = [];
    const go = new Latch();
    const handler: WebSocketHandler = async (socket) => {
      while (socket.trySend(new Uint8Array(50_000)));
      await withTaskGroup(async (inner) => {
        const first = inner.spawn(() => socket.send("first"));
        inner.spawn(() => socket.send("second"));
        inner.spawn(() => socket.send("third"));
        first.cancel();
        result.push((await first.outcome()).status);
        go.open();
      });
      assert.deepEqual(socket.statistics().sending, 0);
    };
    const listener = await servedSockets(group, handler, { pingInterval: Infinity });
    const client = await WsClient.open(listener);
    client.socket.pause();
    await go.wait();
    client.socket.resume();
    await until(() => client.code !== undefined);
    assert.deepEqual(result, ["cancelled"]);
    assert.deepEqual(client.messages.slice(-2), ["second", "third"]);
  });
});

test("I2 webSocketUpgrade() on a server that drains: what had come is answered, loops end, clients get 1001, and nobody is let in", async () => {
  const clients: WsClient[] = [];
  await withCancelScope(async (scope) => {
    await withTaskGroup(async (group) => {
      const handler: WebSocketHandler = async (socket) => {
        for await (const message of socket) {
          await sleep(20);
          await socket.send(`${String(message)}!`);
        }
        await socket.send("bye");
      };
      const listener = await servedSockets(group, handler, {}, {}, false);
      for (let n = 0; n < 20; n++) clients.push(await WsClient.open(listener));
      for (const client of clients.slice(10)) {
        client.socket.send("a");
        client.socket.send("b");
      }
      await until(() => clients.slice(10).every((client) => client.messages.length === 1));
      scope.drain(10_000);
      await refused(listener);
    });
  });
  await until(() => clients.every(({ code }) => code === 1001));
  for (const { messages } of clients.slice(0, 10)) assert.deepEqual(messages, ["bye"]);
  for (const { messages } of clients.slice(10)) assert.deepEqual(messages, ["a!", "b!", "bye"]);
});

test("webSocketUpgrade() on a server that drains ends the loop of a client that floods", async () => {
  await withCancelScope(async (scope) => {
    await withTaskGroup(async (group) => {
      let begun = false;
      const handler: WebSocketHandler = async (socket) => {
        for await (const _ of socket) {
          begun = true;
          await sleep(1);
        }
      };
      const listener = await servedSockets(group, handler, { receiveBuffer: 1000 }, {}, false);
      const client = await WsClient.open(listener);
      const flood = setInterval(() => client.socket.bufferedAmount < 100_000 && client.socket.send("x".repeat(500)), 1);
      await until(() => begun);
      scope.drain(60_000);
      await until(() => client.code !== undefined);
      clearInterval(flood);
      assert.equal(client.code, 1001);
    });
  });
});

test("webSocketUpgrade() on a server that is cancelled: handlers clean up, and clients get 1001", async () => {
  let scope: Scope | undefined;
  const fates = Array.from({ length: 20 }, () => new Fate());
  const clients: WsClient[] = [];
  await withCancelScope(async (inner) => {
    scope = inner;
    await withTaskGroup(async (group) => {
      let next = 0;
      const listener = await servedSockets(group, () => fates[next++]!.watch(() => sleepForever()), {}, {}, false);
      for (const _ of fates) clients.push(await WsClient.open(listener));
      await until(() => fates.every(({ begun }) => begun));
      scope!.cancel();
    });
  });
  assert.ok(fates.every(({ cleaned }) => cleaned));
  await until(() => clients.every(({ code }) => code === 1001));
});

test("webSocketUpgrade() on a server without grace tears its connections at once", async () => {
  const clients: RawClient[] = [];
  await withCancelScope(
    async (scope) => {
      await withTaskGroup(async (group) => {
        const listener = await servedSockets(group, () => sleepForever(), {}, {}, false);
        for (let n = 0; n < 5; n++) clients.push(await openRaw(listener));
        scope.cancel();
      });
    },
    { grace: 0 },
  );
  await until(() => clients.every(({ closed }) => closed));
});

test("WebSockets cancelled at random moments, on either side, leave no socket and no waiter behind", async () => {
  const rounds = isPinned ? 500 : 100;
  const below = randomFrom(11);
  const errors: unknown[] = [];
  let begun = 0;
  let ended = 0;
  await withTaskGroup(async (group) => {
    const handler: WebSocketHandler = async (socket) => {
      begun++;
      try {
        await withTaskGroup(async (inner) => {
          inner.spawn(
            async () => {
              for (;;) await socket.send(randomBytes(1 + below(30_000)));
            },
            { service: true },
          );
          const cut = below(20);
          if (cut < 10) inner.spawn(() => sleep(cut).then(() => inner.cancel()));
          for await (const message of socket) await socket.send(message);
        });
      } finally {
        ended++;
        const { sending, receiving } = socket.statistics();
        assert.deepEqual([sending, receiving], [0, 0]);
      }
    };
    const listener = await servedSockets(group, handler, { closeTimeout: 200, onError: (error) => errors.push(error) });
    let left = rounds;
    const visit = async (): Promise<void> => {
      while (left-- > 0) {
        const client = await RawClient.open(listener);
        client.get("/", handshake);
        if (below(4) > 0) await client.has("\r\n\r\n").catch(() => {});
        for (let n = below(4); n > 0; n--) client.socket.write(frame(opcodes.bytes, new Uint8Array(below(20_000))));
        await sleep(below(8));
        if (below(3) === 0) client.socket.write(frame(opcodes.close, "\x03è"));
        else if (below(2) === 0) client.socket.resetAndDestroy();
        else client.leave();
        await sleep(below(3));
        client.leave();
      }
    };
    await withTaskGroup(async (inner) => {
      for (let n = 0; n < 8; n++) inner.spawn(visit);
    });
    await until(() => listener.statistics().connections === 0 && ended === begun);
  });
  const real = errors.filter((error) => (error as Error).name !== "WorkCancelledError");
  assert.deepEqual(real, []);
  assert.ok(begun > rounds / 2, `${begun} of ${rounds}`);
});

test("WebSockets with malformed frames, by the thousand: each connection is closed with a code or torn, and the next good one is served", async () => {
  const cases = isPinned ? 2000 : 400;
  const below = randomFrom(3);
  const corpus = [
    frame(opcodes.text, "good"),
    frame(opcodes.bytes, randomBytes(200)),
    frame(opcodes.text, "frag", false),
    frame(opcodes.more, "ment"),
    frame(opcodes.ping, "p"),
    frame(opcodes.pong, ""),
    frame(opcodes.close, "\x03\xe8"),
    frame(opcodes.close, "x"),
    frame(opcodes.text, new Uint8Array([0xff, 0xfe, 0xc0])),
    frame(opcodes.ping, "x".repeat(126)),
    frame(3, "reserved"),
    frame(11, "reserved"),
    Buffer.from([0xf1, 0x80, 0, 0, 0, 0]),
    Buffer.from([0x81, 0x05, 0x68, 0x65, 0x6c, 0x6c, 0x6f]), // not masked
    Buffer.from([0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    Buffer.from([0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0]),
  ];
  const outcomes = new Map<number | undefined, number>();
  await withTaskGroup(async (group) => {
    const handler: WebSocketHandler = async (socket) => {
      for await (const message of socket) await socket.send(message);
    };
    const options = { maxMessage: 1000, closeTimeout: 100 };
    const listener = await servedSockets(group, handler, options);
    for (let at = 0; at < cases; at += 40) {
      await Promise.all(Array.from({ length: 40 }, () => attempt()));
      const client = await WsClient.open(listener);
      client.socket.send("hi");
      await until(() => client.messages.length === 1);
      client.socket.terminate();
    }
    await until(() => listener.statistics().connections === 0);

    async function attempt(): Promise<void> {
      const client = await openRaw(listener);
      client.socket.write(mutated());
      client.socket.end();
      await until(() => client.closed);
      const code = closeCodeIn(client);
      outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
    }
  });
  const told = [...outcomes].map(([code, count]) => `${code ?? "torn"}: ${count}`);
  console.log(`${cases} connections with malformed frames: ${told.join(", ")}`);
  for (const code of [1002, 1007, 1009]) assert.ok((outcomes.get(code) ?? 0) > 0, `no ${code}`);

  function mutated(): Buffer {
    const bytes = Buffer.concat(Array.from({ length: 1 + below(5) }, () => corpus[below(corpus.length)]!));
    for (let changes = below(3); changes > 0; changes--) bytes[below(bytes.length)] = below(256);
    return bytes.subarray(0, bytes.length - below(4));
  }
});
