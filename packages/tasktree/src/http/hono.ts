/** Requests as tasks in Hono. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { InvalidStateError } from "../errors.ts";
import { RequestTasks, type RequestTaskOptions } from "./request-tasks.ts";

export type { RequestTaskOptions } from "./request-tasks.ts";

/** A middleware of Hono, as far as it is used here. */
export type HonoMiddleware = (context: { readonly env: unknown }, next: () => Promise<void>) => Promise<void>;

/**
 * A middleware that makes every request a task, in which all that comes after it runs: `app.use(taskPerRequest())`, before the
 * routes. It needs `@hono/node-server`. When the client leaves, the request's scope is cancelled. What a handler throws then goes to
 * `app.onError` as anything else does: `isCancelled(error)` tells it.
 *
 * @example
 * ```ts
 * import { sleep } from "tasktree";
 * import { taskPerRequest } from "tasktree/http/hono";
 * import { Hono } from "hono";
 * const app = new Hono();
 * app.use(taskPerRequest());
 * app.get("/", async (context) => {
 *   await sleep(5); // cut when the client leaves
 *   return context.text("done");
 * });
 * ```
 */
export function taskPerRequest(options: RequestTaskOptions = {}): HonoMiddleware {
  const tasks = new RequestTasks(options);
  return function taskOfRequest(context, next) {
    const { incoming, outgoing } = (context.env ?? {}) as { incoming?: IncomingMessage; outgoing?: ServerResponse };
    if (incoming === undefined || outgoing === undefined)
      throw new InvalidStateError("Cannot make a task of a request of Hono: it did not come through @hono/node-server");
    return new Promise((resolve, reject) => {
      tasks.run(incoming, outgoing, () => {
        next().then(resolve, reject);
      });
    });
  };
}
