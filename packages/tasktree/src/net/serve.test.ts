import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, renameSync as rename, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { makeCertificate } from "../../test/certificate.ts";
import { needs, program } from "../../test/needs.ts";
import { rejection } from "../../test/rejection.ts";
import { numbered, readAll, readExactly } from "../../test/stream-conformance.ts";
import {
  BrokenError,
  CancelledError,
  ClosedError,
  currentTask,
  InvalidStateError,
  run,
  sleepForever,
  withCancelScope,
  withTaskGroup,
  type Scope,
  type TaskGroup,
} from "../index.ts";
import { memoryStreamPair, type ByteStream, type Listener } from "../streams/index.ts";
import {
  connectTcp,
  connectTls,
  connectUnix,
  listenTcp,
  listenUnix,
  serveListener,
  serveTcp,
  serveTls,
  serveUnix,
  type ServeTcpOptions,
  type SocketListener,
  type SocketStream,
} from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "tasktree-serve-"));
after(() => rmSync(folder, { recursive: true }));

async function echo(connection: SocketStream): Promise<void> {
  for await (const chunk of connection) await connection.write(chunk);
}

type Handler = (connection: SocketStream) => unknown;
type Started = (listener: SocketListener) => void;

/** A server as a service of the group. */
function served(group: TaskGroup, handler: Handler, options: Partial<ServeTcpOptions> = {}): Promise<SocketListener> {
  const serve = (started: Started) => serveTcp(handler, { port: 0, ...options, started });
  return group.start<SocketListener>(serve, { service: true });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(1);
}

async function said(stream: SocketStream, bytes: Uint8Array): Promise<void> {
  await stream.write(bytes);
  assert.deepEqual(await readExactly(stream, bytes.length), bytes);
}

test("V1 serveTcp() serves each connection in a task named after the other side", async () => {
  const names: string[] = [];
  await withTaskGroup(async (group) => {
    const listener = await served(group, async (connection) => {
      names.push(currentTask()!.path);
      await echo(connection);
    });
    assert.equal(listener.host, "127.0.0.1");
    await using first = await connectTcp("127.0.0.1", listener.port!);
    await using second = await connectTcp("127.0.0.1", listener.port!);
    await Promise.all([said(first, numbered(3)), said(second, numbered(9, 50))]);
    assert.match(names.join(" "), new RegExp(`connection from 127.0.0.1:${first.localPort}`));
    assert.match(names.join(" "), new RegExp(`connection from 127.0.0.1:${second.localPort}`));
  });
});

test("V1 serveTcp() closes the connection of a handler that returns", async () => {
  await withTaskGroup(async (group) => {
    const { port } = await served(group, (connection) => connection.write(numbered(5)));
    await using client = await connectTcp("127.0.0.1", port!);
    assert.deepEqual(await readAll(client), numbered(5));
  });
});

test("N3 V1 a handler's answer is read to its end by a client that was still sending, also later on", async () => {
  const answer = numbered(1_000_000);
  for (const pauseBetween of [0, 20]) {
    await withTaskGroup(async (group) => {
      const { port } = await served(group, async (connection) => {
        await connection.read(10);
        await connection.write(answer);
      });
      const client = await connectTcp("127.0.0.1", port!);
      for (let piece = 0; piece < 20; piece++) {
        await client.write(new Uint8Array(150_000));
        if (pauseBetween > 0 && piece < 10) await pause(pauseBetween);
      }
      assert.deepEqual(await readAll(client), answer);
      await client.close();
    });
  }
});

test("close() does not wait for a client that says nothing more and keeps its side open", async () => {
  await using listener = await listenTcp({ port: 0 });
  const client = await connectTcp("127.0.0.1", listener.port!);
  const server = await listener.accept();
  await server.write(numbered(3));
  await server.close();
  assert.deepEqual(await readAll(client), numbered(3));
  // It is still there, to take what may come.
  await client.write(numbered(3));
  await pause(20);
  await client.write(numbered(3));
  await client.closeWriting();
  await client.close();
});

