/** Mutations of packages/tasktree/src/fs. */
import type { Mutation } from "./index.ts";

const folder = "packages/tasktree/src/fs";
const open = `${folder}/open-file.ts`;
const writer = `${folder}/file-writer.ts`;
const atomic = `${folder}/write-file-atomic.ts`;
const calls = `${folder}/calls.ts`;

export const ofFs: readonly Mutation[] = [
  {
    clause: "C3a",
    file: calls,
    find: "const refusal = refused();\n    if (refusal !== undefined) return refusal;\n    if (this.#outcome === undefined)",
    replace: "if (this.#outcome === undefined)",
  },
  {
    clause: "C3a",
    file: open,
    find: "if (this.#reading === undefined || this.#reading.told)",
    replace: "if (true as boolean)",
  },
  {
    clause: "C3a",
    file: atomic,
    find: "    await discarded(draft, error);\n",
    replace: "",
  },
  {
    clause: "C3a",
    file: `${folder}/temp.ts`,
    find: "() => makeFile(`${prefix}${crypto.randomUUID()}`), abandonFile);",
    replace: "() => makeFile(`${prefix}${crypto.randomUUID()}`));",
  },
  {
    clause: "C3a",
    file: `${folder}/walk.ts`,
    find: "await eachStep(...this.#levels.map(() => () => this.#closeLast()));",
    replace: "this.#levels.length = 0;",
  },
  {
    clause: "OpenFile",
    file: writer,
    find: "if (this.#appends)",
    replace: "if (this.#appends && place < 0)",
  },
  {
    clause: "readFile",
    file: `${folder}/read-file.ts`,
    find: "    if (stats.isFile() && expected > Math.max(limit, largePiece)) throw tooLong(path, limit);\n",
    replace: "",
  },
  {
    clause: "readFile",
    file: `${folder}/read-file.ts`,
    find: "Math.max(limit, largePiece)",
    replace: "limit",
  },
  {
    clause: "temporary folder",
    file: `${folder}/temp.ts`,
    find: "      this.#removal = undefined;\n",
    replace: "",
  },
  {
    clause: "writeFileAtomic",
    file: atomic,
    find: 'if (codeOf(error) !== "EACCES" && codeOf(error) !== "EPERM") throw error;',
    replace: "throw error;",
  },
  {
    clause: "writeFileAtomic",
    file: atomic,
    find: "if (own.gid === gid || (await this.#chown(own.uid, gid)))",
    replace: "if (own.gid === gid)",
  },
  {
    clause: "writeFileAtomic",
    file: atomic,
    find: "return (mode & 0o700) | (both << 3) | both;",
    replace: "return (mode & 0o770) | both;",
  },
  {
    clause: "writeFileAtomic",
    file: atomic,
    find: "const both = mode & (mode >> 3) & 0o7;",
    replace: "const both = mode & 0o7;",
  },
  {
    clause: "C3b",
    file: calls,
    find: "return await shield(() => call.wait(), { timeout: patience });",
    replace: "return await call.wait();",
  },
  {
    clause: "C3b",
    file: atomic,
    find: "    await fs.rename(this.path, this.#target);\n",
    replace: "    await fs.rename(this.path, this.#target);\n    await checkpoint();\n",
  },
  {
    clause: "C3d",
    file: open,
    find: "quiet(() => seenThrough(closing));",
    replace: "quiet(() => closing.wait());",
  },
  {
    clause: "C4b",
    file: calls,
    find: "call.afterwards((outcome) => outcome.ok && onLate(outcome.value));",
    replace: "",
  },
  {
    clause: "C4b",
    file: calls,
    find: "outcome.ok && onLate(outcome.value)",
    replace: "outcome.ok ? onLate(outcome.value) : raise(outcome.error)",
  },
  {
    clause: "N2",
    file: writer,
    find: " ?? this.#whyBusy(what);",
    replace: ";",
  },
  {
    clause: "N3",
    file: open,
    find: '    this.#writer.turnAway(this.#whyClosed("write to"));\n',
    replace: "",
  },
  {
    clause: "N3",
    file: open,
    find: "if (tell) await this.#writer.unheard();",
    replace: "",
  },
  {
    clause: "N4",
    file: writer,
    find: "const piece = new Uint8Array(bytes.subarray(at, at + pieceSize));",
    replace: "const piece = bytes.subarray(at, at + pieceSize);",
  },
  {
    clause: "N4",
    file: writer,
    find: "        await this.#lastIsOver();\n",
    replace: "",
  },
  {
    clause: "N5",
    file: open,
    find: '    this.#reading?.turnAway(this.#whyClosed("read from"));\n',
    replace: "",
  },
];
