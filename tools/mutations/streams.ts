/** Mutations of packages/tasktree/src/streams and of the simulated network. */
import type { Mutation } from "./index.ts";

const stream = "packages/tasktree/src/streams/wired-stream.ts";
const pair = "packages/tasktree/src/streams/memory-stream-pair.ts";
const line = "packages/tasktree/src/streams/watched-line.ts";
const network = "packages/tasktree/src/testing/network";

export const ofStreams: readonly Mutation[] = [
  {
    clause: "C3a",
    file: stream,
    find: "if (refusal !== undefined) return refusal;\n    this.#wire.catchUp();\n    const error = this.#whyNotWrite()",
    replace: "this.#wire.catchUp();\n    const error = this.#whyNotWrite()",
  },
  {
    clause: "C3a",
    file: stream,
    find: 'if (refusal !== undefined) return refusal;\n    this.#wire.catchUp();\n    const error = this.#whyGone("close',
    replace: 'this.#wire.catchUp();\n    const error = this.#whyGone("close',
  },
  {
    clause: "C3b",
    file: stream,
    find: "if (max !== undefined) this.#reader.wake(this.#take(max));",
    replace:
      "if (max !== undefined) queueMicrotask(() => this.#reader.size > 0 && this.#reader.wake(this.#take(max)));",
  },
  {
    clause: "N1",
    file: stream,
    find: "const bytes = this.#inbox.shift(max);",
    replace: "const bytes = this.#inbox.shift(Infinity);",
  },
  {
    clause: "N1",
    file: "packages/tasktree/src/internal/byte-queue.ts",
    find: "    this.#start = 0;\n    this.#array = to;",
    replace: "    this.#array = to;",
  },
  {
    clause: "N2",
    file: stream,
    find: ' ?? this.#whyBusy("write to", this.#writer);',
    replace: ";",
  },
  {
    clause: "N2",
    file: stream,
    find: ' ?? this.#whyBusy("read from", this.#reader);',
    replace: ";",
  },
  {
    clause: "N3",
    file: stream,
    find: "    this.#heardAll = true;\n    this.#reader.wake(undefined);",
    replace: "    this.#heardAll = true;",
  },
  {
    clause: "N3",
    file: stream,
    find: "this.#writer.failAll(() => this.#whyNotWrite());",
    replace: "",
  },
  {
    clause: "N3",
    file: pair,
    find: "end: () => other().receiveEnd(),",
    replace: "end: () => other().receiveClose(),",
  },
  {
    clause: "N4",
    file: stream,
    find: "this.#room -= part.length;",
    replace: "this.#room -= 1;",
  },
  {
    clause: "N4",
    file: stream,
    find: "    this.#wire.room(bytes.length);\n",
    replace: "    if (this.#inbox.size === 0) this.#wire.room(bytes.length);\n",
  },
  {
    clause: "N5",
    file: stream,
    find: "    this.#broken = { why, cause };\n    this.#inbox.clear();\n",
    replace: "    if (this.#inbox.size > 0) return;\n    this.#broken = { why, cause };\n",
  },
  {
    clause: "N5",
    file: stream,
    find: "if (this.#broken === undefined) this.#wire.reset(reason);",
    replace: "if (this.#broken === undefined) this.#wire.close();",
  },
  {
    clause: "N5",
    file: `${network}/connection.ts`,
    find: "    this.breakSide(1, why, cause);\n",
    replace: "",
  },
  {
    clause: "N5",
    file: `${network}/lane.ts`,
    find: "    if (this.#link.stalled.has(this)) this.purge();\n",
    replace: "",
  },
  {
    clause: "N6",
    file: `${network}/lane.ts`,
    find: "this.#lastDue = Math.max(this.#lastDue, arrival);",
    replace:
      "this.#lastDue = arrival;\n    if (this.#next !== undefined && matters) return void this.#fabric.schedule.at(arrival, arrive);",
  },
  {
    clause: "N6",
    file: `${network}/lane.ts`,
    find: "if (this.#link.blocked) {",
    replace: "if (this.#link.blocked && this.#packets.first!.size > 0) {",
  },
  {
    clause: "N6",
    file: `${network}/lane.ts`,
    find: "if (this.#mattering === 0 || ",
    replace: "if (",
  },
  {
    clause: "N6",
    file: `${network}/link.ts`,
    find: "this.#freeAt = Math.max(this.#freeAt, time)",
    replace: "this.#freeAt = time",
  },
  {
    clause: "C3a",
    file: `${network}/connection.ts`,
    find: "if (isCancelled(error)) this.#hangUp();",
    replace: "",
  },
  {
    clause: "C3a",
    file: line,
    find: "left: () => changed(-1)",
    replace: "left: () => undefined",
  },
  {
    clause: "C2b",
    file: `${network}/network-listener.ts`,
    find: "const refusal = refusedIntake();\n    if (refusal !== undefined) return refusal;\n    this.#home.schedule.catchUp();\n    if (this.#over !== false)",
    replace:
      "const refusal = undefined as Promise<never> | undefined;\n    if (refusal !== undefined) return refusal;\n    this.#home.schedule.catchUp();\n    if (this.#over !== false)",
  },
  {
    clause: "C11c",
    file: `${network}/network-listener.ts`,
    find: "([accepting, drainingChoice()])",
    replace: "([accepting])",
  },
  {
    clause: "F1a",
    file: `${network}/network-listener.ts`,
    find: "if (this.#accepting.wake(stream)) return true;",
    replace: "if (this.#accepting.size === 1 && this.#accepting.wake(stream)) return true;",
  },
];
