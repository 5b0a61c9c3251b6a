import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import { test, type TestOptions } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { makeCertificate } from "../../test/certificate.ts";
import { needs, proc, program } from "../../test/needs.ts";
import { skipOn } from "../../test/runtime.ts";
import { randomFrom } from "../../test/random.ts";
import { rejection } from "../../test/rejection.ts";
import { numbered, readAll } from "../../test/stream-conformance.ts";
import {
  BrokenError,
  CancelledError,
  ClosedError,
  failAfter,
  moveOnAfter,
  run,
  sleep,
  TimeoutError,
  withCancelScope,
  withTaskGroup,
} from "../index.ts";
import { BufferedReader, memoryStreamPair, type ByteStream } from "../streams/index.ts";
import { connectTcp, connectTls, listenTcp, listenTls, startTls, type SocketStream } from "./index.ts";

type Ends = readonly [client: SocketStream, server: SocketStream];

const takesAll = "it takes over what is written at once";

function connected(name: string, body: (ends: Ends) => Promise<void>, options: TestOptions = {}): void {
  test(name, options, () =>
    run(
      async () => {
        await using listener = await listenTcp({ port: 0 });
        await using client = await connectTcp("127.0.0.1", listener.port!);
        await using server = await listener.accept();
        await body([client, server]);
      },
      { host: false },
    ),
  );
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(1);
}

const large = 20_000_000;

connected("N5 a reset fails the read that waits, and every later call", async ([client, server]) => {
  await withTaskGroup(async (group) => {
    const reading = group.attempt(() => client.read());
    await until(() => client.statistics().reading);
    server.abort();
    const error = await rejection(Promise.resolve(reading));
    assert.ok(error instanceof BrokenError);
    assert.equal((error.cause as NodeJS.ErrnoException).code, "ECONNRESET");
    assert.match(error.message, /^Cannot read from the connection with '127\.0\.0\.1:\d+': read ECONNRESET$/);
  });
  await assert.rejects(client.read(), BrokenError);
  await assert.rejects(client.write(numbered(1)), BrokenError);
  await assert.rejects(client.closeWriting(), BrokenError);
});

connected("N5 a reset fails the write that waits", async ([client, server]) => {
  await withTaskGroup(async (group) => {
    const writing = group.attempt(() => client.write(new Uint8Array(large)));
    await until(() => client.statistics().writing);
    server.abort();
    await assert.rejects(Promise.resolve(writing), BrokenError);
  });
});

connected("N5 a reset that comes while nobody is there is told to who comes next", async ([client, server]) => {
  server.abort();
  await pause(30);
  const error = await rejection(client.read());
  assert.equal(((error as BrokenError).cause as NodeJS.ErrnoException).code, "ECONNRESET");
  await assert.rejects(client.write(numbered(1)), BrokenError);
});

connected(
  "N3 what came before the other end's end is read, though writing to it has failed meanwhile",
  async (ends) => {
    const [client, server] = ends;
    await server.write(numbered(300));
    await server.close();
    await until(() => client.statistics().buffered === 300);
    await pause(20);
    await failAfter(5000, async () => {
      for (;;) await client.write(numbered(1000));
    }).catch((error: unknown) => assert.ok(error instanceof BrokenError, String(error)));
    assert.deepEqual(await readAll(client), numbered(300));
  },
);

connected("N3 the other end closes during a write: it rejects", async ([client, server]) => {
  await withTaskGroup(async (group) => {
    const writing = group.attempt(() => client.write(new Uint8Array(large)));
    await until(() => client.statistics().writing);
    await server.close();
    await assert.rejects(Promise.resolve(writing), BrokenError);
  });
});

connected("N4 a writer that is cut again and again is no further ahead of one who never reads", async ([client]) => {
  await withTaskGroup(async (group) => {
    group.spawn(() => client.write(new Uint8Array(large)));
    await until(() => client.statistics().writing);
    await pause(50);
    group.cancel();
  }).catch((error: unknown) => assert.ok(!(error instanceof BrokenError)));
  const ahead = client.bytesWritten;
  assert.ok(ahead < large / 2, `${ahead} bytes`);
  for (let turn = 0; turn < 50; turn++) await moveOnAfter(1, () => client.write(new Uint8Array(100_000)));
  assert.ok(client.bytesWritten - ahead <= 100_000, `${client.bytesWritten - ahead} more`);
});

