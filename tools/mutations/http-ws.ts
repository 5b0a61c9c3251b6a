/** Mutations of packages/tasktree/src/http/ws. */
import type { Mutation } from "./index.ts";

const ws = "packages/tasktree/src/http/ws";
const connection = `${ws}/web-socket-connection.ts`;
const handshake = `${ws}/handshake.ts`;
const visitors = `${ws}/visitors.ts`;
const upgrades = `${ws}/upgrades.ts`;
const goodBye = `${ws}/good-bye.ts`;
const telling = `${ws}/telling.ts`;

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
    find: "if (this.#paused && this.#inbox.bytes * 2 <= this.#limits.receiveBuffer) this.#resume();",
    replace: "",
  },
  {
    clause: "WebSocketConnection",
    file: `${ws}/inbox.ts`,
    find: "return message.length + overhead;",
    replace: "return message.length;",
  },
  {
    clause: "WebSocketConnection",
    file: connection,
    find: "if (this.#senders.size > 0 || !this.#hasRoom()) return false;",
    replace: "",
  },
  {
    clause: "WebSocketConnection",
    file: connection,
    find: "this.#goodBye.say(code, reason);",
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
    find: "this.#closed = true;\n    this.#inbox.clear();",
    replace: "this.#inbox.clear();",
  },
  {
    clause: "webSocketUpgrade",
    file: telling,
    find: "toldBy.get(error) === connection",
    replace: "toldBy.has({})",
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
    file: visitors,
    find: "error === undefined ? scope.drain(times.afterClose) : cancelOnce(scope, error)",
    replace: "cancelOnce(scope, error!)",
  },
  {
    clause: "webSocketUpgrade",
    file: visitors,
    find: "Connection.of(socket).takeOver(visit);",
    replace: "Connection.of(socket).begin(visit);",
  },
  {
    clause: "webSocketUpgrade",
    file: visitors,
    find: "wasCut() || currentScope().draining ? 1001 : 1000",
    replace: "1000",
  },
  {
    clause: "webSocketUpgrade",
    file: visitors,
    find: "isCut ? 1001 : 1011",
    replace: "1011",
  },
  {
    clause: "webSocketUpgrade",
    file: visitors,
    find: "if (failure !== undefined) this.#tell(failure.error, connection);",
    replace: "this.#tell(error, connection);",
  },
  {
    clause: "webSocketUpgrade",
    file: visitors,
    find: 'socket.on("data", over).on("end", over);',
    replace: "",
  },
  {
    clause: "webSocketUpgrade",
    file: visitors,
    find: "if (this.#connections + this.#checking >= this.#options.maxConnections) return 503;",
    replace: "",
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
    file: upgrades,
    find: 'this.#server.off("upgrade", this.#take);',
    replace: "",
  },
  {
    clause: "serveWebSocket",
    file: upgrades,
    find: "else if (!this.#othersListen) refuse(",
    replace: "else if (false) refuse(",
  },
  {
    clause: "serveWebSocket",
    file: upgrades,
    find: 'socket.on("error", ignore); // Node',
    replace: "// Node",
  },
  {
    clause: "webSocketUpgrade",
    file: visitors,
    find: "this.#refuse(socket, 500);",
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
    find: 'this.#asked === "on its way" && this.#wire.progress',
    replace: "this.#wire.progress",
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
    find: 'if (whenFull === "fail") return this.#refuse(',
    replace: 'if (whenFull === "fail") return void (',
  },
  {
    clause: "connectWebSocket",
    file: connection,
    find: "if (this.#senders.size > 0) this.#wire.watchUnsent();",
    replace: "",
  },
  {
    clause: "serveWebSocket",
    file: upgrades,
    find: "return named ?? this.#takers.get(undefined);",
    replace: "return this.#takers.get(undefined) ?? named;",
  },
  {
    clause: "serveWebSocket",
    file: upgrades,
    find: "if (this.#takers.has(path)) {",
    replace: "if (false) {",
  },
  {
    clause: "serveWebSocket",
    file: upgrades,
    find: "this.#askedBefore!.call(this.#server, request) && (asksForWebSocket(request) || this.#othersListen)",
    replace: "true",
  },
  {
    clause: "serveWebSocket",
    file: visitors,
    find: "if (isOurs && !socket.writableEnded)",
    replace: "if (!socket.writableEnded)",
  },
  {
    clause: "serveWebSocket",
    file: visitors,
    find: "this.#tell(new InvalidStateError(text, { cause }), undefined);\n      return false;",
    replace: "throw cause;",
  },
  {
    clause: "webSocketUpgrade",
    file: "packages/tasktree/src/http/server/serve-http.ts",
    find: 'protocols.includes(headers.upgrade?.toLowerCase() ?? "")',
    replace: "headers.upgrade !== undefined",
  },
  {
    clause: "webSocketUpgrade",
    file: telling,
    find: "return all(suppressedErrors(error));",
    replace: "return [];",
  },
  {
    clause: "webSocketUpgrade",
    file: telling,
    find: "return isMixed ? [...failures, ...all(suppressedErrors(error))] : [error];",
    replace: "return [error];",
  },
  {
    clause: "webSocketUpgrade",
    file: visitors,
    find: "currentScope().draining || this.#connections >=",
    replace: "this.#connections >=",
  },
  {
    clause: "webSocketUpgrade",
    file: visitors,
    find: "status === undefined || isRefusal(status)",
    replace: "true",
  },
  {
    clause: "webSocketUpgrade",
    file: visitors,
    find: "this.#refuse(socket, 503); // the end",
    replace: "// the end",
  },
  {
    clause: "webSocketUpgrade",
    file: handshake,
    find: "|| !/^https?:/i.test(origin)",
    replace: "|| origin === undefined",
  },
  {
    clause: "webSocketUpgrade",
    file: handshake,
    find: 'request.headers["sec-websocket-version"] !== "13"',
    replace: "false",
  },
  {
    clause: "webSocketUpgrade",
    file: `${ws}/ws.ts`,
    find: "goneFrom(this.#socket) ?? ",
    replace: "",
  },
  {
    clause: "WebSocketConnection",
    file: `${ws}/ws.ts`,
    find: "handle?._parent ?? handle ?? {}",
    replace: "handle ?? {}",
  },
  {
    clause: "WebSocketConnection",
    file: connection,
    find: "else this.#senders.fail(error);",
    replace: "else throw error;",
  },
  {
    clause: "WebSocketConnection",
    file: connection,
    find: 'if (whenFull === "drop oldest") return this.#inbox.dropOldest(receiveBuffer);',
    replace: "",
  },
  {
    clause: "GoodBye",
    file: goodBye,
    find: "if (unsent === 0) return this.#sayNow();",
    replace: "return this.#sayNow();",
  },
  {
    clause: "GoodBye",
    file: goodBye,
    find: "if (progress > this.#seen) this.#renew();",
    replace: "",
  },
  {
    clause: "GoodBye",
    file: goodBye,
    find: "Math.min(this.#deadline, now() + look)",
    replace: "this.#deadline",
  },
  {
    clause: "connectWebSocket",
    file: connection,
    find: "if (!this.#wire.isOpen) this.#goodBye.expect();",
    replace: "",
  },
  {
    clause: "connectWebSocket",
    file: `${ws}/connect-web-socket.ts`,
    find: 'if (target.username !== "" || target.password !== "")',
    replace: "if (false)",
  },
];
