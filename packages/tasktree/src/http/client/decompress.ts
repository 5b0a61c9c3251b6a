import { pipeline, Transform, type Readable, type TransformCallback } from "node:stream";
import zlib from "node:zlib";
import { HttpError } from "../../errors.ts";

/** Makes what undoes an encoding, when the first byte of it is known. */
type Make = (first: number) => Transform;

const gunzip: Make = () => zlib.createGunzip();

/** What is called so is zlib's form (RFC 1950), and of some servers the bare one (RFC 1951): the first byte tells. */
const inflate: Make = (first) => ((first & 0x0f) === 8 ? zlib.createInflate() : zlib.createInflateRaw());

/** RFC 9110, section 8.4.1; RFC 9659 bounds the window of zstd, so that nobody can make us hold more. */
const decoders: ReadonlyMap<string, Make> = new Map([
  ["gzip", gunzip],
  ["x-gzip", gunzip],
  ["deflate", inflate],
  ["br", () => zlib.createBrotliDecompress()],
  ...(hasZstd()
    ? ([["zstd", () => zlib.createZstdDecompress({ params: { [zlib.constants.ZSTD_d_windowLogMax]: 23 } })]] as const)
    : []),
]);

export const acceptedEncodings: string = [...decoders.keys()].filter((name) => name !== "x-gzip").join(", ");

/** One inside the other: more are nobody's honest answer. */
const mostLayers = 3;

function hasZstd(): boolean {
  return typeof (zlib as Partial<typeof zlib>).createZstdDecompress === "function";
}

/**
 * What `raw` says when its encodings are undone, as fast as it is read; itself if there is none, or one that is not known. Nothing at
 * all is encoded by nothing.
 *
 * @throws {HttpError} If there are more than three.
 */
export function decompressed(raw: Readable, encoding: string | null): Readable {
  const names = (encoding ?? "").toLowerCase().split(",");
  const layers = names.map((name) => name.trim()).filter((name) => name !== "" && name !== "identity");
  if (layers.length === 0 || !layers.every((name) => decoders.has(name))) return raw;
  if (layers.length > mostLayers)
    throw new HttpError(`Cannot decompress ${layers.length} times over: wanted at most ${mostLayers}`);
  const steps = layers.toReversed().map((name) => new Decoder(decoders.get(name)!));
  // What goes wrong in one of them destroys all; who reads the last hears of it.
  pipeline([raw, ...steps], () => {});
  return steps.at(-1)!;
}

/** A decoder that is made when something comes, and goes no faster than it is read. */
class Decoder extends Transform {
  readonly #make: Make;
  #inner: Transform | undefined = undefined;

  constructor(make: Make) {
    super();
    this.#make = make;
  }

  override _transform(chunk: Uint8Array, encoding: BufferEncoding, done: TransformCallback): void {
    if (chunk.length === 0 || this.#inner?.readableEnded === true) return done();
    this.#inner ??= this.#begin(chunk[0]!);
    this.#inner.write(chunk, encoding, done);
  }

  override _read(size: number): void {
    super._read(size);
    this.#inner?.resume();
  }

  override _flush(done: TransformCallback): void {
    if (this.#inner === undefined || this.#inner.readableEnded) return done();
    this.#inner.once("end", done);
    this.#inner.end();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#inner?.destroy();
    done(error);
  }

  #begin(first: number): Transform {
    const inner = this.#make(first);
    inner.on("data", (chunk) => this.push(chunk) || inner.pause());
    // It may end before what comes does: what follows is nothing of it.
    inner.on("end", () => this.push(null));
    inner.on("error", (error) => this.destroy(error));
    return inner;
  }
}