connected(
  "N4 what nobody reads waits at the other end, with no more than 128 KiB read ahead",
  async ([client, server]) => {
    await withTaskGroup(async (group) => {
      group.spawn(() => client.write(new Uint8Array(large)));
      await until(() => client.statistics().writing);
      await pause(50);
      assert.ok(server.statistics().buffered <= 131_072, `${server.statistics().buffered} bytes`);
      for (let left = large; left > 0;) left -= (await server.read(left))!.length;
    });
  },
);

connected(
  "close() waits a second at most for who does not read what a cut write has begun",
  async ([client, server]) => {
    await moveOnAfter(50, () => client.write(new Uint8Array(large)));
    const begun = performance.now();
    await client.close();
    assert.ok(performance.now() - begun < 10_000);
    await assert.rejects(readAll(server), BrokenError);
  },
  skipOn({ bun: takesAll }),
);

connected(
  "C3d after the cut-off close() tears what it waits for",
  async ([client]) => {
    await moveOnAfter(50, () => client.write(new Uint8Array(large)));
    await withCancelScope(
      async (scope) => {
        scope.cancel();
        await assert.rejects(client.close(), CancelledError);
      },
      { grace: 20 },
    );
    assert.ok(client.isClosed);
  },
  skipOn({ bun: takesAll }),
);

connected("a connection that was closed under a handler's hands says so", async ([client]) => {
  await client.close();
  await assert.rejects(client.read(), ClosedError);
});

test("connectTcp() to a port where nobody listens rejects with the system's error as the cause", async () => {
  const listener = await listenTcp({ port: 0 });
  await listener.close();
  const error = await rejection(connectTcp("127.0.0.1", listener.port!));
  assert.ok(error instanceof BrokenError);
  assert.match(error.message, /^Cannot connect to '127\.0\.0\.1:\d+': connect ECONNREFUSED/);
});

test("connectTcp() to a name that is not known rejects", async () => {
  const error = await rejection(connectTcp("nowhere.invalid", 80));
  assert.ok(error instanceof BrokenError);
  assert.match(error.message, /^Cannot connect to 'nowhere\.invalid:80': getaddrinfo E/);
});

test("connectTcp() to where nobody answers ends with the deadline around it", async () => {
  const error = await rejection(failAfter(50, () => connectTcp("192.0.2.1", 80)));
  assert.ok(error instanceof TimeoutError || error instanceof BrokenError, String(error));
});

test("connectTcp() refuses hosts and ports that make no sense", async () => {
  for (const host of ["", 1, undefined] as never[]) await assert.rejects(connectTcp(host, 80), TypeError);
  for (const port of [0, -1, 1.5, 65_536, "80"] as never[])
    await assert.rejects(connectTcp("localhost", port), RangeError);
  await assert.rejects(connectTcp("localhost", 80, null as never), TypeError);
});

test("C3a connectTcp() cut on entry opens nothing", async () => {
  await withCancelScope(async (scope) => {
    scope.cancel();
    await assert.rejects(connectTcp("127.0.0.1", 1), CancelledError);
  });
});

const openssl = needs(program("openssl", "openssl"));

test("connectTls() refuses a certificate for another name, and one that nobody vouches for", openssl, async () => {
  const { cert, key } = makeCertificate();
  await using listener = await listenTls({ port: 0, cert, key });
  const wrongName = await rejection(
    connectTls("127.0.0.1", listener.port!, { ca: cert, servername: "elsewhere.invalid" }),
  );
  assert.ok(wrongName instanceof BrokenError);
  assert.equal((wrongName.cause as NodeJS.ErrnoException).code, "ERR_TLS_CERT_ALTNAME_INVALID");
  const unknown = await rejection(connectTls("127.0.0.1", listener.port!));
  assert.ok(unknown instanceof BrokenError);
  assert.match(unknown.message, /^Cannot agree on TLS with '127\.0\.0\.1:\d+': self.signed certificate/);
});

