/** Mutations of packages/tasktree/src/fs. */
import type { Mutation } from "./index.ts";

const folder = "packages/tasktree/src/fs";
const open = `${folder}/open-file.ts`;
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
    file: open,
    find: " ?? this.#whyBusy(what, this.#busyWriting);",
    replace: ";",
  },
  {
    clause: "N3",
    file: open,
    find: '    writing?.turnAway(this.#whyClosed("write to"));\n',
    replace: "",
  },
  {
    clause: "N3",
    file: open,
    find: "if (tell && writing?.told === false) await writing.promise;",
    replace: "",
  },
  {
    clause: "N4",
    file: open,
    find: "const piece = new Uint8Array(bytes.subarray(at, at + pieceSize));",
    replace: "const piece = bytes.subarray(at, at + pieceSize);",
  },
  {
    clause: "N4",
    file: open,
    find: "        if (this.#writing?.told === false) await this.#writing.wait();\n",
    replace: "",
  },
  {
    clause: "N5",
    file: open,
    find: '    this.#reading?.turnAway(this.#whyClosed("read from"));\n',
    replace: "",
  },
];
