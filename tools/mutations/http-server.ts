/** Mutations of packages/tasktree/src/http: the server, and requests as tasks in other servers. */
import type { Mutation } from "./index.ts";

const http = "packages/tasktree/src/http";
const service = `${http}/server/service.ts`;
const pump = `${http}/server/body-pump.ts`;

export const ofHttpServer: readonly Mutation[] = [
  {
    clause: "serveHttp",
    file: `${http}/server/connection.ts`,
    find: "for (const visit of this.#visits) visit.clientLeft();",
    replace: "for (const visit of this.#visits) if (visit.outgoing?.headersSent) visit.clientLeft();",
  },
  {
    clause: "serveHttp",
    file: `${http}/server/connection.ts`,
    find: "if (!scope.signal.aborted) scope.cancel(",
    replace: "scope.cancel(",
  },
  {
    clause: "serveHttp",
    file: `${http}/server/connection.ts`,
    find: "if (outgoing !== undefined && !outgoing.headersSent) outgoing.shouldKeepAlive = false;",
    replace: "",
  },
  {
    clause: "serveHttp",
    file: service,
    find: "if (!isOfTheClient(error)) this.#options.onError",
    replace: "this.#options.onError",
  },
  {
    clause: "serveHttp",
    file: service,
    find: "if (isCut) throw error;",
    replace: "if (exchange.clientHasLeft) return;",
  },
  {
    clause: "serveHttp",
    file: service,
    find: "const watching = withCancelScope(() => line.wait(undefined, { exempt: true }))",
    replace: "const watching = withCancelScope(() => line.wait())",
  },
  {
    clause: "serveHttp",
    file: service,
    find: "if (this.#requests < maxRequests) return undefined;",
    replace: "if (this.#requests <= maxRequests) return undefined;",
  },
  {
    clause: "serveHttp",
    file: service,
    find: "discardRest(incoming, mostDiscarded);",
    replace: "incoming.resume();",
  },
  {
    clause: "serveHttp",
    file: `${http}/server/target.ts`,
    find: 'if (countOf("host", incoming.rawHeaders) > 1) return false;',
    replace: "",
  },
  {
    clause: "serveHttp",
    file: `${http}/server/request-body.ts`,
    find: "if (this.#bytesRead <= this.#limit) return chunk;",
    replace: "if (chunk.length <= this.#limit) return chunk;",
  },
  {
    clause: "serveHttp",
    file: pump,
    find: "if (!this.#reading) refused()?.catch(ignore);",
    replace: "",
  },
  {
    clause: "serveHttp",
    file: pump,
    find: "if (!outgoing.writableFinished) reset(outgoing);",
    replace: "if (!outgoing.writableFinished) outgoing.end();",
  },
  {
    clause: "serveHttp",
    file: pump,
    find: "return chunk.length === 0 || this.#outgoing.write(chunk);",
    replace: "return chunk.length === 0 || this.#outgoing.write(chunk) || true;",
  },
  {
    clause: "serveHttp",
    file: pump,
    find: "if (this.#stallAfter !== Infinity) this.#timer.set(now() + this.#stallAfter);",
    replace: "",
  },
  {
    clause: "serveHttp",
    file: `${http}/server/host.ts`,
    find: "for (const socket of this.#sockets) socket.destroy();",
    replace: "",
  },
  {
    clause: "sse",
    file: `${http}/sse.ts`,
    find: "await steps.return?.();",
    replace: "",
  },
  {
    clause: "taskPerRequest",
    file: `${http}/request-tasks.ts`,
    find: "if (cut !== undefined || graceIsOver()) return;",
    replace: "return;",
  },
  {
    clause: "taskPerRequest",
    file: `${http}/request-tasks.ts`,
    find: "if (!this.outgoing.writableFinished) cancelFor(",
    replace: "if (this.outgoing.headersSent) cancelFor(",
  },
  {
    clause: "taskPerRequest",
    file: `${http}/request-tasks.ts`,
    find: "else this.#watchEnd();",
    replace: "",
  },
];
