import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { test } from "node:test";
import { promisify } from "node:util";
import { createGzip, gunzip, gzip } from "node:zlib";
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

test(
  "a compressor is seen pending while it works, and not while it waits for more",
  skipOn({ bun: "does not tell of pending I/O", deno: "does not tell of work that threads do" }),
  async () => {
    const watch = watchIo((frame) => frame !== undefined);
    await run(
      async () => {
        const packing = promisify(gzip)("much ".repeat(10_000));
        assert.deepEqual(watch.pending(), ["Zlib"]);
        const packed = await packing;
        assert.deepEqual(watch.pending(), []);
        assert.equal((await promisify(gunzip)(packed)).length, 50_000);
        const stream = createGzip();
        assert.deepEqual(watch.pending(), []);
        stream.resume().write("more");
        assert.deepEqual(watch.pending(), ["Zlib"]);
        await new Promise<void>((resolve) => stream.flush(resolve));
        assert.deepEqual(watch.pending(), []);
        stream.destroy();
      },
      { host: false },
    );
    watch.stop();
  },
);
