import { addAbortListener, errorMonitor } from "node:events";
import httpModule, { Agent, type ClientRequest, type IncomingMessage } from "node:http";
import httpsModule from "node:https";
import { addAbortSignal } from "node:stream";
import { Call } from "./call.ts";
import { imported, type Ambient, type Family } from "./platform.ts";

/**
 * The request and its answer are destroyed; a connection that has been given back to its agent is not theirs any more. Don't
 * give the signal as an option: the request would be aborted, but whoever reads the answer would see a lost connection.
 */
const requested: Ambient = (real, args) => {
  const call = new Call(() => describe(request));
  void call.refused();
  const request = real(...args) as ClientRequest;
  addAbortSignal(call.signal, request as never);
  call.watch(request);
  const listening = addAbortListener(call.signal, () => leaveQueue(request as never));
  request.once("close", () => listening[Symbol.dispose]());
  request.prependOnceListener("response", (response: IncomingMessage) => {
    // After the request's own listeners: destroyed before, the answer would tell them of a lost connection first.
    request.once(errorMonitor, (error: Error) => {
      if (call.failed(error)) process.nextTick(() => response.destroy(error));
    });
    // As the platform does when nobody listens: our listener is none.
    if (request.listenerCount("response") === 0) response.resume();
  });
  return request;
};

/** A destroyed request that stands in its agent's line for a connection would hear of it only when there is one. */
function leaveQueue(request: ClientRequest & { agent?: Agent | false; onSocket(socket: undefined): void }): void {
  const lines = request.agent instanceof Agent ? (request.agent.requests as NodeJS.Dict<object[]>) : {};
  for (const [name, line = []] of Object.entries(lines)) {
    const place = line.indexOf(request);
    if (place < 0) continue;
    line.splice(place, 1);
    if (line.length === 0) Reflect.deleteProperty(lines, name);
    request.onSocket(undefined);
  }
}

function describe({ method, protocol, host, path }: ClientRequest): string {
  return `${method} ${protocol}//${host}${path.replace(/\?.*/s, "")}`;
}

export const httpFamily: Family<typeof httpModule> = {
  owner: httpModule,
  functions: { request: requested, get: requested },
};
export const httpsFamily: Family<typeof httpsModule> = {
  owner: httpsModule,
  functions: { request: requested, get: requested },
};

/**
 * `request` and `get` of `node:http`. Inside of a scope, a cancellation destroys the request, or its answer while that is read.
 *
 * Cancellation: Not a checkpoint: the request, or its answer, gets an `error` event.
 */
export const http: Pick<typeof import("node:http"), "request" | "get"> = imported(httpFamily);

/** `request` and `get` of `node:https`; as {@link http}. */
export const https: Pick<typeof import("node:https"), "request" | "get"> = imported(httpsFamily);
