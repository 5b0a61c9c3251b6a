/**
 * Requests as tasks in servers that are not ours: what the doors of Express, Fastify, Hono and Node have in common.
 *
 * A framework does not tell when its handler has ended. So the task lasts until the response is over and, after a cancellation,
 * until the framework has ended it too, as it does with the error that the handler throws: `end()` is watched. A handler of which
 * neither is seen has until the cut-off.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { checkOptions } from "../errors.ts";
import {
  currentScope,
  graceIsOver,
  openTaskGroup,
  WaitList,
  withCancelScope,
  type Task,
  type TaskGroup,
} from "../lowlevel.ts";
import { cancelFor, Connection, type Visit } from "./server/connection.ts";
import { nameOf } from "./server/target.ts";

export interface RequestTaskOptions {
  /** Where the tasks run. Default: that of the `serveNode()` which runs the server, else one of the run's root. */
  readonly group?: TaskGroup;
}

const owners = new WeakMap<object, TaskGroup>();

/** From now on requests as tasks of this one belong to `group`. */
export function giveOwner(incoming: IncomingMessage, group: TaskGroup): void {
  owners.set(incoming, group);
}

export class RequestTasks {
  readonly #given: TaskGroup | undefined;
  #own: TaskGroup | undefined = undefined;

  constructor(options: RequestTaskOptions) {
    checkOptions("make tasks of requests", options);
    this.#given = options.group;
  }

  /**
   * Calls `work` in a task of its own. If the server is about to end, answers with 503 in its place.
   *
   * @param work If it gives a promise, the task lasts until that has settled too.
   */
  run(incoming: IncomingMessage, outgoing: ServerResponse, work: () => unknown): void {
    const { method, url, originalUrl = url } = incoming as IncomingMessage & { originalUrl?: string };
    const name = nameOf({ method, url: originalUrl });
    const visitor = (): Promise<void> => new RequestTask(incoming, outgoing, name).run(work);
    const group = this.#given ?? owners.get(incoming);
    const task = group === undefined ? this.#spawnInOwn(visitor, name) : group.trySpawn(visitor, { name });
    if (task !== undefined) return;
    outgoing.shouldKeepAlive = false;
    outgoing.writeHead(503, ["content-length", "0", "retry-after", "1"]).end();
  }

  /** The group may have ended with the run in which it was made: then there is another root now. */
  #spawnInOwn(visitor: () => Promise<void>, name: string): Task<void> | undefined {
    const task = this.#own?.trySpawn(visitor, { name });
    if (task !== undefined) return task;
    this.#own = openTaskGroup({ parent: "root", name: "requests" });
    return this.#own.trySpawn(visitor, { name });
  }
}

class RequestTask implements Visit {
  readonly outgoing: ServerResponse;
  readonly #incoming: IncomingMessage;
  readonly #name: string;
  readonly #scope = currentScope();
  readonly #line: WaitList;
  #isClosed = false;
  /** Whether the framework is through with it: has ended the response, or its promise has settled. */
  #isThrough = false;

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, name: string) {
    this.#incoming = incoming;
    this.outgoing = outgoing;
    this.#name = name;
    this.#line = new WaitList({ describe: () => (this.#isClosed ? "the handler" : "the end of the response") });
  }

  clientLeft(): void {
    this.#isClosed = true;
    if (!this.outgoing.writableFinished) cancelFor(this.#scope, `answer '${this.#name}'`, "the client has left");
    this.#line.wake();
  }

  async run(work: () => unknown): Promise<void> {
    const connection = Connection.of(this.#incoming.socket);
    connection.begin(this);
    this.outgoing.once("close", () => this.clientLeft());
    try {
      const working = work();
      if (working instanceof Promise) this.#await(working);
      else this.#watchEnd();
      await this.#over();
      // Its code is part of this task: it may be late, but the task does not end before it.
      if (working instanceof Promise) await working;
    } finally {
      connection.end(this);
    }
  }

  #await(working: Promise<unknown>): void {
    const through = (): void => this.#through();
    working.then(through, through);
  }

  #watchEnd(): void {
    const { outgoing } = this;
    if (outgoing.writableEnded) return this.#through();
    const { end } = outgoing;
    const watched = (...args: Parameters<typeof end>): ReturnType<typeof end> => {
      this.#through();
      return end.apply(outgoing, args);
    };
    outgoing.end = watched as typeof end;
  }

  #through(): void {
    this.#isThrough = true;
    this.#line.wake();
  }

  /** In a scope of its own, from which no error comes: what is cut in the handler's would count as told to the handler. */
  async #over(): Promise<void> {
    await withCancelScope(async () => {
      let cut: unknown;
      while (!(this.#isClosed && this.#isThrough)) {
        try {
          await this.#line.wait(undefined, { exempt: cut !== undefined });
        } catch (error) {
          if (cut !== undefined || graceIsOver()) return;
          cut = error;
        }
      }
    });
  }
}
