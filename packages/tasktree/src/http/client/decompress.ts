import { pipeline, type Readable, type Transform } from "node:stream";
import zlib from "node:zlib";
import { HttpError } from "../../errors.ts";

const gunzip = (): Transform => zlib.createGunzip();

/** RFC 9110, section 8.4.1; RFC 9659 bounds the window of zstd, so that nobody can make us hold more. */
const decoders: ReadonlyMap<string, () => Transform> = new Map([
  ["gzip", gunzip],
  ["x-gzip", gunzip],
  ["deflate", () => zlib.createInflate()],
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
 * What `raw` says when its encodings are undone, as fast as it is read; itself if there is none, or one that is not known.
 *
 * @throws {HttpError} If there are more than three.
 */
export function decompressed(raw: Readable, encoding: string | null): Readable {
  const names = (encoding ?? "").toLowerCase().split(",");
  const layers = names.map((name) => name.trim()).filter((name) => name !== "" && name !== "identity");
  if (layers.length === 0 || !layers.every((name) => decoders.has(name))) return raw;
  if (layers.length > mostLayers)
    throw new HttpError(`Cannot decompress ${layers.length} times over: wanted at most ${mostLayers}`);
  const steps = layers.toReversed().map((name) => decoders.get(name)!());
  // What goes wrong in one of them destroys all; who reads the last hears of it.
  pipeline([raw, ...steps], () => {});
  return steps.at(-1)!;
}