test("connectTls() agrees on a protocol, and says who is at the other end", openssl, async () => {
  const { cert, key } = makeCertificate();
  await using listener = await listenTls({ port: 0, cert, key, ALPNProtocols: ["two", "one"] });
  await using client = await connectTls("localhost", listener.port!, { ca: cert, ALPNProtocols: ["one"] });
  await using server = await listener.accept();
  assert.deepEqual(client.tls, { alpnProtocol: "one", authorized: true });
  assert.equal(server.tls!.alpnProtocol, "one");
  assert.equal(server.remotePort, client.localPort);
});

test("listenTls() counts who does not speak TLS, and goes on", openssl, async () => {
  const { cert, key } = makeCertificate();
  await using listener = await listenTls({ port: 0, cert, key });
  await using stranger = await connectTcp("127.0.0.1", listener.port!);
  await stranger.write(Buffer.from("GET / HTTP/1.0\r\n\r\n"));
  await readAll(stranger).catch((error: unknown) => assert.ok(error instanceof BrokenError));
  assert.equal(listener.statistics().failedHandshakes, 1);
  await using _ = await connectTls("localhost", listener.port!, { ca: cert });
});

const hidden = "a TLS server does not show the socket under a connection";
const canTear = { skip: openssl.skip || skipOn({ bun: hidden, deno: hidden }).skip };

/** A server that hears of what becomes of a client, on a connection that is no socket too. */
const servesTls = openssl;

const leaky = { skip: openssl.skip || needs(proc).skip };

test("a client that leaves before it has agreed on TLS leaves no descriptor with the server", leaky, async () => {
  const { cert, key } = makeCertificate();
  await using listener = await listenTls({ port: 0, cert, key, handshakeTimeout: Infinity });
  const before = descriptors();
  for (let round = 0; round < 5; round++) {
    const client = await connectTcp("127.0.0.1", listener.port!);
    await client.close();
  }
  await until(() => listener.statistics().failedHandshakes === 5);
  await until(() => descriptors() <= before);
});

test("listenTls() disconnects who has not agreed on TLS after handshakeTimeout", openssl, async () => {
  const { cert, key } = makeCertificate();
  await using listener = await listenTls({ port: 0, cert, key, handshakeTimeout: 30 });
  await using silent = await connectTcp("127.0.0.1", listener.port!);
  assert.ok(await endsSomehow(silent));
  assert.equal(listener.statistics().failedHandshakes, 1);
  for (const handshakeTimeout of [0, -1, 1.5, "1" as never])
    await assert.rejects(listenTls({ port: 0, cert, key, handshakeTimeout }), RangeError);
  await using _ = await listenTls({ port: 0, cert, key, handshakeTimeout: Infinity });
});

test("a listener of TLS that is closed disconnects who has not agreed yet", canTear, async () => {
  const { cert, key } = makeCertificate();
  const listener = await listenTls({ port: 0, cert, key, handshakeTimeout: Infinity });
  await using silent = await connectTcp("127.0.0.1", listener.port!);
  await pause(30);
  await listener.close();
  assert.ok(await endsSomehow(silent));
});

/** Whether it is over, as an end or as a reset, within a time that is long. */
async function endsSomehow(stream: SocketStream): Promise<boolean | undefined> {
  return await moveOnAfter(10_000, async () => {
    await readAll(stream).catch(expectBroken);
    return true;
  });
}

const unchecked = skipOn({ deno: "looks at keys and certificates when it agrees on TLS, not before" });

