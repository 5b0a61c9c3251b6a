import fs, { type FileHandle } from "node:fs/promises";
import { brief, checkOptions, LimitExceededError } from "../errors.ts";
import { isCount } from "../internal/count.ts";
import { quiet } from "../lowlevel.ts";
import { left } from "./calls.ts";
import { checkPath, shown, type FilePath } from "./paths.ts";

export interface ReadFileOptions {
  /**
   * A file with more bytes is refused, before it is read if it says so, however it grows meanwhile: a whole number from 0, or
   * Infinity; default 1 GiB.
   */
  readonly limit?: number;
}

const defaultLimit = 2 ** 30;
const smallPiece = 16 * 1024;
const largePiece = 512 * 1024;

/**
 * All the bytes of a file: what is there when each piece is read, so a file that shrinks meanwhile gives less.
 *
 * Cancellation: Checkpoint, nothing lost: if this call is cancelled, it returns at once, also while a FIFO keeps it waiting. A piece
 * that is being read is read by a thread to its end, and the file is closed then.
 *
 * @throws {LimitExceededError} If there are more bytes than `limit`.
 * @example
 * ```ts
 * import { failAfter } from "tasktree";
 * import { readFile } from "tasktree/fs";
 * import assert from "node:assert";
 * const bytes = await failAfter(1000, () => readFile(import.meta.filename, { limit: 100_000 }));
 * assert(Buffer.from(bytes).includes("failAfter"));
 * ```
 */
export function readFile(path: FilePath, options: ReadFileOptions = {}): Promise<Uint8Array> {
  return quiet(async () => {
    checkPath("read", path);
    const limit = limitOf(path, options);
    const reading = { goesOn: true };
    try {
      return await left(`file ${shown(path)} to be read`, () => readAll(path, limit, reading));
    } finally {
      reading.goesOn = false;
    }
  });
}

/**
 * The text of a file, which is UTF-8: a byte order mark is left out, what is no UTF-8 becomes U+FFFD.
 *
 * Cancellation: Checkpoint, nothing lost, as `readFile()`.
 *
 * @throws {LimitExceededError} If there are more bytes than `limit`.
 */
export function readText(path: FilePath, options: ReadFileOptions = {}): Promise<string> {
  return quiet(async () => new TextDecoder().decode(await readFile(path, options)));
}

function limitOf(path: FilePath, options: ReadFileOptions): number {
  checkOptions(`read ${shown(path)}`, options);
  const { limit = defaultLimit } = options;
  if (isCount(limit, 0)) return limit;
  throw new RangeError(
    `Cannot read ${shown(path)} up to ${brief(limit)} bytes: wanted a whole number from 0, or Infinity`,
  );
}

async function readAll(path: FilePath, limit: number, reading: { goesOn: boolean }): Promise<Uint8Array> {
  const file = await fs.open(path, "r");
  try {
    const pieces: Uint8Array[] = [];
    let size = 0;
    const stats = await file.stat();
    const expected = stats.size;
    // what is in one piece is counted: files of /sys say 4096, whatever they have
    if (stats.isFile() && expected > Math.max(limit, largePiece)) throw tooLong(path, limit);
    while (reading.goesOn) {
      // what is no file, or grows, does not say how much there is
      const wanted = expected > size ? expected - size : smallPiece;
      const piece = await readPiece(file, Math.min(wanted, largePiece, limit - size + 1));
      if (piece.length === 0) break;
      pieces.push(piece);
      size += piece.length;
      if (size > limit) throw tooLong(path, limit);
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  } finally {
    await file.close();
  }
}

function tooLong(path: FilePath, limit: number): LimitExceededError {
  return new LimitExceededError(`Cannot read ${shown(path)}: it has more than ${limit} bytes`, { limit });
}

async function readPiece(file: FileHandle, size: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read(new Uint8Array(size), 0, size, null);
  return buffer.subarray(0, bytesRead);
}
