import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import test from "node:test";
import zlib from "node:zlib";
import { until } from "../../../test/files.ts";
import { sleep } from "../../index.ts";
import { decompressed } from "./decompress.ts";

async function undone(encoding: string, ...pieces: readonly Uint8Array[]): Promise<string> {
  return (await buffer(decompressed(Readable.from(pieces), encoding))).toString();
}

test("deflate is undone in zlib's form and in the bare one, however it is cut", async () => {
  const plain = "plain text, ".repeat(2000);
  for (const data of [zlib.deflateSync(plain), zlib.deflateRawSync(plain)]) {
    assert.equal(await undone("deflate", data), plain);
    const bytes = Array.from(data, (byte) => Uint8Array.of(byte));
    assert.equal(await undone("deflate", new Uint8Array(), ...bytes), plain);
  }
});

test("an empty body is empty, however it is encoded", async () => {
  for (const encoding of ["gzip", "deflate", "br", "gzip, br"]) {
    assert.equal(await undone(encoding), "");
    assert.equal(await undone(encoding, new Uint8Array()), "");
  }
});

test("a body that is cut short, or is not what it says, is an error", async () => {
  // Deno's brotli takes what is cut short for whole.
  for (const [encoding, compress] of Object.entries({ gzip: zlib.gzipSync, deflate: zlib.deflateSync })) {
    const data = compress("text ".repeat(1000));
    await assert.rejects(undone(encoding, data.subarray(0, data.length - 8)), Error, encoding);
    await assert.rejects(undone(encoding, Buffer.from("what is no such thing")), Error, encoding);
  }
});

test("gzip may come in several members, and zeros after them are nothing", async () => {
  const [one, two] = [zlib.gzipSync("one "), zlib.gzipSync("two")];
  assert.equal(await undone("gzip", Buffer.concat([one, two])), "one two");
  assert.equal(await undone("gzip", Buffer.concat([one, new Uint8Array(100)]), new Uint8Array(100)), "one ");
});

test("what is decompressed comes no faster than it is read", async () => {
  const body = decompressed(Readable.from([zlib.gzipSync(new Uint8Array(50_000_000))]), "gzip");
  body.on("readable", () => {});
  await until(() => body.readableLength > 0, "something has come");
  await sleep(100);
  assert.ok(body.readableLength > 0 && body.readableLength < 1_000_000, `${body.readableLength} bytes are held`);
  body.destroy();
});
