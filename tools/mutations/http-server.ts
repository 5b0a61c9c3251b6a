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
    find: "if (!isMaking) refused()?.catch(ignore);",
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
    find: "if (!outgoing.write(slice)) return false;",
    replace: "outgoing.write(slice);",
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
  {
    clause: "serveHttp",
    file: service,
    find: 'socket.on("error", ignore);',
    replace: "",
  },
  {
    clause: "serveHttp",
    file: `${http}/server/connection.ts`,
    find: "if (!socket.closed) timer.set(now() + ms);",
    replace: "",
  },
  {
    clause: "serveHttp",
    file: `${http}/server/connection.ts`,
    find: "socket.end(() => socket.destroy());\n}\n\nconst known",
    replace: "socket.end();\n}\n\nconst known",
  },
  {
    clause: "serveHttp",
    file: service,
    find: "    } catch (error) {\n      reset(outgoing);",
    replace: "    } catch (error) {\n      throw error;",
  },
  {
    clause: "serveHttp",
    file: `${http}/server/answer.ts`,
    find: "outgoing.writeHead(status, reason, [",
    replace: "outgoing.writeHead(status, [",
  },
  {
    clause: "serveHttp",
    file: `${http}/server/answer.ts`,
    find: "checkLength(headers, isOfNone);",
    replace: "",
  },
  {
    clause: "serveHttp",
    file: `${http}/server/answer.ts`,
    find: "if (body) await cancelBody(body, undefined);",
    replace: "await body?.cancel();",
  },
  {
    clause: "serveHttp",
    file: `${http}/server/answer.ts`,
    find: "if (body?.locked === true)",
    replace: "if (false)",
  },
  {
    clause: "serveHttp",
    file: pump,
    find: "const sliceLength = 65_536;",
    replace: "const sliceLength = 2 ** 40;",
  },
  {
    clause: "serveHttp",
    file: pump,
    find: "this.#isBehind = this.#outgoing.socket === null;",
    replace: "",
  },
  {
    clause: "serveHttp",
    file: pump,
    find: "(outgoing.socket ?? outgoing.req.socket)",
    replace: "outgoing.socket",
  },
  {
    clause: "serveHttp",
    file: service,
    find: "exchange.endBody();",
    replace: "",
  },
  {
    clause: "serveHttp",
    file: service,
    find: ' || !isPlain(headers["transfer-encoding"])',
    replace: "",
  },
  {
    clause: "serveHttp",
    file: `${http}/server/exchange.ts`,
    find: "if (this.#isBodyOver) this.#body.close();",
    replace: "",
  },
  {
    clause: "serveHttp",
    file: `${http}/server/exchange.ts`,
    find: ' || this.incoming.httpVersion === "1.0"',
    replace: "",
  },
  {
    clause: "serveHttp",
    file: `${http}/server/request.ts`,
    find: "[inspection](",
    replace: "shown(",
  },
  {
    clause: "serveHttp",
    file: `${http}/server/options.ts`,
    find: ".filter(([, value]) => value !== undefined)",
    replace: "",
  },
  {
    clause: "serveNode",
    file: `${http}/server/host.ts`,
    find: "this.#hosted.left?.();",
    replace: "",
  },
  {
    clause: "withRequestTask",
    file: `${http}/node.ts`,
    find: "for (const name of response.getHeaderNames()) response.removeHeader(name);",
    replace: "",
  },
  {
    clause: "sse",
    file: `${http}/sse.ts`,
    find: "if (next === undefined) pulse.watch((next = Promise.resolve(steps.next())));",
    replace: "pulse.watch((next ??= Promise.resolve(steps.next())));",
  },
];
