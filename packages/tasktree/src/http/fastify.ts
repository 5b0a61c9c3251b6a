/** Requests as tasks in Fastify. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { RequestTasks, type RequestTaskOptions } from "./request-tasks.ts";

export type { RequestTaskOptions } from "./request-tasks.ts";

/** Fastify, as far as it is used here. */
export interface FastifyLike {
  addHook(name: "onRequest", hook: FastifyHook): unknown;
}

export type FastifyHook = (
  request: { readonly raw: IncomingMessage },
  reply: { readonly raw: ServerResponse },
  done: () => void,
) => void;

/**
 * A plugin that makes every request a task, in which hooks and handlers run: `app.register(taskPerRequest)`, before the routes.
 * When the client leaves, the request's scope is cancelled. What a handler throws then goes to Fastify's error handler as anything
 * else does: `isCancelled(error)` tells it.
 *
 * @example
 * ```ts
 * import { sleep } from "tasktree";
 * import { taskPerRequest } from "tasktree/http/fastify";
 * import { fastify } from "fastify";
 * const app = fastify();
 * app.register(taskPerRequest);
 * app.get("/", async () => {
 *   await sleep(5); // cut when the client leaves
 *   return "done";
 * });
 * await app.close();
 * ```
 */
export function taskPerRequest(app: FastifyLike, options: RequestTaskOptions, done: () => void): void {
  const tasks = new RequestTasks(options);
  // Fastify keeps the context itself while it parses a body.
  app.addHook("onRequest", (request, reply, next) => tasks.run(request.raw, reply.raw, () => next()));
  done();
}

// Fastify gives a plugin a scope of its own unless it says that what it does is for all.
Object.defineProperty(taskPerRequest, Symbol.for("skip-override"), { value: true });
Object.defineProperty(taskPerRequest, Symbol.for("fastify.display-name"), { value: "tasktree" });
