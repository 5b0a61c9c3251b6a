/** What becomes of the requests that come to a server: each is a task. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { LimitExceededError } from "../../errors.ts";
import {
  bound,
  currentScope,
  isCancellationHere,
  isInScope,
  now,
  WaitList,
  withCancelScope,
  type Scope,
  type Task,
  type TaskGroup,
} from "../../lowlevel.ts";
import { parseTimeout } from "../deadline-header.ts";
import { refuse, send } from "./answer.ts";
import { reset } from "./body-pump.ts";
import { cancelFor, Connection, endWithin } from "./connection.ts";
import { Exchange } from "./exchange.ts";
import type { CheckedOptions, HttpHandler } from "./options.ts";
import { discardRest, hasBody, isOfTheClient } from "./request-body.ts";
import { isGoodTarget, nameOf, upgradeNameOf } from "./target.ts";

/** So much of a body that nobody wants is read all the same, so that the client gets to read the answer. */
const mostDiscarded = 1_048_576;

export class HttpService {
  readonly #handler: HttpHandler;
  readonly #options: CheckedOptions;
  readonly #group: TaskGroup;
  /** Calls something where this was made: on some runtimes the events of a server belong to no scope. */
  readonly #inside = bound((call: () => void) => call());
  #requests = 0;
  #refused = 0;

  constructor(handler: HttpHandler, options: CheckedOptions, group: TaskGroup) {
    this.#handler = handler;
    this.#options = options;
    this.#group = group;
  }

  readonly counts = (): { requests: number; refused: number } => ({ requests: this.#requests, refused: this.#refused });

  readonly onRequest = (incoming: IncomingMessage, outgoing: ServerResponse): void => this.#take(incoming, outgoing);

  readonly onExpectation = (incoming: IncomingMessage, outgoing: ServerResponse): void =>
    this.#take(incoming, outgoing, () => outgoing.writeContinue());

  /** A connection that is to speak another protocol from now on: a task as long as its handler takes, or until it is closed. */
  readonly onUpgrade = (incoming: IncomingMessage, socket: Duplex, head: Uint8Array): void => {
    socket.on("error", ignore); // Node has taken its own listener off; that the connection is lost is told by "close"
    if (!isGoodTarget(incoming)) return this.#end(socket, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    const name = upgradeNameOf(incoming);
    const task = this.#group.trySpawn(() => this.#upgrade(incoming, socket, head), { name });
    if (task === undefined) socket.destroy();
  };

  #take(incoming: IncomingMessage, outgoing: ServerResponse, expected?: () => void): void {
    const refusal = this.#whyNot(incoming) ?? this.#spawn(incoming, outgoing, expected);
    if (refusal === undefined) return;
    if (expected !== undefined) outgoing.shouldKeepAlive = false; // whether the body comes now is not known
    refuse(outgoing, refusal, refusal === this.#options.busyStatus || refusal === 503 ? this.#retryAfter() : []);
    this.#passOver(incoming, expected);
  }

  #spawn(incoming: IncomingMessage, outgoing: ServerResponse, expected: (() => void) | undefined): number | undefined {
    let task: Task<void> | undefined;
    const spawn = (): void => {
      task = this.#group.trySpawn(() => this.#serve(incoming, outgoing, expected), { name: nameOf(incoming) });
    };
    if (isInScope()) spawn();
    else this.#inside(spawn);
    if (task !== undefined) return undefined;
    outgoing.shouldKeepAlive = false;
    this.#refused++;
    return 503;
  }

  /** The status with which a request is refused before it is a task. */
  #whyNot(incoming: IncomingMessage): number | undefined {
    const { headers, method } = incoming;
    const { maxRequests, maxBody, busyStatus } = this.#options;
    if (!isGoodTarget(incoming)) return 400;
    if (method === "TRACE" || !isPlain(headers["transfer-encoding"])) return 501;
    if (headers.upgrade?.toLowerCase() === "websocket" && method === "GET") return 400;
    if (Number(headers["content-length"] ?? 0) > maxBody) return 413;
    if (this.#requests < maxRequests) return undefined;
    this.#refused++;
    return busyStatus;
  }

  #retryAfter(): string[] {
    return ["retry-after", String(this.#options.retryAfter)];
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse, expected: (() => void) | undefined): Promise<void> {
    const { maxBody, sendTimeout } = this.#options;
    const scope = currentScope();
    const exchange = new Exchange({ incoming, outgoing, scope, maxBody, sendTimeout, expected });
    const connection = Connection.of(incoming.socket);
    this.#requests++;
    connection.begin(exchange);
    try {
      const time = this.#timeFor(incoming);
      const response = time === Infinity ? await this.#call(exchange) : await this.#callFor(time, exchange, scope);
      if (expected !== undefined && !incoming.readableEnded) outgoing.shouldKeepAlive = false;
      await send(response, incoming, outgoing, exchange);
    } catch (error) {
      this.#fail(error, exchange, scope);
    } finally {
      this.#requests--;
      connection.end(exchange);
      exchange.endBody();
      this.#passOver(incoming, expected);
    }
  }

  #call(exchange: Exchange): unknown {
    return this.#handler(exchange.request, exchange);
  }

  #timeFor({ headers }: IncomingMessage): number {
    const { requestTimeout, deadlineHeader } = this.#options;
    if (deadlineHeader === undefined) return requestTimeout;
    const wanted = headers[deadlineHeader];
    return Math.min(requestTimeout, parseTimeout(typeof wanted === "string" ? wanted : undefined) ?? Infinity);
  }

