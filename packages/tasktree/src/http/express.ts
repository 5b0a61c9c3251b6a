/** Requests as tasks in Express. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { RequestTasks, type RequestTaskOptions } from "./request-tasks.ts";

export type { RequestTaskOptions } from "./request-tasks.ts";

/** A middleware of Express, as far as it is used here. */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/**
 * A middleware that makes every request a task, in which all that comes after it runs: `app.use(taskPerRequest())`, before the
 * routes. When the client leaves, the request's scope is cancelled. What a handler throws then goes to Express's error handlers as
 * anything else does: `isCancelled(error)` tells it.
 *
 * @example
 * ```ts
 * import { sleep } from "tasktree";
 * import { taskPerRequest } from "tasktree/http/express";
 * import express from "express";
 * const app = express();
 * app.use(taskPerRequest());
 * app.get("/", async (_request, response) => {
 *   await sleep(5); // cut when the client leaves
 *   response.send("done");
 * });
 * ```
 */
export function taskPerRequest(options: RequestTaskOptions = {}): Middleware {
  const tasks = new RequestTasks(options);
  return function taskOfRequest(request, response, next) {
    tasks.run(request, response, () => next());
  };
}
