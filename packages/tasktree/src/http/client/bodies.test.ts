import assert from "node:assert/strict";
import test, { describe } from "node:test";
import zlib from "node:zlib";
import { withBoth } from "../../../test/client-and-server.ts";
import type { Answer } from "../../../test/http-server.ts";
import { until } from "../../../test/files.ts";
import { rejection } from "../../../test/rejection.ts";
import { skipOn } from "../../../test/runtime.ts";
import {
  BrokenError,
  ClosedError,
  HttpError,
  InvalidStateError,
  LimitExceededError,
  moveOnAfter,
  sleep,
  TaskLocal,
} from "../../index.ts";

describe("HttpClient", skipOn({ bun: "its undici has no connections" }), () => {
  test("U4 HttpResponse.body comes no faster than it is read", () => {
    let written = 0;
    const endless: Answer = (_, response) => {
      const more = (): void => {
        do written += 65_536;
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      };
      response.on("drain", more);
      more();
    };
    return withBoth(endless, async (client) => {
      const response = await client.get("/");
      let last = -1;
      while (last !== written) {
        last = written;
        assert.ok(written < 100_000_000, "the buffers of the system are smaller than that");
        await sleep(100);
      }
      assert.ok(response.body.statistics().buffered <= 200_000, `${response.body.statistics().buffered} bytes held`);
      for (let read = 0; read < last + 10_000_000;) read += (await response.body.read())!.length;
      assert.ok(written > last);
      await response.close();
      await assert.rejects(response.body.read(), ClosedError);
    });
  });

  test("HttpResponse.bytes(), text() and json() read at most limit bytes, and then close the connection", () =>
    withBoth(
      (request, response) => {
        const size = Number(request.url!.slice(2));
        if (request.url!.startsWith("/c")) response.setHeader("content-length", size);
        response.write("1".repeat(size));
        response.end();
      },
      async (client, server) => {
        for (const kind of ["c", "d"]) {
          for (const read of ["bytes", "text", "json"] as const) {
            const fits = await client.get(`/${kind}15`);
            assert.equal(String(await fits[read]({ limit: 15 })).length > 0, true);
            const large = await client.get(`/${kind}100000`);
            const error = await rejection(large[read]({ limit: 99_999 }));
            assert.ok(error instanceof LimitExceededError && error.limit === 99_999);
            assert.match(error.message, /^Cannot read the body of GET http.*: more than 99999 bytes$/);
          }
        }
        await assert.rejects((await client.get("/c1")).bytes({ limit: 0 }), RangeError);
        await until(() => server.open.size <= 1, "the connections of what was too large are closed");
      },
    ));

  test("HttpResponse reads its body once, decodes it by its charset, and says what is no JSON", () =>
    withBoth(
      (request, response) => {
        if (request.url === "/latin") {
          response.setHeader("content-type", 'text/plain; charset="iso-8859-1"').end(Buffer.from([0xe9]));
        } else if (request.url === "/odd") {
          response.setHeader("content-type", "text/plain; charset=no-such").end("é");
        } else {
          response.end(request.url === "/empty" ? "" : "{not json");
        }
      },
      async (client) => {
        assert.equal(await (await client.get("/latin")).text(), "é");
        assert.equal(await (await client.get("/odd")).text(), "é");
        for (const path of ["/bad", "/empty"]) {
          const response = await client.get(path);
          const error = await rejection(response.json());
          assert.ok(error instanceof SyntaxError && error.cause instanceof SyntaxError);
          assert.match(error.message, /^Cannot read the answer to GET http:.* as JSON: "/);
          await assert.rejects(response.text(), InvalidStateError);
        }
      },
    ));

  test("HttpClient undoes gzip, deflate, br and zstd, one in another too, and leaves what it does not know", () => {
    const plain = "plain text, ".repeat(5000);
    const encoders: Record<string, (data: Buffer) => Buffer> = {
      gzip: (data) => zlib.gzipSync(data),
      deflate: (data) => zlib.deflateSync(data),
      br: (data) => zlib.brotliCompressSync(data),
    };
    if ("zstdCompressSync" in zlib) encoders["zstd"] = (data) => zlib.zstdCompressSync(data);
    return withBoth(
      (request, response) => {
        const names = request.url!.slice(1).split(",");
        let data: Buffer = Buffer.from(plain);
        for (const name of names) data = encoders[name]?.(data) ?? data;
        response.setHeader("content-encoding", names.join(", ")).end(data);
      },
      async (client, server) => {
        for (const names of [...Object.keys(encoders), "gzip,br", "br,deflate,gzip"]) {
          const response = await client.get(`/${names}`);
          assert.equal(await response.text(), plain, names);
        }
        assert.equal(await (await client.get("/identity")).text(), plain);
        assert.equal(await (await client.get("/unknown")).text(), plain);
        const raw = await client.get("/gzip", { decompress: false });
        assert.equal(zlib.gunzipSync(await raw.bytes()).toString(), plain);
        await assert.rejects(client.get("/gzip,gzip,gzip,gzip"), HttpError);
        assert.ok(server.opened <= 2);
      },
    );
  });

  test("HttpResponse counts decompressed bytes against the limit: a bomb is stopped while it is small", () => {
    const bomb = zlib.gzipSync(Buffer.alloc(200_000_000));
    return withBoth(
      (_, response) => response.setHeader("content-encoding", "gzip").end(bomb),
      async (client) => {
        const before = process.memoryUsage().arrayBuffers;
        const error = await rejection((await client.get("/")).bytes({ limit: 1_000_000 }));
        assert.ok(error instanceof LimitExceededError);
        assert.ok(process.memoryUsage().arrayBuffers - before < 100_000_000);
        const slow = await client.get("/");
        await sleep(50);
        assert.ok(slow.body.statistics().buffered < 1_000_000);
        await slow.close();
      },
    );
  });

  test("U7 HttpResponse whose body is whole holds no connection for what comes after it", () =>
    withBoth(
      (_, response) => {
        response.setHeader("content-encoding", "gzip");
        // The message goes on, and says nothing more.
        response.write(Buffer.concat([zlib.gzipSync("whole ".repeat(20_000)), Buffer.alloc(1)]));
      },
      async (client, server) => {
        for (let count = 0; count < 3; count++) {
          const response = await client.get("/");
          await sleep(50);
          assert.equal(await response.text(), "whole ".repeat(20_000));
        }
        await until(() => client.statistics().running === 0, "the last connection is closed");
        assert.equal(server.opened, 3);
      },
      { maxConnections: 1, timeouts: { total: 5000 } },
    ));

  test("HttpResponse keeps the connection if what comes after its body is little", () =>
    withBoth(
      (_, response) => {
        response.setHeader("content-encoding", "gzip");
        response.write(Buffer.concat([zlib.gzipSync("whole"), Buffer.alloc(1)]));
        setTimeout(() => response.end(Buffer.alloc(10)), 10);
      },
      async (client, server) => {
        for (let count = 0; count < 3; count++) assert.equal(await (await client.get("/")).text(), "whole");
        await until(() => client.statistics().running === 0, "the rest has come");
        assert.deepEqual([server.opened, client.statistics().idle], [1, 1]);
      },
      { maxConnections: 1 },
    ));

  test("HttpResponse says when what came cannot be decompressed", () =>
    withBoth(
      (request, response) => {
        const good = zlib.gzipSync("x".repeat(1000));
        const data = request.url === "/bad" ? Buffer.from("this is no gzip") : good.subarray(0, good.length - 10);
        response.setHeader("content-encoding", "gzip").end(data);
      },
      async (client) => {
        for (const path of ["/bad", "/cut"]) {
          const error = await rejection((await client.get(path)).text());
          assert.ok(error instanceof BrokenError && error.cause instanceof Error, String(error));
          assert.match(
            error.message,
            /^Cannot read from the body of GET .*: (incorrect header check|unexpected end of file)$/,
          );
        }
      },
    ));

  test("HttpClient sends a streamed body as it comes, in the scope that asked, and tells of its failure", () =>
    withBoth(
      (request, response) => {
        request.on("error", () => {});
        request.resume().on("end", () => response.end("done"));
      },
      async (client) => {
        const local = new TaskLocal<string>({ default: "elsewhere" });
        async function* pieces(): AsyncGenerator<string> {
          for (let piece = 0; piece < 3; piece++) {
            await sleep(1);
            assert.equal(local.get(), "here");
            yield "piece";
          }
        }
        await local.run("here", async () =>
          assert.equal(await (await client.post("/", { body: pieces() })).text(), "done"),
        );
        const failure = new Error("no more pieces");
        async function* failing(): AsyncGenerator<string> {
          yield "first";
          throw failure;
        }
        assert.equal(await rejection(client.post("/", { body: failing(), retry: 3 })), failure);
        async function* wrong(): AsyncGenerator<string> {
          yield 5 as never;
        }
        await assert.rejects(client.post("/", { body: wrong() }), /^TypeError: Cannot send 5 as a piece/);
        let cleaned = false;
        async function* endless(): AsyncGenerator<string> {
          try {
            for (;;) {
              yield "x".repeat(1000);
              await sleep(1);
            }
          } finally {
            cleaned = true;
          }
        }
        await moveOnAfter(30, () => client.post("/", { body: endless() }));
        await until(() => cleaned, "the making of the body is ended");
      },
    ));
});
