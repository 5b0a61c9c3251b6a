import type { Dir, Dirent } from "node:fs";
import fs from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { brief, checkOptions, isCancelled } from "../errors.ts";
import { isCount } from "../internal/count.ts";
import { eachStep, InFlight, left, raise, seenThrough } from "./calls.ts";
import { checkPath, codeOf, inside, shown, type FilePath, type Place } from "./paths.ts";

/** What a path leads to. */
export type WalkKind = "file" | "directory" | "symlink" | "other";

/** What a walk comes by. */
export interface WalkEntry<P extends string | Buffer = string> {
  /** The root's path as it was given, and from there on. */
  readonly path: P;
  readonly name: P;
  readonly kind: WalkKind;
  /** 1 for what is directly in the root. */
  readonly depth: number;
}

export interface WalkOptions<P extends string | Buffer = string> {
  /** Whether symlinks are taken for what they lead to (default: not). One that leads back to where the walk is inside is not entered. */
  readonly followSymlinks?: boolean;
  /** How deep it goes: a whole number from 1, which stays in the root; default: Infinity. */
  readonly maxDepth?: number;
  /** Whether to go into a folder; asked when the loop wants more than the folder itself. Default: into each. */
  readonly enter?: (entry: WalkEntry<P>) => boolean;
  /** Gets what goes wrong with a folder or a link, which is then passed over; what it throws, and by default the error, ends the walk. */
  readonly onError?: (error: unknown, path: P) => void;
}

/** How many entries are read ahead in each folder that is open. */
const readAhead = 32;

/**
 * All that is in a folder, and in the folders inside: a folder first, then what is in it, in the order of the file system. It goes on when the
 * loop asks for more, has one folder open for each level it is deep, and reads at most 32 names ahead in each.
 *
 * What is made or removed meanwhile is seen or not; a folder that is gone when its turn comes is passed over, as it would be a moment
 * later. A name that is not UTF-8 has a U+FFFD in it, and leads nowhere: give the root as a Buffer, and paths and names are Buffers
 * (Node only). It is no guard against someone who puts a symlink in a folder's place at the right moment.
 *
 * Cancellation: Each step is a checkpoint; leaving the loop closes what is open.
 *
 * @throws What the file system says of the root: that there is none (ENOENT), or that it is no folder (ENOTDIR).
 * @example
 * ```ts
 * import { tempDirectory, walk, writeFileAtomic } from "tasktree/fs";
 * import assert from "node:assert";
 * import { mkdir } from "node:fs/promises";
 * await using folder = await tempDirectory();
 * await mkdir(`${folder.path}/a`);
 * await writeFileAtomic(`${folder.path}/a/b`, "");
 * const found: string[] = [];
 * for await (const { name, kind } of walk(folder.path)) found.push(`${kind} ${name}`);
 * assert.deepEqual(found, ["directory a", "file b"]);
 * ```
 */
export function walk(root: Buffer, options?: WalkOptions<Buffer>): AsyncGenerator<WalkEntry<Buffer>, undefined>;
export function walk(root: string | URL, options?: WalkOptions): AsyncGenerator<WalkEntry, undefined>;
export function walk(root: FilePath, options: WalkOptions<never> = {}): AsyncGenerator<WalkEntry<never>, undefined> {
  checkPath("walk", root);
  checkOptions(`walk ${shown(root)}`, options);
  const { maxDepth = Infinity } = options;
  if (!isCount(maxDepth, 1))
    throw new RangeError(
      `Cannot walk ${shown(root)} ${brief(maxDepth)} deep: wanted a whole number from 1, or Infinity`,
    );
  return new Walk(options as WalkOptions<Place>).from(root instanceof URL ? fileURLToPath(root) : root);
}

/** A folder that is open. */
class Level {
  readonly path: Place;
  readonly depth: number;
  /** What it is, whatever path leads to it; only where symlinks are followed. */
  readonly identity: string | undefined;
  /** What was read ahead, the last first. */
  names: Dirent<Place>[] = [];
  readonly #dir: Dir;
  #reading: Promise<unknown> = Promise.resolve();
  #isRead = false;

  constructor(path: Place, depth: number, identity: string | undefined, dir: Dir) {
    this.path = path;
    this.depth = depth;
    this.identity = identity;
    this.#dir = dir;
  }

  read(): Promise<Dirent<Place>[]> {
    const reading = this.#readNames();
    this.#reading = reading.catch(() => undefined);
    return reading;
  }