test("close() waits for the end of a client that was still sending, a second at most", async () => {
  await using listener = await listenTcp({ port: 0 });
  const client = await connectTcp("127.0.0.1", listener.port!);
  const server = await listener.accept();
  await client.write(numbered(3));
  await until(() => server.statistics().buffered === 3);
  await server.write(numbered(3));
  const begun = performance.now();
  await server.close();
  const lasted = performance.now() - begun;
  assert.ok(lasted >= 900 && lasted < 10_000, `${lasted} ms`);
  assert.deepEqual(await readAll(client), numbered(3));
  await client.close();
});

test("V1 serveTcp() resets the connection of a handler that throws, reports it, and serves the others", async () => {
  const reported: unknown[] = [];
  const wrong = new Error("wrong");
  await withTaskGroup(async (group) => {
    const handler = async (connection: SocketStream) => {
      const chunk = await connection.read();
      if (chunk![0] === 1) throw wrong;
      await connection.write(chunk!);
      await echo(connection);
    };
    const onError = (error: unknown, connection: SocketStream | undefined) =>
      reported.push(error, connection?.remotePort);
    const { port } = await served(group, handler, { onError });
    await using good = await connectTcp("127.0.0.1", port!);
    await said(good, numbered(1));
    await using bad = await connectTcp("127.0.0.1", port!);
    await bad.write(numbered(1, 1));
    await assert.rejects(bad.read(), BrokenError);
    assert.deepEqual(reported, [wrong, bad.localPort]);
    await said(good, numbered(4));
  });
});

test("serveTcp() prints what a handler throws on standard error when nobody else wants it", async (t) => {
  const print = t.mock.method(console, "error", () => {});
  await withTaskGroup(async (group) => {
    const { port } = await served(group, async (connection) => {
      await connection.read();
      throw new Error("wrong");
    });
    await using client = await connectTcp("127.0.0.1", port!);
    await client.write(numbered(1));
    await assert.rejects(client.read(), BrokenError);
  });
  const [call] = print.mock.calls;
  assert.match(String(call!.arguments[0]), /connection from 127\.0\.0\.1:\d+ failed:$/);
  assert.equal((call!.arguments as unknown as [string, Error])[1].message, "wrong");
});

test("serveTcp() fails with what onError throws", async () => {
  const wrong = new Error("wrong");
  const error = await rejection(
    withTaskGroup(async (group) => {
      const { port } = await served(group, (connection) => connection.read().then(() => Promise.reject(wrong)), {
        onError(thrown) {
          throw thrown;
        },
      });
      await using client = await connectTcp("127.0.0.1", port!);
      await client.write(numbered(1));
      await sleepForever();
    }),
  );
  assert.equal(error, wrong);
});

test("V1 a reset and a half-open connection end their own task only", async () => {
  const reported: unknown[] = [];
  await withTaskGroup(async (group) => {
    const { port } = await served(group, echo, { onError: (error) => void reported.push(error) });
    await using good = await connectTcp("127.0.0.1", port!);
    const torn = await connectTcp("127.0.0.1", port!);
    await said(torn, numbered(3));
    torn.abort();
    await using half = await connectTcp("127.0.0.1", port!);
    await half.closeWriting();
    assert.equal(await half.read(), undefined);
    await until(() => reported.length === 1);
    await said(good, numbered(3));
  });
  assert.ok(reported[0] instanceof BrokenError);
});

test("V2 C11c a server that drains takes no more connections, and resolves when those it has were served", async () => {
  await run(
    async () => {
      await withCancelScope(async (scope) => {
        await withTaskGroup(async (group) => {
          let ended = false;
          const listener = await group.start<SocketListener>(async (started: Started) => {
            await serveTcp(echo, { port: 0, started });
            ended = true;
          });
          await using client = await connectTcp("127.0.0.1", listener.port!);
          await said(client, numbered(3));
          scope.drain(60_000);
          await until(() => listener.isClosed);
          await assert.rejects(connectTcp("127.0.0.1", listener.port!), BrokenError);
          await said(client, numbered(7));
          assert.equal(ended, false);
          await client.closeWriting();
          await until(() => ended);
        });
      });
    },
    { host: false },
  );
});

