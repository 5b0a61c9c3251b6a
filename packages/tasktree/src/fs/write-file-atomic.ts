import type { Stats } from "node:fs";
import fs, { type FileHandle } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { brief, checkOptions, InvalidStateError, isCancelled, isObject, suppress } from "../errors.ts";
import { isCount } from "../internal/count.ts";
import { checkpoint, quiet } from "../lowlevel.ts";
import { doneInTurn, eachStep, InFlight, raise, seenThrough, turn } from "./calls.ts";
import { writeAll } from "./file-writer.ts";
import { beside, checkPath, codeOf, shown, unlessMissing, type FilePath, type Place } from "./paths.ts";

/** What can be written to a file: text, as UTF-8, or bytes, in one or in pieces. */
export type FileData = string | Uint8Array | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

export interface WriteFileAtomicOptions {
  /** The file's rights, exactly; default: those of the file that was there, else `0o666` less the umask. */
  readonly mode?: number;
  /**
   * Whether it survives a power cut once this has resolved (default); without, the old or the new content does, or none. In a folder
   * that this process may not read, the old one may too.
   */
  readonly sync?: boolean;
}

/** A step of the work: waits until it is done, or was not begun. */
type Step = <T>(what: string, start: () => Promise<T>, onLate?: (value: T) => void) => Promise<T>;

const pieceSize = 512 * 1024;
/** As Linux has it. */
const mostLinks = 40;

/**
 * Puts new content in place of a file's, or makes the file: whoever reads it sees all of the old or all of the new, at any moment, whatever
 * fails. It writes to another file in the same folder, brings that to the disk, and renames it. Of several writers at once the last one wins.
 *
 * It takes the right to write to the folder, not to the file. Owner, group and rights are kept, as far as the system lets this process; what
 * cannot be kept gives nobody else more than he had. Hard links, access lists and extended attributes are not kept. If the path
 * is a symlink, it stays, and the file that it leads to is replaced. While `data` is given piece by piece, one file is open.
 *
 * Cancellation: Checkpoint, nothing lost: if this call is cancelled, the file is as it was, and nothing is left beside it. Once the file is
 * being renamed, it is done. It waits for what a thread is doing; for a disk that hangs, five seconds.
 *
 * @throws {InvalidStateError} If there is something else than a file.
 * @throws {TypeError} If `data`, or a piece of it, is not what it should be.
 * @example
 * ```ts
 * import { readText, tempDirectory, writeFileAtomic } from "tasktree/fs";
 * import assert from "node:assert";
 * await using folder = await tempDirectory();
 * const file = `${folder.path}/settings.json`;
 * await writeFileAtomic(file, JSON.stringify({ depth: 3 }));
 * await writeFileAtomic(file, ["[", "1", "]"], { mode: 0o600 });
 * assert.equal(await readText(file), "[1]");
 * ```
 */
export function writeFileAtomic(path: FilePath, data: FileData, options: WriteFileAtomicOptions = {}): Promise<void> {
  return quiet(async () => {
    checkPath("write", path);
    checkSettings(path, data, options);
    if (typeof data !== "string" && !(data instanceof Uint8Array))
      return await replace(path, data, options, doneInTurn);
    const call = await turn(`file ${shown(path)} to be written`);
    await call.run(() => replace(path, [data], options, doneAtOnce));
  });
}

function checkSettings(path: FilePath, data: unknown, options: WriteFileAtomicOptions): void {
  checkOptions(`write ${shown(path)}`, options);
  if (options.mode !== undefined && !(isCount(options.mode, 0) && options.mode <= 0o7777))
    throw new RangeError(`Cannot write ${shown(path)} with mode ${brief(options.mode)}: wanted 0 to 0o7777`);
  if (typeof data === "string" || data instanceof Uint8Array) return;
  if (isObject(data) && (Symbol.iterator in data || Symbol.asyncIterator in data)) return;
  throw new TypeError(`Cannot write ${brief(data)} to ${shown(path)}: wanted text, bytes, or an iterable of them`);
}

/** For who has a token. */
async function doneAtOnce<T>(what: string, start: () => Promise<T>, onLate?: (value: T) => void): Promise<T> {
  await checkpoint();
  return await seenThrough(new InFlight(what, start()), onLate);
}

async function replace(
  path: FilePath,
  data: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
  options: WriteFileAtomicOptions,
  step: Step,
): Promise<void> {
  const what = `file ${shown(path)} to be written`;
  const draft = await step(what, () => Draft.make(path, options.mode), discard);
  try {
    for await (const piece of data) {
      const bytes = bytesOf(piece, path);
      for (let at = 0; at < bytes.length; at += pieceSize)
        await step(what, () => draft.write(bytes.subarray(at, at + pieceSize)));
    }
    await step(what, () => draft.finish(options));
    await step(what, () => draft.publish(options));
  } catch (error) {
    await discarded(draft, error);
    throw error;
  }
}