test(
  "connectTls(), startTls() and listenTls() refuse keys that are none; startTls() closes its stream",
  unchecked,
  async () => {
    const bad = { cert: "none", key: "none" };
    await using listener = await listenTcp({ port: 0 });
    const wrong = await rejection(connectTls("127.0.0.1", listener.port!, bad));
    assert.ok(wrong instanceof TypeError);
    assert.match(wrong.message, /^Cannot connect to '127\.0\.0\.1:\d+' with these keys and certificates: /);
    assert.ok(wrong.cause instanceof Error);
    await using later = await connectTcp("127.0.0.1", listener.port!);
    await using first = await listener.accept();
    assert.equal(first.remotePort, later.localPort, "it has connected");
    await assert.rejects(listenTls({ port: 0, ...bad }), {
      name: "TypeError",
      message: /^Cannot listen with these keys/,
    });
    for (const side of [{ isServer: true } as const, { servername: "localhost" }]) {
      const [here, there] = memoryStreamPair();
      await assert.rejects(startTls(here, { ...bad, ...side }), {
        name: "TypeError",
        message: /^Cannot start TLS with these keys/,
      });
      assert.ok(here.isClosed);
      await assert.rejects(there.read(), BrokenError);
    }
  },
);

/** What a client may do instead of agreeing on TLS. */
const partings: Record<string, (client: ByteStream, cert: string) => Promise<unknown>> = {
  "says nothing and closes": (client) => client.close(),
  "begins and closes": async (client) => {
    await client.write(Buffer.from([22, 3, 1, 2, 0, 1]));
    await client.close();
  },
  "tears it": async (client) => client.abort(),
  "speaks something else": (client) => client.write(Buffer.from("GET / HTTP/1.0\r\n\r\n")),
  "refuses the certificate": (client, cert) => startTls(client, { ca: cert, servername: "elsewhere.invalid" }),
};

for (const [name, part] of Object.entries(partings)) {
  test(`startTls() of a server rejects and closes its stream when the client ${name}`, servesTls, async () => {
    const { cert, key } = makeCertificate();
    await using listener = await listenTcp({ port: 0 });
    const overTcp = await Promise.all([connectTcp("127.0.0.1", listener.port!), listener.accept()]);
    for (const [client, server] of [memoryStreamPair(), overTcp] as [ByteStream, ByteStream][]) {
      const parted = part(client, cert).catch(expectBroken);
      const options = { isServer: true, cert, key, handshakeTimeout: Infinity } as const;
      await assert.rejects(
        failAfter(10_000, () => startTls(server, options)),
        BrokenError,
      );
      assert.ok(server.isClosed);
      await parted;
      client.abort();
    }
  });
}

test("startTls() of a server waits for a silent client as long as handshakeTimeout says", servesTls, async () => {
  const { cert, key } = makeCertificate();
  const [, server] = memoryStreamPair();
  const starting = startTls(server, { isServer: true, cert, key, handshakeTimeout: 30 });
  assert.match(String(await rejection(failAfter(10_000, () => starting))), /TLS handshake timeout/);
  assert.ok(server.isClosed);
  await assert.rejects(startTls(memoryStreamPair()[0], { isServer: true, cert, key, handshakeTimeout: 0 }), RangeError);
});

test("startTls() of a server refuses a client's certificate that nobody vouches for", servesTls, async () => {
  const [ours, theirs] = [makeCertificate(), makeCertificate()];
  for (const [{ cert, key }, accepted] of [
    [ours, true],
    [theirs, false],
  ] as const) {
    const [client, server] = memoryStreamPair();
    const connecting = startTls(client, { cert, key, ca: ours.cert, servername: "localhost" }).catch(expectBroken);
    const asking = { isServer: true, requestCert: true, ca: ours.cert, ...ours } as const;
    if (accepted) assert.equal((await startTls(server, asking)).tls!.authorized, true);
    else await assert.rejects(startTls(server, asking), BrokenError);
    server.abort();
    await connecting;
  }
});

test("startTls() of a client wants to know for whom the certificate must be valid", openssl, async () => {
  const { cert, key } = makeCertificate();
  const [client, server] = memoryStreamPair();
  await assert.rejects(startTls(client, { ca: cert }), { name: "TypeError", message: /wanted servername/ });
  assert.ok(client.isClosed);
  await assert.rejects(server.read(), BrokenError);
  for (const options of [{ rejectUnauthorized: false }, { ca: cert, checkServerIdentity: () => undefined }]) {
    const [a, b] = memoryStreamPair();
    await using both = new AsyncDisposableStack();
    const [first, second] = await Promise.all([startTls(a, options), startTls(b, { isServer: true, cert, key })]);
    both.use(first);
    both.use(second);
  }
});

