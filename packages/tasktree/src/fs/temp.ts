import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { brief, checkOptions } from "../errors.ts";
import { quiet } from "../lowlevel.ts";
import { doneInTurn, InFlight, seenThrough } from "./calls.ts";
import { opened, type OpenFile } from "./open-file.ts";

export interface TempOptions {
  /** The folder to make it in; default: the system's for temporary files. */
  readonly directory?: string;
  /** What its name begins with; default "tasktree-". */
  readonly prefix?: string;
}

/**
 * A new empty file, open to read and write, that nobody else may open. It is removed when it is closed; `await using` does that, however the block ends.
 *
 * Cancellation: Checkpoint, nothing lost: if this call is cancelled, there is no file.
 *
 * @example
 * ```ts
 * import { tempFile } from "tasktree/fs";
 * import assert from "node:assert";
 * await using file = await tempFile();
 * await file.write(Buffer.from("scratch"));
 * assert.equal(Buffer.from((await file.read())!).toString(), "scratch");
 * ```
 */
export function tempFile(options: TempOptions = {}): Promise<OpenFile> {
  return quiet(async () => {
    const prefix = prefixOf("make a temporary file", options);
    return await doneInTurn("a temporary file", () => makeFile(`${prefix}${crypto.randomUUID()}`), abandonFile);
  });
}

function makeFile(path: string): Promise<OpenFile> {
  return opened(path, "wx+", 0o600, () => fs.rm(path, { force: true }));
}

function abandonFile(file: OpenFile): void {
  file.abort();
}

/**
 * A new folder that nobody else may look into. It is removed with all that is in it by `remove()`, which `await using` calls, however the block ends.
 *
 * Cancellation: Checkpoint, nothing lost: if this call is cancelled, there is no folder.
 *
 * @example
 * ```ts
 * import { readText, tempDirectory, writeFileAtomic } from "tasktree/fs";
 * import assert from "node:assert";
 * await using folder = await tempDirectory();
 * await writeFileAtomic(`${folder.path}/a`, "hello");
 * assert.equal(await readText(`${folder.path}/a`), "hello");
 * ```
 */
export function tempDirectory(options: TempOptions = {}): Promise<TempDirectory> {
  return quiet(async () => {
    const prefix = prefixOf("make a temporary folder", options);
    return await doneInTurn(
      "a temporary folder",
      async () => new TempDirectory(await fs.mkdtemp(prefix)),
      (folder) => void folder.remove(),
    );
  });
}

/** A folder for the time being. */
export class TempDirectory implements AsyncDisposable {
  readonly path: string;
  #removal: InFlight<void> | undefined = undefined;

  /** @internal */
  constructor(path: string) {
    this.path = path;
  }

  /**
   * Removes it with all that is in it. Once is enough; if it fails, the next call tries again.
   *
   * Cancellation: Not a checkpoint: it always begins. If the scope is cancelled, it waits for a disk that hangs five seconds more.
   */
  remove(): Promise<void> {
    const removal = (this.#removal ??= new InFlight(`folder '${this.path}' to be removed`, this.#remove()));
    return quiet(() => seenThrough(removal));
  }

  async #remove(): Promise<void> {
    try {
      // what somebody has left may put one thing more into it
      await fs.rm(this.path, { recursive: true, force: true, maxRetries: 3 });
    } catch (error) {
      this.#removal = undefined;
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.remove();
  }
}

function prefixOf(what: string, options: TempOptions): string {
  checkOptions(what, options);
  const { directory = tmpdir(), prefix = "tasktree-" } = options;
  if (typeof directory !== "string")
    throw new TypeError(`Cannot ${what} in ${brief(directory)}: wanted a path as a string`);
  if (typeof prefix !== "string" || /[/\\]/.test(prefix))
    throw new TypeError(`Cannot ${what} with prefix ${brief(prefix)}: wanted a string without slashes`);
  return `${directory}/${prefix}`;
}
