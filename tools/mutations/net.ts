/** Mutations of packages/tasktree/src/net, and of what makes byte streams of Node's. */
import type { Mutation } from "./index.ts";

const end = "packages/tasktree/src/streams/node/end.ts";
const inlet = "packages/tasktree/src/streams/node/inlet.ts";
const outlet = "packages/tasktree/src/streams/node/outlet.ts";
const duplex = "packages/tasktree/src/streams/node/duplex.ts";
const listener = "packages/tasktree/src/net/socket-listener.ts";
const stream = "packages/tasktree/src/net/socket-stream.ts";
const udp = "packages/tasktree/src/net/udp.ts";

export const ofNet: readonly Mutation[] = [
  {
    clause: "C3a",
    file: outlet,
    find: "if (this.#underWay) return this.#writer.wait({ rest: bytes });",
    replace: "",
  },
  {
    clause: "C3a",
    file: udp,
    find: "const refusal = refusedIntake(node);",
    replace: "const refusal = undefined;",
  },
  {
    clause: "C3d",
    file: end,
    find: "left: () => this.#force(undefined),",
    replace: "left: () => undefined,",
  },
  {
    clause: "N1",
    file: inlet,
    find: "if (chunk.length === 0) return;",
    replace: "",
  },
  {
    clause: "N2",
    file: inlet,
    find: 'if (this.#reader.size > 0) return Promise.reject(this.#end.whyBusy("read from", "read"));',
    replace: "",
  },
  {
    clause: "N2",
    file: outlet,
    find: 'if (this.#writer.size > 0) return Promise.reject(this.#end.whyBusy("write to", "write"));',
    replace: "",
  },
  {
    clause: "N3",
    file: duplex,
    find: "duplex.allowHalfOpen = true;",
    replace: "duplex.allowHalfOpen = false;",
  },
  {
    clause: "N3",
    file: inlet,
    find: "return this.#heardAll && !this.#end.isClosed ? undefined : this.#end.whyGone",
    replace: "return this.#end.whyGone",
  },
  {
    clause: "N4",
    file: inlet,
    find: "else if (this.#inbox.size >= enough) this.#pause();",
    replace: "",
  },
  {
    clause: "N4",
    file: outlet,
    find: "const piece = rest.length <= most ? rest : rest.subarray(0, most);",
    replace: "const piece = rest;",
  },
  {
    clause: "N5",
    file: outlet,
    find: " || this.#writable.errored !== null;",
    replace: ";",
  },
  {
    clause: "N5",
    file: stream,
    find: "const tear = path === undefined ? () => socket.resetAndDestroy() : undefined;",
    replace: "const tear = undefined;",
  },
  {
    clause: "C11c",
    file: listener,
    find: "([accepting, drainingChoice()])",
    replace: "([accepting])",
  },
];
