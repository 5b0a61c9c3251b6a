import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { test } from "node:test";
import { skipOn } from "../../test/runtime.ts";
import { run } from "../index.ts";
import { watchIo } from "./io.ts";

async function opened(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

test(
  "a socket is seen pending though as many have closed as were open before",
  skipOn({ bun: "does not tell of pending I/O", deno: "counts sockets, and does not tell whose they are" }),
  async (t) => {
    const server = createServer();
    server.unref(); // a test that fails must not wait for what it leaves open
    t.after(() => server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const before = await opened(port);
    const [other] = await accepted;
    const watch = watchIo((frame) => frame !== undefined);
    other.destroy();
    before.destroy();
    await Promise.all([once(before, "close"), once(other, "close")]);
    assert.deepEqual(watch.pending(), []);
    await run(
      async () => {
        const socket = await opened(port);
        assert.deepEqual(watch.pending(), ["TCPSocketWrap"]);
        socket.unref();
        assert.deepEqual(watch.pending(), []); // waits for nobody
        socket.ref();
        socket.destroy();
        await once(socket, "close");
        assert.deepEqual(watch.pending(), []);
      },
      { host: false },
    );
    watch.stop();
  },
);
