/** Mutations of what reads lines and messages, and of what stands between our streams and the platform's. */
import type { Mutation } from "./index.ts";

const streams = "packages/tasktree/src/streams";
const reader = `${streams}/buffered-reader.ts`;
const decoder = `${streams}/line-decoder.ts`;
const source = `${streams}/web/readable-source.ts`;
const sink = `${streams}/web/writable-sink.ts`;
const web = `${streams}/web/web-streams.ts`;

export const ofLinesAndWeb: readonly Mutation[] = [
  {
    clause: "N3",
    file: sink,
    find: "if (error instanceof BrokenError && error.cause === givenUp) return;",
    replace: "",
  },
  {
    clause: "N1",
    file: decoder,
    find: "if (position !== this.#position || ",
    replace: "if (",
  },
  {
    clause: "N1",
    file: decoder,
    find: "next > this.#at && ",
    replace: "next < this.#at && ",
  },
  {
    clause: "N1",
    file: reader,
    find: "searched = Math.max(0, size - delimiter.length + 1);",
    replace: "searched = size;",
  },
  {
    clause: "N1",
    file: reader,
    find: "    this.#queue.drop(dropped);\n",
    replace: "",
  },
  {
    clause: "N2",
    file: reader,
    find: "if (this.#busy) throw",
    replace: "if (this.#busy && this.#ended) throw",
  },
  {
    clause: "N3",
    file: reader,
    find: "      if (this.#source.isClosed) this.#queue.clear();\n",
    replace: "",
  },
  {
    clause: "N5",
    file: reader,
    find: "    this.#queue.clear();\n    this.#source.abort(reason);",
    replace: "    this.#source.abort(reason);",
  },
  {
    clause: "C3a",
    file: reader,
    find: "      this.#busy = false;\n",
    replace: "      this.#busy = false;\n      if (!this.#ended) this.#queue.clear();\n",
  },
  {
    clause: "C3a",
    file: reader,
    find: "      if (refusal !== undefined) return refusal;\n",
    replace: "",
  },
  {
    clause: "C3b",
    file: reader,
    find: "        else this.#queue.adopt(chunk);\n",
    replace: "        else this.#queue.adopt(chunk);\n        if (here().force !== undefined) await fetch();\n",
  },
  {
    clause: "C3a",
    file: source,
    find: "    this.#inbox.push(chunk);\n    const max",
    replace: "    if (this.#reader.size > 0) this.#inbox.push(chunk);\n    const max",
  },
  {
    clause: "C3a",
    file: source,
    find: "this.#ask = bound(() =>",
    replace: "this.#ask = (() =>",
  },
  {
    clause: "N1",
    file: source,
    find: "this.#inbox.push(chunk);",
    replace: "this.#inbox.adopt(chunk);",
  },
  {
    clause: "N5",
    file: source,
    find: "    this.#broken = { why, cause };\n    this.#inbox.clear();",
    replace: "    this.#broken = { why, cause };",
  },
  {
    clause: "C3d",
    file: source,
    find: "{ exempt: true }",
    replace: "{ exempt: false }",
  },
  {
    clause: "N4",
    file: sink,
    find: "(this.#platform.desiredSize ?? 0) > 0",
    replace: "this.#platform.desiredSize !== null",
  },
  {
    clause: "N3",
    file: sink,
    find: "if (this.#undelivered && !this.#told && ",
    replace: "if (!this.#told && ",
  },
  {
    clause: "C3d",
    file: sink,
    find: 'this.#waitForFinish("close", true)',
    replace: 'this.#waitForFinish("close", false)',
  },
  {
    clause: "C3d",
    file: sink,
    find: "if (isCancelled(error)) this.#tear(error);",
    replace: "",
  },
  {
    clause: "N4",
    file: web,
    find: "{ highWaterMark: 0 }",
    replace: "{ highWaterMark: 1 }",
  },
  {
    clause: "N5",
    file: web,
    find: "() => sink.write(chunk), { signal }",
    replace: "() => sink.write(chunk)",
  },
  {
    clause: "X2",
    file: web,
    find: "pull: bound(pull)",
    replace: "pull",
  },
  {
    clause: "N3",
    file: `${streams}/staple.ts`,
    find: "both(this.#sink.close(), this.#source.close())",
    replace: "both(this.#sink.close(), Promise.resolve())",
  },
];
