/** What is no request, by the thousand: each is answered with an error or closed, and the next good request is served. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RawClient, served, until } from "../../../test/http-clients.ts";
import { randomFrom } from "../../../test/random.ts";
import { isPinned } from "../../../test/runtime.ts";
import { withTaskGroup } from "../../index.ts";
import { reply } from "../index.ts";

const good = "GET /good HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

const corpus = [
  good,
  "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
  "POST /chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  "POST /trailer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n1\r\na\r\n0\r\nx: y\r\n\r\n",
  "POST /both HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "POST /twice HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
  "POST /negative HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
  "POST /expect HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
  "POST /expect HTTP/1.1\r\nHost: a\r\nExpect: the-spanish-inquisition\r\nContent-Length: 0\r\n\r\n",
  "GET http://absolute.example:99999/ HTTP/1.1\r\nHost: a\r\n\r\n",
  "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
  "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
  "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "GET /folded HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n",
  "GET /nul\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
];
const bits = [
  "\r\n",
  "\r",
  "\n",
  "\0",
  " ",
  ":",
  "\xff",
  "HTTP/1.1",
  "Host: b\r\n",
  "chunked",
  "99999999999999999999",
  "ffffffff\r\n",
  ";",
  "%",
  "//",
];

test("U3 thousands of malformed requests are each answered with an error or closed, and the next good one is served", async () => {
  const cases = isPinned ? 5000 : 1000;
  const below = randomFrom(7);
  const errors: unknown[] = [];
  const outcomes = new Map<string, number>();
  await withTaskGroup(async (group) => {
    const limits = {
      maxBody: 1000,
      headersTimeout: 1000,
      receiveTimeout: 1000,
      onError: (error: unknown) => errors.push(error),
    };
    const listener = await served(
      group,
      async (request) => reply(`${request.url} ${(await request.text()).length}`),
      limits,
    );
    for (let at = 0; at < cases; at += 50) {
      const outcomesOfBatch = await Promise.all(Array.from({ length: 50 }, () => attempt(mutated())));
      for (const outcome of outcomesOfBatch) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      const client = await RawClient.open(listener);
      client.say(good);
      assert.match(await client.whole(), /^HTTP\/1\.1 200 OK[^]*\/good 0$/);
    }
    await until(() => listener.statistics().requests === 0 && listener.statistics().connections === 0);

    /** The first line of what comes back, when the client has said all that it has to say. */
    async function attempt(text: string): Promise<string> {
      const client = await RawClient.open(listener);
      client.say(text);
      client.socket.end();
      const status = (await client.whole()).slice(0, 12);
      assert.match(status, /^(HTTP\/1\.1 (100|200|400|404|408|413|417|426|431|501|505)|)$/, JSON.stringify(text));
      return status === "" ? "closed" : status.slice(9);
    }
  });
  assert.deepEqual(errors, []);
  const told = [...outcomes].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([what, count]) => `${what}: ${count}`);
  console.log(`${cases} malformed requests, each answered or closed: ${told.join(", ")}`);
  assert.ok((outcomes.get("400") ?? 0) > cases / 10);

  function mutated(): string {
    let text = corpus[below(corpus.length)]!;
    for (let changes = below(4); changes >= 0; changes--) {
      const at = below(text.length + 1);
      const way = below(5);
      if (way === 0) text = text.slice(0, at) + bits[below(bits.length)]! + text.slice(at);
      else if (way === 1) text = text.slice(0, at) + text.slice(at + 1 + below(8));
      else if (way === 2) text = text.slice(0, at) + String.fromCharCode(below(256)) + text.slice(at + 1);
      else if (way === 3) text = text.slice(0, at) + text.slice(below(text.length + 1));
      else text += corpus[below(corpus.length)]!;
    }
    return text;
  }
});
