/** Mutations of packages/tasktree/src/http/ws. */
import type { Mutation } from "./index.ts";

const ws = "packages/tasktree/src/http/ws";
const connection = `${ws}/web-socket-connection.ts`;
const server = `${ws}/serve-web-socket.ts`;
const handshake = `${ws}/handshake.ts`;

export const ofWebSocket: readonly Mutation[] = [
  {
    clause: "WebSocketConnection",
    file: connection,
    find: "this.#paused = true;\n    this.#wire.pause();",
    replace: "",
  },
  {
    clause: "WebSocketConnection",
    file: connection,
    find: "if (this.#paused && this.#held * 2 <= this.#limits.receiveBuffer) this.#resume();",
    replace: "",
  },
  {
    clause: "WebSocketConnection",
    file: connection,
    find: "return message.length + overhead;",
    replace: "return message.length;",
  },
  {
    clause: "WebSocketConnection",
    file: connection,
    find: "if (this.#senders.size > 0 || this.#wire.unsent >= this.#limits.sendBuffer) return false;",
    replace: "",
  },
  {
    clause: "WebSocketConnection",
    file: connection,
    find: "this.#wire.close(code, reason);\n    this.#patience.set(now() + this.#limits.closeTimeout);",
    replace: "this.#wire.tear();",
  },
  {
    clause: "WebSocketConnection",
    file: `${ws}/wire.ts`,
    find: "if (length * 2 < buffer.byteLength) return new Uint8Array(bytes);",
    replace: "",
  },
  {
    clause: "WebSocketConnection",
    file: connection,
    find: "this.#closed = true;\n    this.#messages.clear();",
    replace: "this.#messages.clear();",
  },
  {
    clause: "webSocketUpgrade",
    file: connection,
    find: "if (toldBy.get(at) === this) return true;",
    replace: "",
  },
  {
    clause: "connectWebSocket",
    file: connection,
    find: "if (!graceIsOver()) return this.#closers.wait(",
    replace: "return this.#closers.wait(",
  },
  {
    clause: "webSocketUpgrade",
    file: connection,
    find: "if (!goodCodes.includes(this.#end.code)) return",
    replace: "if (this.#end.code === 1006) return",
  },
  {
    clause: "webSocketUpgrade",
    file: `${ws}/messages.ts`,
    find: "return this.#left-- <= 0;",
    replace: "return false;",
  },
  {
    clause: "webSocketUpgrade",
    file: `${ws}/messages.ts`,
    find: "if (!currentScope().draining || this.#connection.isClosed) return false;",
    replace: "if (!currentScope().draining) return false;\n    if (this.#left === undefined) return true;",
  },
  {
    clause: "webSocketUpgrade",
    file: server,
    find: "error === undefined ? scope.drain(afterClose) : cancelOnce(scope, error)",
    replace: "cancelOnce(scope, error!)",
  },
  {
    clause: "webSocketUpgrade",
    file: server,
    find: "Connection.of(socket).takeOver(visit);",
    replace: "Connection.of(socket).begin(visit);",
  },
  {
    clause: "webSocketUpgrade",
    file: server,
    find: "wasCut() || currentScope().draining ? 1001 : 1000",
    replace: "1000",
  },
  {
    clause: "webSocketUpgrade",
    file: server,
    find: "isCut ? 1001 : 1011",
    replace: "1011",
  },
  {
    clause: "webSocketUpgrade",
    file: server,
    find: "if (!connection.tells(error)) this.#tell",
    replace: "this.#tell",
  },
  {
    clause: "webSocketUpgrade",
    file: server,
    find: 'socket.on("data", over).on("end", over);',
    replace: "",
  },
  {
    clause: "webSocketUpgrade",
    file: server,
    find: "this.#connections >= this.#maxConnections",
    replace: "this.#connections > this.#maxConnections",
  },
  {
    clause: "webSocketUpgrade",
    file: handshake,
    find: "from.host === new URL(`${from.protocol}//${host}`).host",
    replace: "from.host.startsWith(new URL(`${from.protocol}//${host}`).host)",
  },
  {
    clause: "webSocketUpgrade",
    file: handshake,
    find: "if (origins !== undefined) return origins.includes(origin);",
    replace: "if (origins?.includes(origin)) return true;",
  },
  {
    clause: "webSocketUpgrade",
    file: `${ws}/ws.ts`,
    find: "closeTimeout: Math.min(closeTimeout, most),",
    replace: "closeTimeout,",
  },
  {
    clause: "serveWebSocket",
    file: server,
    find: 'server.off("upgrade", take);',
    replace: "",
  },
  {
    clause: "serveWebSocket",
    file: server,
    find: "path !== undefined && others && isGoodTarget(request) &&",
    replace: "path !== undefined && isGoodTarget(request) &&",
  },
  {
    clause: "serveWebSocket",
    file: server,
    find: "others && isGoodTarget(request) &&",
    replace: "others &&",
  },
  {
    clause: "webSocketUpgrade",
    file: server,
    find: "refuse(socket, 500);",
    replace: "",
  },
  {
    clause: "Heartbeat",
    file: `${ws}/heartbeat.ts`,
    find: "this.#wire.heard || this.#wire.paused",
    replace: "this.#wire.heard",
  },
  {
    clause: "Heartbeat",
    file: `${ws}/heartbeat.ts`,
    find: 'this.#asked === "on its way" && this.#wire.took',
    replace: "this.#wire.took",
  },
  {
    clause: "Heartbeat",
    file: `${ws}/heartbeat.ts`,
    find: 'this.#asked = "yes";\n      this.#wait();',
    replace: 'this.#asked = "yes";',
  },
  {
    clause: "connectWebSocket",
    file: `${ws}/platform-wire.ts`,
    find: "left: () => socket.close() });",
    replace: "});",
  },
  {
    clause: "connectWebSocket",
    file: `${ws}/platform-wire.ts`,
    find: 'this.#closed(lost, "");',
    replace: "",
  },
  {
    clause: "connectWebSocket",
    file: connection,
    find: "if (!canPause) return this.#refuse(",
    replace: "if (!canPause) return void (",
  },
  {
    clause: "connectWebSocket",
    file: connection,
    find: "if (this.#senders.size > 0) this.#wire.watchUnsent();",
    replace: "",
  },
];