function bytesOf(piece: unknown, path: FilePath): Uint8Array {
  if (typeof piece === "string") return Buffer.from(piece);
  if (piece instanceof Uint8Array) return piece;
  throw new TypeError(`Cannot write ${brief(piece)} to ${shown(path)}: wanted text or bytes`);
}

/** What goes wrong with that is not lost on `error`, nor behind a cancellation. */
async function discarded(draft: Draft, error: unknown): Promise<void> {
  try {
    await seenThrough(new InFlight(`file ${shown(draft.path)} to be removed`, draft.discard()));
  } catch (another) {
    if (!isObject(error) || (isCancelled(error) && !isCancelled(another))) throw another;
    suppress(error, another);
  }
}

function discard(draft: Draft): void {
  draft.discard().catch(raise);
}

/** A file beside another one whose place it will take. */
class Draft {
  readonly path: Place;
  readonly #target: Place;
  readonly #old: Stats | undefined;
  readonly #handle: FileHandle;

  static async make(path: FilePath, mode: number | undefined): Promise<Draft> {
    const target = await targetOf(path instanceof URL ? fileURLToPath(path) : path);
    const old = await unlessMissing(fs.stat(target));
    if (old !== undefined && !old.isFile())
      throw new InvalidStateError(`Cannot write ${shown(path)}: it is not a file`);
    const own = beside(target, `.tasktree-${crypto.randomUUID()}.tmp`);
    // nobody may read in it who could not read the file
    const handle = await fs.open(own, "wx", old === undefined && mode === undefined ? 0o666 : 0o600);
    return new Draft(own, target, old, handle);
  }

  private constructor(path: Place, target: Place, old: Stats | undefined, handle: FileHandle) {
    this.path = path;
    this.#target = target;
    this.#old = old;
    this.#handle = handle;
  }

  write(bytes: Uint8Array): Promise<void> {
    return writeAll(this.#handle, bytes, undefined);
  }

  /** All that can fail without harm. */
  async finish({ mode, sync = true }: WriteFileAtomicOptions): Promise<void> {
    const kept = await this.#keepOwner();
    const rights = mode ?? kept;
    // behind the change of the owner, which takes the bits away that lend his rights
    if (rights !== undefined) await this.#handle.chmod(rights);
    if (sync) await this.#handle.sync();
    await this.#handle.close();
  }

  async publish({ sync = true }: WriteFileAtomicOptions): Promise<void> {
    await fs.rename(this.path, this.#target);
    if (sync) await syncFolder(beside(this.#target, "."));
  }

  discard(): Promise<void> {
    return eachStep(
      () => this.#handle.close(),
      () => fs.rm(this.path, { force: true }),
    );
  }

  /** Gives it the old owner and group, as far as that is allowed; resolves with what can be kept of the old rights then. */
  async #keepOwner(): Promise<number | undefined> {
    if (this.#old === undefined) return undefined;
    const { uid, gid, mode } = this.#old;
    const own = await this.#handle.stat();
    if ((own.uid === uid && own.gid === gid) || (await this.#chown(uid, gid))) return mode & 0o7777;
    // none that lend an owner's rights: they would be another's now
    if (own.gid === gid || (await this.#chown(own.uid, gid))) return mode & 0o777;
    // who was in the group is one of the others now, and the other way round: both get what both had
    const both = mode & (mode >> 3) & 0o7;
    return (mode & 0o700) | (both << 3) | both;
  }

  async #chown(uid: number, gid: number): Promise<boolean> {
    try {
      await this.#handle.chown(uid, gid);
      return true;
    } catch (error) {
      if (codeOf(error) !== "EPERM") throw error;
      return false;
    }
  }
}

/** Where a chain of symlinks leads to, whether anything is there or not. */
async function targetOf(path: Place, links = 0): Promise<Place> {
  const encoding = typeof path === "string" ? "utf8" : "buffer";
  const real = await unlessMissing(fs.realpath(path, { encoding: encoding as "utf8" }));
  if (real !== undefined) return real;
  const link = await linkAt(path);
  if (link === undefined || links === mostLinks) return path;
  return await targetOf(isAbsolute(String(link)) ? link : beside(path, link), links + 1);
}

function linkAt(path: Place): Promise<Place | undefined> {
  const encoding = typeof path === "string" ? "utf8" : "buffer";
  return fs.readlink(path, { encoding: encoding as "utf8" }).catch(() => undefined);
}

/** Brings to the disk what was renamed in a folder. */
async function syncFolder(path: Place): Promise<void> {
  if (process.platform === "win32") return; // which does it by itself, and opens no folders
  const folder = await fs.open(path, "r").catch((error: unknown) => {
    if (codeOf(error) !== "EACCES" && codeOf(error) !== "EPERM") throw error;
    return undefined; // who may write to a folder need not be one who may read it
  });
  if (folder === undefined) return;
  await eachStep(
    () =>
      folder.sync().catch((error: unknown) => {
        if (codeOf(error) !== "EINVAL") throw error; // some network file systems have no such thing
      }),
    () => folder.close(),
  );
}
