import type { IncomingMessage, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import type { Scope } from "../../lowlevel.ts";
import { shown } from "../../net/check.ts";
import { reset, type Stall } from "./body-pump.ts";
import { cancelFor, type Visit } from "./connection.ts";
import { platformRequest, requestOf } from "./request.ts";
import { RequestBody } from "./request-body.ts";
import { nameOf } from "./target.ts";

/** What is known of a request beside what it says itself. */
export interface RequestFacts {
  /** The client's address: `host:port`. */
  readonly peer: string;
  /** Whether it came through TLS. */
  readonly isSecure: boolean;
  /** Node's own, for what the `Request` does not tell; its body belongs to the `Request`. */
  readonly incoming: IncomingMessage;
  /** Tells the client before the answer what it will want to load (status 103); nothing once the answer has begun, or in HTTP/1.0. */
  earlyHints(headers: Readonly<Record<string, string | string[]>>): void;
  /** The platform's own `Request`, for what takes no other (`fetch(request)`, `new Request(request)`): it has the body from now on. */
  platformRequest(): Request;
}

export interface ExchangeParts {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly scope: Scope;
  readonly maxBody: number;
  readonly sendTimeout: number;
  /** Lets a client go on that asked whether to send its body. */
  readonly expected: (() => void) | undefined;
}

/** One request and its answer. */
export class Exchange implements Visit, RequestFacts, Stall {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly #parts: ExchangeParts;
  #body: RequestBody | undefined = undefined;
  #request: Request | undefined = undefined;
  #left = false;
  #isBodyOver = false;

  constructor(parts: ExchangeParts) {
    this.#parts = parts;
    this.incoming = parts.incoming;
    this.outgoing = parts.outgoing;
  }

  get request(): Request {
    const { incoming, isSecure } = this;
    return (this.#request ??= requestOf({
      incoming,
      isSecure,
      scope: this.#parts.scope,
      body: () => this.#wholeBody(),
    }));
  }

  platformRequest(): Request {
    return platformRequest(this.request);
  }

  get isSecure(): boolean {
    return (this.incoming.socket as Partial<TLSSocket>).encrypted === true;
  }

  get peer(): string {
    const { remoteAddress, remotePort } = this.incoming.socket;
    return shown(remoteAddress, remotePort);
  }

  /** Whether nobody is there any more to get the answer. */
  get clientHasLeft(): boolean {
    return this.#left;
  }

  earlyHints(headers: Record<string, string | string[]>): void {
    const { outgoing } = this;
    if (outgoing.headersSent || outgoing.destroyed || this.incoming.httpVersion === "1.0") return;
    outgoing.writeEarlyHints(headers);
  }

  /** From now on nothing can be read of the request's body. */
  endBody(): void {
    this.#isBodyOver = true;
    this.#body?.close();
  }

  clientLeft(): void {
    this.#leave("the client has left");
  }

  // --- as what is done to a client that takes nothing

  get after(): number {
    return this.#parts.sendTimeout;
  }

  readonly call = (): void => {
    this.#leave(`the client has taken nothing for ${this.after} ms`);
    reset(this.outgoing);
  };

  #leave(why: string): void {
    this.#left = true;
    cancelFor(this.#parts.scope, `answer '${nameOf(this.incoming)}'`, why);
  }

  #wholeBody(): RequestBody {
    const { incoming, maxBody: limit, expected } = this.#parts;
    if (this.#body !== undefined) return this.#body;
    const left = (): void => this.clientLeft();
    this.#body = new RequestBody({ incoming, name: nameOf(incoming), limit, expected, left });
    if (this.#isBodyOver) this.#body.close();
    return this.#body;
  }
}