test("V2 a server that is cancelled cancels its handlers, resets their connections, and listens no more", async () => {
  let cut: unknown;
  let reading = false;
  await withTaskGroup(async (group) => {
    const handler = async (connection: SocketStream) => {
      try {
        reading = true;
        await connection.read();
      } catch (error) {
        cut = error;
        throw error;
      }
    };
    let scope: Scope | undefined;
    const listener = await group.start<SocketListener>((started: Started) =>
      withCancelScope((around) => {
        scope = around;
        return serveTcp(handler, { port: 0, started });
      }),
    );
    await using client = await connectTcp("127.0.0.1", listener.port!);
    await until(() => reading);
    scope!.cancel();
    await assert.rejects(client.read(), BrokenError);
    assert.ok(listener.isClosed);
  });
  assert.ok(cut instanceof CancelledError);
});

test("V2 K7 a connection that was handed out as the server was cancelled is torn, and no handler is called", async () => {
  const [here, there] = memoryStreamPair();
  await withCancelScope(async (scope) => {
    const listener: Listener<ByteStream> = {
      isClosed: false,
      accept: () => Promise.reject(new Error("not used")),
      close: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
      statistics: () => ({ backlog: 0, accepting: 0 }),
      [Symbol.asyncIterator]: () => ({
        async next() {
          scope.cancel();
          return { done: false, value: here };
        },
      }),
    };
    await serveListener(listener, () => assert.fail("it is cancelled"));
  });
  assert.ok(here.isClosed);
  await assert.rejects(there.read(), BrokenError);
});

test("V3 serveTcp() lets those who come when there are maxConnections wait until one has left", async () => {
  await withTaskGroup(async (group) => {
    const listener = await served(group, echo, { maxConnections: 1 });
    const first = await connectTcp("127.0.0.1", listener.port!);
    await said(first, numbered(1));
    await using second = await connectTcp("127.0.0.1", listener.port!);
    await second.write(numbered(2));
    await until(() => listener.statistics().backlog === 1);
    assert.equal(second.statistics().buffered, 0);
    await first.close();
    assert.deepEqual(await readExactly(second, 2), numbered(2));
  });
});

test("a listener resets those for whom the backlog has no room, and counts them", async () => {
  await using listener = await listenTcp({ port: 0, backlog: 1 });
  await using _ = await connectTcp("127.0.0.1", listener.port!);
  // The reset may be there before the system has told of the connection.
  const late = connectTcp("127.0.0.1", listener.port!).then((client) => client.read());
  await assert.rejects(late, BrokenError);
  assert.deepEqual(listener.statistics(), { backlog: 1, accepting: 0, dropped: 1, failedHandshakes: 0 });
});

test("serveTcp() refuses arguments that make no sense", async () => {
  await assert.rejects(serveTcp("echo" as never, { port: 0 }), TypeError);
  await assert.rejects(serveTcp(echo, { port: 0, maxConnections: 0 }), RangeError);
  await assert.rejects(serveTcp(echo, { port: -1 }), RangeError);
  await assert.rejects(serveTcp(echo, { port: 0, backlog: 1.5 }), RangeError);
  await assert.rejects(serveTcp(echo, { port: 0, host: 5 as never }), TypeError);
});

test("listenTcp() where somebody listens already says so", async () => {
  await using listener = await listenTcp({ port: 0 });
  const error = await rejection(listenTcp({ port: listener.port! }));
  assert.ok(error instanceof InvalidStateError);
  assert.match(error.message, /^Cannot listen on '127\.0\.0\.1:\d+': listen EADDRINUSE/);
});

