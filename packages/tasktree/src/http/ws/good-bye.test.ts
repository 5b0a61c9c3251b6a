/** Ends of connections whose other side is slow: what was sent before a good-bye still goes out. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import { makeCertificate } from "../../../test/certificate.ts";
import { skipOn } from "../../../test/runtime.ts";
import { virtually } from "../../../test/virtual.ts";
import { handshake, servedSockets } from "../../../test/web-sockets.ts";
import { sleep, withTaskGroup } from "../../index.ts";
import { now } from "../../lowlevel.ts";
import type { ServeHttpOptions } from "../index.ts";
import { GoodBye } from "./good-bye.ts";
import type { WebSocketHandler } from "./index.ts";
import type { Wire } from "./wire.ts";

class TestWire implements Wire {
  readonly overflowCode = 1009;
  readonly protocol = "";
  isOpen = true;
  unsent = 0;
  progress = 0;
  readonly told: [what: string, at: number][] = [];
  readonly #start = now();

  close(code: number): void {
    this.told.push([`close ${code}`, now() - this.#start]);
  }

  tear(): void {
    this.told.push(["tear", now() - this.#start]);
  }

  listen(): void {}
  send(): void {}
  watchUnsent(): void {}
  pause(): void {}
  resume(): void {}
}

test("GoodBye: it is said at once if nothing is unsent, and the connection torn after closeTimeout", async () => {
  await virtually(async () => {
    const wire = new TestWire();
    new GoodBye(wire, 200).say(1000, "");
    await sleep(1000);
    assert.deepEqual(wire.told, [
      ["close 1000", 0],
      ["tear", 200],
    ]);
  });
});

test("GoodBye: while what was sent goes out, closeTimeout does not run; it begins when all has gone", async () => {
  await virtually(async () => {
    const wire = new TestWire();
    const goodBye = new GoodBye(wire, 200);
    wire.unsent = 10;
    goodBye.say(1001, "");
    for (let left = 9; left > 0; left--) {
      await sleep(150);
      wire.progress++; // a part of a message
    }
    wire.unsent = 0;
    goodBye.taken();
    assert.deepEqual(wire.told, [["close 1001", 1350]]);
    await sleep(1000);
    assert.deepEqual(wire.told[1], ["tear", 1550]);
  });
});

test("GoodBye: it is noticed without being told that all has gone out", async () => {
  await virtually(async () => {
    const wire = new TestWire();
    const goodBye = new GoodBye(wire, 200);
    wire.unsent = 10;
    goodBye.say(1000, "");
    await sleep(120);
    wire.unsent = 0;
    await sleep(60);
    assert.deepEqual(wire.told, [["close 1000", 150]]);
    goodBye.over();
    await sleep(1000);
    assert.equal(wire.told.length, 1);
  });
});

test("GoodBye: of what does not go out any more nothing is expected after closeTimeout", async () => {
  await virtually(async () => {
    const wire = new TestWire();
    wire.unsent = 10;
    new GoodBye(wire, 200).say(1000, "");
    await sleep(100);
    wire.progress++;
    await sleep(1000);
    assert.deepEqual(wire.told, [["tear", 350]]);
  });
});

const noProgress = skipOn({ deno: "its sockets do not tell what has gone out of a message" });

const length = 20_000_000;

/** The system takes some megabytes at first, and then, of who reads so, one or two at a time, in up to half a second. */
const patience = 1500;

/** How many bytes a client gets that reads some megabytes a second, without a pause, and says nothing. */
async function readSteadily(port: number, isSecure: boolean): Promise<number> {
  const at = { port, host: "127.0.0.1" };
  const socket = isSecure ? connectTls({ ...at, rejectUnauthorized: false }) : connect(at);
  let got = 0;
  let isOver = false;
  for (const event of ["end", "close", "error"]) socket.on(event, () => (isOver = true));
  socket.on("readable", () => {}); // reads on, but no further than 64 KiB ahead
  socket.write(`GET / HTTP/1.1\r\nHost: localhost\r\n${handshake}\r\n`);
  while (!isOver) {
    got += (socket.read() as Buffer | null)?.length ?? 0;
    await sleep(isSecure ? 2 : 6);
  }
  socket.destroy();
  return got;
}

const ways: [name: string, make: () => Partial<ServeHttpOptions>][] = [
  ["TCP", () => ({})],
  ["TLS", () => ({ tls: makeCertificate() })],
];

for (const [name, make] of ways) {
  test(
    `WebSocketConnection that closes lets a client that reads steadily have all of a long message: ${name}`,
    noProgress,
    async () => {
      await withTaskGroup(async (group) => {
        const handler: WebSocketHandler = (socket) => socket.send("x".repeat(length));
        const listener = await servedSockets(group, handler, { closeTimeout: patience }, make());
        const began = performance.now();
        const got = await readSteadily(listener.port, name === "TLS");
        assert.ok(got > length, `${got} bytes came`);
        assert.ok(performance.now() - began > patience, "it was too fast to show anything");
      });
    },
  );
}

test(
  "webSocketUpgrade() holds nothing against a client that takes a part of a long message in each pingTimeout",
  noProgress,
  async () => {
    await withTaskGroup(async (group) => {
      let isCut = true;
      const handler: WebSocketHandler = async (socket) => {
        await socket.send("x".repeat(length));
        while (socket.statistics().unsent > 0) await sleep(5);
        isCut = false;
      };
      const listener = await servedSockets(group, handler, { pingInterval: 100, pingTimeout: 1000 });
      const got = await readSteadily(listener.port, false);
      assert.equal(isCut, false);
      assert.ok(got > length, `${got} bytes came`);
    });
  },
);