test("startTls() refuses what a reader has read ahead: anybody may have said it", openssl, async () => {
  const { cert, key } = makeCertificate();
  await using listener = await listenTcp({ port: 0 });
  for (const said of ["STARTTLS\r\nDELETE everything\r\n", "STARTTLS\r\n"]) {
    await using client = await connectTcp("127.0.0.1", listener.port!);
    const server = await listener.accept();
    await client.write(Buffer.from(said));
    const reader = new BufferedReader(server);
    assert.equal(await reader.readLine(), "STARTTLS");
    await server.write(Buffer.from("go"));
    assert.ok((await client.read()) !== undefined);
    const agreeing = startTls(client, { ca: cert, servername: "localhost" }).catch(expectBroken);
    await until(() => server.statistics().buffered > 0);
    const starting = startTls(server, { isServer: true, cert, key, reader });
    if (said.includes("DELETE")) {
      const error = await rejection(starting);
      assert.ok(error instanceof BrokenError);
      assert.equal(error.message, "Cannot start TLS: 19 bytes came before it, and were not read");
      assert.ok(server.isClosed);
      await agreeing;
    } else {
      const under = await starting;
      await under.write(numbered(1));
      assert.deepEqual(await ((await agreeing) as SocketStream).read(), numbered(1));
      under.abort();
    }
  }
});

test("a listener that is closed resets who has not been accepted", async () => {
  const listener = await listenTcp({ port: 0 });
  await using client = await connectTcp("127.0.0.1", listener.port!);
  await until(() => listener.statistics().backlog === 1);
  await listener.close();
  await assert.rejects(client.read(), BrokenError);
});

test("a listener of TLS that is closed resets who has not been accepted", canTear, async () => {
  const { cert, key } = makeCertificate();
  const listener = await listenTls({ port: 0, cert, key });
  await using client = await connectTls("localhost", listener.port!, { ca: cert });
  await until(() => listener.statistics().backlog === 1);
  await listener.close();
  await assert.rejects(client.read(), BrokenError);
});

test("C3a a connection agreed on no TLS yet is closed when connectTls() is cancelled", openssl, async () => {
  let closed = 0;
  const silent = createServer((socket) =>
    socket
      .on("error", () => {})
      .on("close", () => closed++)
      .resume(),
  );
  await new Promise<void>((resolve) => void silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  assert.equal(await moveOnAfter(50, () => connectTls("127.0.0.1", port)), undefined);
  await until(() => closed === 1);
  silent.close();
});

test("C3a however connecting, writing and reading are cut, no descriptor is left", needs(proc), async () => {
  const random = randomFrom(7);
  let before = 0;
  await run(
    async () => {
      await using listener = await listenTcp({ port: 0 });
      await withTaskGroup(async (group) => {
        const echo = async (stream: SocketStream) => {
          await using _ = stream;
          for await (const chunk of stream) await stream.write(chunk);
        };
        const serving = group.spawn(async () => {
          for await (const stream of listener) group.spawn(() => echo(stream).catch(expectBroken));
        });
        const visit = async () => {
          const stream = await connectTcp("localhost", listener.port!);
          try {
            await stream.write(numbered(2000));
            for (let left = 2000; left > 0;) left -= (await stream.read())!.length;
          } finally {
            stream.abort();
          }
        };
        await visit().catch(expectBroken);
        before = descriptors();
        for (let round = 0; round < 20; round++) {
          const visits = Array.from({ length: 50 }, () => group.spawn(visit));
          for (const task of visits) {
            if (random(4) === 0) await sleep(random(3));
            task.cancel();
          }
          for (const task of visits) await task.outcome();
        }
        await listener.close();
        await serving;
      });
    },
    { host: false },
  );
  for (let wait = 0; wait < 500 && descriptors() >= before; wait++) await pause(10);
  assert.ok(descriptors() < before, `${descriptors()} descriptors, ${before} before`);
});

function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

function expectBroken(error: unknown): void {
  if (!(error instanceof BrokenError)) throw error;
}