test("C3 accept() and a loop over a listener end as it is closed, cancelled or drained", async () => {
  const listener = await listenTcp({ port: 0 });
  await withTaskGroup(async (group) => {
    const accepting = group.attempt(() => listener.accept());
    const looping = group.spawn(async () => {
      for await (const _ of listener) assert.fail("nobody has come");
      return "over";
    });
    await until(() => listener.statistics().accepting === 2);
    await withCancelScope(async (scope) => {
      scope.cancel();
      await assert.rejects(listener.accept(), CancelledError);
    });
    await listener.close();
    await assert.rejects(Promise.resolve(accepting), ClosedError);
    assert.equal(await looping, "over");
  });
  await assert.rejects(listener.accept(), ClosedError);
  assert.equal(listener.statistics().accepting, 0);
});

test("serveUnix() makes its socket, replaces one that was left behind, and removes it at the end", async () => {
  const path = join(folder, "socket");
  await leaveSocket(path);
  assert.ok(existsSync(path));
  await withTaskGroup(async (group) => {
    await group.start<SocketListener>((started: Started) => serveUnix(echo, { path, started }), { service: true });
    await using client = await connectUnix(path);
    await said(client, numbered(3));
  });
  assert.ok(!existsSync(path));
});

test("listenUnix() leaves alone what is no socket, and one on which somebody listens", async () => {
  const file = join(folder, "file");
  writeFileSync(file, "precious");
  await assert.rejects(listenUnix({ path: file }), InvalidStateError);
  assert.ok(existsSync(file));
  const path = join(folder, "alive");
  await using _ = await listenUnix({ path });
  await assert.rejects(listenUnix({ path }), InvalidStateError);
  await using client = await connectUnix(path);
  assert.equal(client.peer, path);
});

/** Leaves a socket at `path` that nobody listens on, as a server does that has no time to clean up. */
async function leaveSocket(path: string): Promise<void> {
  const left = createServer();
  await new Promise<void>((resolve) => void left.listen(path, resolve));
  rename(path, `${path}.left`);
  left.close();
  await pause(10);
  rename(`${path}.left`, path);
}

test("listenUnix() twice at once over a socket that was left behind: one listens, the other says that somebody does", async () => {
  const path = join(folder, "twice");
  await leaveSocket(path);
  const results = await Promise.allSettled([1, 2, 3].map(() => listenUnix({ path })));
  const listening = results.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
  const reasons = results.flatMap((result) => (result.status === "rejected" ? (result.reason as unknown) : []));
  assert.equal(listening.length, 1);
  for (const reason of reasons) {
    assert.ok(reason instanceof InvalidStateError);
    assert.match(reason.message, /^Cannot listen on '.*': listen EADDRINUSE/);
  }
  await using listener = listening[0]!;
  await using _ = await connectUnix(path);
  await using __ = await listener.accept();
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith("twice")),
    ["twice"],
  );
});

test("a listener that is closed leaves alone the file that another has put in its place", async () => {
  const path = join(folder, "replaced");
  const old = await listenUnix({ path });
  rmSync(path);
  await using listener = await listenUnix({ path });
  await old.close();
  await using _ = await connectUnix(path);
  await using __ = await listener.accept();
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith("replaced")),
    ["replaced"],
  );
});

test("listenUnix() where somebody listens who has no room for a connection says that somebody does", async () => {
  const path = join(folder, "full");
  await using _ = await listenUnix({ path, backlog: 1 });
  const crowd = Array.from({ length: 5 }, () => connect(path).on("error", () => {}));
  try {
    await assert.rejects(listenUnix({ path }), InvalidStateError);
  } finally {
    for (const socket of crowd) socket.destroy();
  }
});

test("serveTls() serves through TLS", needs(program("openssl", "openssl")), async () => {
  const { cert, key } = makeCertificate();
  await withTaskGroup(async (group) => {
    const serve = (started: Started) => serveTls(echo, { port: 0, cert, key, started });
    const { port } = await group.start<SocketListener>(serve, { service: true });
    await using client = await connectTls("localhost", port!, { ca: cert });
    await said(client, numbered(200_000));
  });
});
