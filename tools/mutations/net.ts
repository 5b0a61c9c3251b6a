/** Mutations of packages/tasktree/src/net, and of what makes byte streams of Node's. */
import type { Mutation } from "./index.ts";

const end = "packages/tasktree/src/streams/node/end.ts";
const inlet = "packages/tasktree/src/streams/node/inlet.ts";
const outlet = "packages/tasktree/src/streams/node/outlet.ts";
const duplex = "packages/tasktree/src/streams/node/duplex.ts";
const sink = "packages/tasktree/src/streams/node/sink.ts";
const addresses = "packages/tasktree/src/net/addresses.ts";
const listener = "packages/tasktree/src/net/socket-listener.ts";
const serve = "packages/tasktree/src/net/serve.ts";
const stream = "packages/tasktree/src/net/socket-stream.ts";
const tls = "packages/tasktree/src/net/tls.ts";
const unixFile = "packages/tasktree/src/net/unix-file.ts";
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
    find: "const refusal = refusedIntake(node);\n    if (refusal !== undefined) return refusal;\n    if (this.#closed) return Promise",
    replace: "if (this.#closed) return Promise",
  },
  {
    clause: "C3d",
    file: end,
    find: "left: () => this.#giveUp(),",
    replace: "left: () => undefined,",
  },
  {
    clause: "N1",
    file: inlet,
    find: "if (chunk.length === 0) return;",
    replace: "",
  },
  {
    clause: "N1",
    file: inlet,
    find: " || readable.readableLength > 0",
    replace: "",
  },
  {
    clause: "N1",
    file: inlet,
    find: "this.#reader.wake(this.#reader.first?.as(undefined));",
    replace: "this.#reader.wake(undefined);",
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
    clause: "N4",
    file: outlet,
    find: 'writable.on("drain", this.#gone).on(',
    replace: "writable.on(",
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
  {
    clause: "leaves before it has agreed on TLS",
    file: tls,
    find: "    allowHalfOpen: false,",
    replace: "    allowHalfOpen: true,",
  },
  {
    clause: "on TLS after handshakeTimeout",
    file: listener,
    find: "socket.destroy(); // Node leaves one open that took too long",
    replace: "",
  },
  {
    clause: "disconnects who has not agreed yet",
    file: tls,
    find: "raws.destroyUnagreed();",
    replace: "",
  },
  {
    clause: "startTls",
    file: tls,
    find: "duplex.allowHalfOpen = false;",
    replace: "",
  },
  {
    clause: "refuse keys that are none",
    file: tls,
    find: "        stream.abort(error);\n",
    replace: "",
  },
  {
    clause: "certificate must be valid",
    file: tls,
    find: "else if (!saysWhomToTrust(options)) {",
    replace: "else if (options === undefined) {",
  },
  {
    clause: "anybody may have said it",
    file: tls,
    find: "if (ahead > 0)",
    replace: "if (ahead > 1000)",
  },
  {
    clause: "as the server was cancelled is torn",
    file: serve,
    find: "        connection.abort(error);\n        throw error;",
    replace: "        throw error;",
  },
  {
    clause: "slow address is not given up",
    file: addresses,
    find: "timer.set(now() + between);",
    replace: "",
  },
  {
    clause: "listenUnix",
    file: unixFile,
    find: "one.dev === other?.dev && one.ino === other.ino;",
    replace: "other !== undefined;",
  },
  {
    clause: "another has put in its place",
    file: unixFile,
    find: "isSame(file, own) ? undefined",
    replace: "own !== undefined ? undefined",
  },
  {
    clause: "no room for a connection",
    file: unixFile,
    find: '.code === "ECONNREFUSED";',
    replace: ".code !== undefined;",
  },
  {
    clause: "UDP socket ends when its scope drains",
    file: udp,
    find: "([coming, drainingChoice()])",
    replace: "([coming])",
  },
  {
    clause: "client that was still sending",
    file: duplex,
    find: "const lingers = this.#lingers && this.#outlet.bytesWritten > 0;",
    replace: "const lingers = false;",
  },
  {
    clause: "for the end of a client",
    file: duplex,
    find: "if (!this.#inlet.hasDropped) this.#end.lingerUnseen();",
    replace: "this.#end.lingerUnseen();",
  },
  {
    clause: "keeps its side open",
    file: end,
    find: "    this.#gone();\n    (this.#stream as",
    replace: "    (this.#stream as",
  },
  {
    clause: "is read as a copy",
    file: inlet,
    find: "else this.#inbox.push(chunk);",
    replace: "else this.#inbox.adopt(chunk);",
  },
  {
    clause: "is read as a copy",
    file: inlet,
    find: "if (!this.#owned) return new Uint8Array(chunk);",
    replace: "",
  },
  {
    clause: "caller's again",
    file: outlet,
    find: "this.#owned ? piece : new Uint8Array(piece)",
    replace: "piece",
  },
  {
    clause: "waits until the stream has finished",
    file: sink,
    find: "this.#outlet.finish();",
    replace: "this.#outlet.closeWriting();",
  },
  {
    clause: "that nothing else has told",
    file: end,
    find: 'return isUntold ? this.whyBroken("close") : undefined;',
    replace: "return isUntold ? undefined : undefined;",
  },
  {
    clause: "never says that it is closed",
    file: end,
    find: "if (!tellsOfClose(this.#stream)) this.#gone();",
    replace: "",
  },
  {
    clause: "second close",
    file: end,
    find: "return this.#closing ? this.#closers.wait(undefined, { exempt: true }) : passed();",
    replace: "return passed();",
  },
];