  /** Deno has a folder open until it was read to its end, whatever its `close()` says. */
  close(): Promise<void> {
    const close = (): Promise<void> => this.#dir.close();
    return process.versions["deno"] === undefined ? close() : eachStep(() => this.#readToTheEnd(), close);
  }

  async #readNames(): Promise<Dirent<Place>[]> {
    const names: Dirent[] = [];
    while (!this.#isRead && names.length < readAhead) {
      const next = await this.#dir.read();
      if (next === null) this.#isRead = true;
      else names.push(next);
    }
    return names.toReversed();
  }

  async #readToTheEnd(): Promise<void> {
    await this.#reading;
    while (!this.#isRead) await this.#readNames();
  }
}

type Entry = WalkEntry<Place>;

class Walk {
  readonly #options: WalkOptions<Place>;
  readonly #levels: Level[] = [];

  constructor(options: WalkOptions<Place>) {
    this.#options = options;
  }

  async *from(root: Place): AsyncGenerator<WalkEntry<never>, undefined> {
    try {
      await this.#open(root, 0);
      for (let level = this.#levels.at(-1); level !== undefined; level = this.#levels.at(-1)) {
        const entry = await this.#nextIn(level);
        if (entry === undefined) {
          await this.#closeLast();
          continue;
        }
        yield entry as WalkEntry<never>;
        if (this.#enters(entry)) await this.#openEntry(entry);
      }
      return undefined;
    } finally {
      await eachStep(...this.#levels.map(() => () => this.#closeLast()));
    }
  }

  async #nextIn(level: Level): Promise<Entry | undefined> {
    try {
      if (level.names.length === 0) level.names = await left(`names in ${shown(level.path)}`, () => level.read());
      const found = level.names.pop();
      return found === undefined ? undefined : await this.#entryOf(level, found);
    } catch (error) {
      this.#pass(error, level.path);
      return undefined;
    }
  }

  async #entryOf(level: Level, found: Dirent<Place>): Promise<Entry> {
    const { name } = found;
    if (typeof name !== typeof level.path)
      throw new TypeError(`Cannot walk ${shown(level.path)} by bytes: this runtime gives names as strings only`);
    const path = inside(level.path, name);
    const kind = found.isSymbolicLink() && this.#options.followSymlinks ? await this.#kindBehind(path) : kindOf(found);
    return { path, name, kind, depth: level.depth + 1 };
  }

  async #kindBehind(path: Place): Promise<WalkKind> {
    try {
      return kindOf(await left(`link ${shown(path)}`, () => fs.stat(path)));
    } catch (error) {
      if (codeOf(error) !== "ENOENT" && codeOf(error) !== "ELOOP") this.#pass(error, path);
      return "symlink";
    }
  }

  #enters(entry: Entry): boolean {
    const { maxDepth = Infinity, enter } = this.#options;
    return entry.kind === "directory" && entry.depth < maxDepth && enter?.(entry) !== false;
  }

  async #openEntry({ path, depth }: Entry): Promise<void> {
    try {
      await this.#open(path, depth);
    } catch (error) {
      // in a name that is no UTF-8, the reason is there to see
      const gone = ["ENOENT", "ENOTDIR"].includes(String(codeOf(error))) && !String(path).includes("\uFFFD");
      if (!gone) this.#pass(error, path);
    }
  }

  async #open(path: Place, depth: number): Promise<void> {
    const what = `folder ${shown(path)} to be opened`;
    const identity = this.#options.followSymlinks ? await left(what, () => identityOf(path)) : undefined;
    if (identity !== undefined && this.#levels.some((level) => level.identity === identity)) return;
    const encoding = typeof path === "string" ? "utf8" : "buffer";
    const start = () => fs.opendir(path, { encoding: encoding as "utf8", bufferSize: readAhead });
    const dir = await left(what, start, (late) => void late.close().catch(raise));
    this.#levels.push(new Level(path, depth, identity, dir));
  }

  async #closeLast(): Promise<void> {
    const level = this.#levels.pop()!;
    await seenThrough(new InFlight(`folder ${shown(level.path)} to be closed`, level.close()));
  }

  #pass(error: unknown, path: Place): void {
    const { onError } = this.#options;
    if (onError === undefined || isCancelled(error)) throw error;
    onError(error, path);
  }
}

async function identityOf(path: Place): Promise<string> {
  const { dev, ino } = await fs.stat(path, { bigint: true });
  return `${dev}:${ino}`;
}

function kindOf(what: Pick<Dirent<Place>, "isFile" | "isDirectory" | "isSymbolicLink">): WalkKind {
  if (what.isFile()) return "file";
  if (what.isDirectory()) return "directory";
  return what.isSymbolicLink() ? "symlink" : "other";
}