  /** The client does not wait for a handler whose grace is over too. */
  async #callFor(ms: number, exchange: Exchange, scope: Scope): Promise<unknown> {
    scope.deadline = now() + ms;
    const line = new WaitList({ describe: () => "the handler, or the end of its grace" });
    // In a scope of its own, since what is cut in the handler's would count as told to the handler.
    const watching = withCancelScope(() => line.wait(undefined, { exempt: true })).catch(() =>
      this.#giveUp(exchange, scope),
    );
    try {
      return await this.#call(exchange);
    } finally {
      line.wake();
      await watching;
    }
  }

  #fail(error: unknown, exchange: Exchange, scope: Scope): void {
    const isCut = isCancellationHere(error);
    if (!exchange.outgoing.writableFinished) this.#giveUp(exchange, scope, isCut ? undefined : statusFor(error));
    if (isCut) throw error;
    if (!isOfTheClient(error)) this.#options.onError(error, exchange.request);
  }

  /** Answers in place of a handler that has failed, or is late; where the answer has begun, ends the connection. */
  #giveUp(exchange: Exchange, scope: Scope, status: number = scope.deadlineReached ? 504 : 503): void {
    const { outgoing } = exchange;
    if (outgoing.destroyed) return;
    if (outgoing.headersSent) return reset(outgoing);
    try {
      refuse(outgoing, status);
    } catch (error) {
      reset(outgoing);
      this.#options.onError(error, exchange.request);
    }
  }

  #passOver(incoming: IncomingMessage, expected: (() => void) | undefined): void {
    if (incoming.complete || expected !== undefined || !hasBody(incoming)) return;
    discardRest(incoming, mostDiscarded);
  }

  async #upgrade(incoming: IncomingMessage, socket: Duplex, head: Uint8Array): Promise<void> {
    const scope = currentScope();
    const connection = Connection.of(socket);
    const visit = {
      outgoing: undefined,
      clientLeft: () => cancelFor(scope, `go on with '${nameOf(incoming)}'`, "the client has left"),
    };
    connection.begin(visit);
    try {
      await this.#options.upgrade!(incoming, socket, head);
      this.#end(socket);
    } catch (error) {
      socket.destroy();
      if (isCancellationHere(error)) throw error;
      this.#options.onError(error, undefined);
    } finally {
      connection.end(visit);
    }
  }

  #end(socket: Duplex, text?: string): void {
    endWithin(this.#options.sendTimeout, socket, text);
  }
}

/** Whether nothing but its length was done to a body: what else there is would be for us to undo. */
function isPlain(coding: string | undefined): boolean {
  return coding === undefined || coding.toLowerCase() === "chunked";
}

function statusFor(error: unknown): number {
  if (!isOfTheClient(error)) return 500;
  return error instanceof LimitExceededError ? 413 : 400;
}

function ignore(): void {}
