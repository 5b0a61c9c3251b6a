import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { makeCertificate, type Certificate } from "../../test/certificate.ts";
import { needs, program } from "../../test/needs.ts";
import { skipOn } from "../../test/runtime.ts";
import { streamConformance, type MakePair, type StreamTraits } from "../../test/stream-conformance.ts";
import { run } from "../index.ts";
import {
  connectTcp,
  connectTls,
  connectUnix,
  listenTcp,
  listenTls,
  listenUnix,
  startTls,
  type SocketListener,
  type SocketStream,
} from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "tasktree-net-"));
after(() => rmSync(folder, { recursive: true }));

/** The system holds what it likes; less than this, as tried. */
const traits: StreamTraits = {
  run: (main) => run(main, { host: false }),
  quiet: () => pause(30),
  ahead: () => 8_000_000,
  tearsWhatEnded: false,
  seeds: 2,
};

async function bothEnds(listener: SocketListener, client: Promise<SocketStream>) {
  await using _ = listener;
  return await Promise.all([client, listener.accept()]);
}

streamConformance(
  "connectTcp()",
  async () => {
    const listener = await listenTcp({ port: 0 });
    return bothEnds(listener, connectTcp("127.0.0.1", listener.port!));
  },
  traits,
);

let sockets = 0;
streamConformance(
  "connectUnix()",
  async () => {
    const path = join(folder, `${++sockets}`);
    return bothEnds(await listenUnix({ path }), connectUnix(path));
  },
  { ...traits, resets: false },
);

/** The suite for what needs openssl and a runtime's whole TLS, or one test that says why not. */
function tlsConformance(
  name: string,
  { skip }: { skip: string | false },
  makePair: (pair: Certificate) => MakePair,
): void {
  if (skip === false) streamConformance(name, makePair(makeCertificate()), traits);
  else test(`${name}: the suite of streams`, { skip }, () => assert.fail("to be skipped"));
}

function either(...options: readonly { skip: string | false }[]): { skip: string | false } {
  return options.find(({ skip }) => skip !== false) ?? { skip: false };
}

const openssl = needs(program("openssl", "openssl"));
const untold = "says that TLS has taken bytes which it only keeps";

tlsConformance("connectTls()", either(openssl, skipOn({ deno: untold })), ({ cert, key }) => async () => {
  const listener = await listenTls({ port: 0, cert, key });
  return bothEnds(listener, connectTls("localhost", listener.port!, { ca: cert }));
});

tlsConformance("startTls()", either(openssl, skipOn({ bun: untold, deno: untold })), ({ cert, key }) => async () => {
  const listener = await listenTcp({ port: 0 });
  const [a, b] = await bothEnds(listener, connectTcp("127.0.0.1", listener.port!));
  return Promise.all([startTls(a, { servername: "localhost", ca: cert }), startTls(b, { isServer: true, cert, key })]);
});
