import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { describe, test } from "node:test";
import timers from "node:timers/promises";
import { everyWayOfIo } from "./every-way.ts";

/** Calls `use` with the address of a server that answers with `listener`, and closes it. */
async function withServer(listener: RequestListener, use: (url: string) => Promise<void>): Promise<void> {
  const server: Server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  } finally {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += chunk as string;
  return body;
}

describe("fetch and node:http under the await hook", () => {
  test(
    "fetch sends and receives bodies, several at a time",
    everyWayOfIo(() =>
      withServer(
        (request, response) => {
          void bodyOf(request).then((body) => response.setHeader("x-method", request.method!).end(body.toUpperCase()));
        },
        async (url) => {
          const post = async (body: string) => {
            const response = await fetch(url, { method: "POST", body });
            assert.equal(response.headers.get("x-method"), "POST");
            return await response.text();
          };
          assert.deepEqual(await Promise.all(["a", "b", "c"].map(post)), ["A", "B", "C"]);
          const json = await fetch(url, { method: "PUT", body: JSON.stringify({ n: 1 }) });
          assert.deepEqual(await json.json(), { N: 1 });
        },
      ),
    ),
  );

  test(
    "fetch streams a body in both directions",
    everyWayOfIo(() =>
      withServer(
        (request, response) => void request.pipe(response),
        async (url) => {
          const chunks = Array.from({ length: 8 }, (_, n) => new Uint8Array(10_000).fill(n));
          const body = Readable.toWeb(Readable.from(chunks));
          const response = await fetch(url, { method: "POST", body, duplex: "half" } as RequestInit);
          let length = 0;
          let last = 0;
          for await (const chunk of response.body!) {
            assert.ok(chunk[0]! >= last);
            last = chunk.at(-1)!;
            length += chunk.length;
          }
          assert.deepEqual([length, last], [80_000, 7]);
        },
      ),
    ),
  );

  test(
    "fetch rejects when nobody listens, and when the connection breaks in the middle of a body",
    everyWayOfIo(async () => {
      let closed = "";
      await withServer(
        (_request, response) =>
          void response.writeHead(200, { "content-length": 10 }).write("half", () => response.destroy()),
        async (url) => {
          closed = url;
          const response = await fetch(url).catch(() => undefined); // some runtimes see it that early
          if (response !== undefined) await assert.rejects(response.text());
        },
      );
      await assert.rejects(fetch(closed), TypeError);
    }),
  );

  test(
    "fetch is aborted with the signal's reason, before the answer and in its body",
    everyWayOfIo(() =>
      withServer(
        (request, response) => {
          if (request.url === "/body") response.writeHead(200).write("begun");
        },
        async (url) => {
          const reason = new Error("enough");
          const early = new AbortController();
          const never = fetch(url, { signal: early.signal });
          early.abort(reason);
          await assert.rejects(never, reason);
          const late = new AbortController();
          const response = await fetch(`${url}body`, { signal: late.signal });
          const text = response.text();
          late.abort(reason);
          await assert.rejects(text, reason);
        },
      ),
    ),
  );

  test(
    "time goes on when a connection is closed",
    everyWayOfIo(() =>
      withServer(
        (_request, response) => void response.writeHead(200, { connection: "close" }).end("fine"),
        async (url) => {
          assert.equal(await (await fetch(url)).text(), "fine");
          await timers.setTimeout(20);
          assert.equal(await (await fetch(url)).text(), "fine");
        },
      ),
    ),
  );
});
