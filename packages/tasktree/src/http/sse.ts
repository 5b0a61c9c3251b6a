import { brief, checkOptions } from "../errors.ts";
import { bound, now, Timer } from "../lowlevel.ts";

/** One event of a stream of them (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export interface ServerSentEvent {
  /** Text, which may have several lines; anything else is sent as JSON. */
  readonly data?: unknown;
  /** The event's type; without, "message". */
  readonly event?: string;
  /** What the client sends as Last-Event-ID when it comes again. */
  readonly id?: string;
  /** After how many milliseconds the client is to come again when the connection has ended. */
  readonly retry?: number;
}

export interface SseOptions {
  /** A comment is sent when nothing else was for so many milliseconds, so that nobody between takes the connection for dead. Default 15,000. */
  readonly heartbeat?: number;
  readonly headers?: HeadersInit;
}

type Events = AsyncIterable<string | ServerSentEvent> | Iterable<string | ServerSentEvent>;

/**
 * A response that sends events, one after the other, as they are asked for: no faster than the client takes them. It ends when there
 * are no more; when the client leaves, the request's scope is cancelled, and the iterator's `return()` is called: a generator's
 * `finally` runs. A generator that is to end when the server does looks at `currentScope().draining`.
 *
 * @throws {TypeError} If `events` cannot be iterated.
 * @throws {RangeError} If `heartbeat` is not a number of milliseconds, more than 0.
 * @example
 * ```ts
 * import { sse } from "tasktree/http";
 * import assert from "node:assert";
 * const response = sse([{ event: "tick", data: { n: 1 } }, "two\nlines"]);
 * assert.equal(await response.text(), 'event: tick\ndata: {"n":1}\n\ndata: two\ndata: lines\n\n');
 * ```
 */
export function sse(events: Events, options: SseOptions = {}): Response {
  checkOptions("send events", options);
  const { heartbeat = 15_000 } = options;
  if (typeof heartbeat !== "number" || !(heartbeat > 0))
    throw new RangeError(`Cannot send events with heartbeat ${brief(heartbeat)}: wanted milliseconds, more than 0`);
  const headers = new Headers(options.headers);
  headers.set("content-type", "text/event-stream");
  if (!headers.has("cache-control")) headers.set("cache-control", "no-cache");
  return new Response(streamOf(iteratorOf(events), heartbeat), { headers });
}

type AllEvents = AsyncIterable<string | ServerSentEvent> & Iterable<string | ServerSentEvent>;
type Steps = AsyncIterator<string | ServerSentEvent> | Iterator<string | ServerSentEvent>;
type Next = IteratorResult<string | ServerSentEvent>;

function iteratorOf(events: Events): Steps {
  const { [Symbol.asyncIterator]: ofAsync, [Symbol.iterator]: ofSync } = (events ?? {}) as Partial<AllEvents>;
  const make = (ofAsync ?? ofSync) as ((this: Events) => Steps) | undefined;
  if (typeof make !== "function") throw new TypeError(`Cannot send ${brief(events)} as events: wanted an iterable`);
  return make.call(events);
}

/** Whoever asks for more, the iterator runs where this was called: in the request's task. */
function streamOf(steps: Steps, heartbeat: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  const pulse = new Pulse(heartbeat);
  let next: Promise<Next> | undefined;
  const pull = bound(async (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>) => {
    if (next === undefined) pulse.watch((next = Promise.resolve(steps.next())));
    if (await pulse.beats()) return controller.enqueue(encoder.encode(": \n\n"));
    const step = await next;
    next = undefined;
    if (step.done === true) controller.close();
    else controller.enqueue(encoder.encode(textOf(step.value)));
  });
  const cancel = bound(async () => {
    pulse.stop();
    await steps.return?.();
  });
  return new ReadableStream({ pull, cancel }, { highWaterMark: 0 });
}

/** Tells when a promise takes longer than so many milliseconds. It listens to it once: with each beat it would hold more. */
class Pulse {
  readonly #ms: number;
  readonly #timer: Timer;
  #isOver = false;
  #wake = (): void => {};

  constructor(ms: number) {
    this.#ms = ms;
    this.#timer = new Timer(() => this.#wake());
  }

  watch(promise: Promise<unknown>): void {
    const over = (): void => {
      this.#isOver = true;
      this.#wake();
    };
    this.#isOver = false;
    promise.then(over, over);
  }

  /** Whether the time was over before the promise was. */
  async beats(): Promise<boolean> {
    const woken = new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.#ms !== Infinity) this.#timer.set(now() + this.#ms);
    if (!this.#isOver) await woken;
    this.stop();
    return !this.#isOver;
  }

  stop(): void {
    this.#timer.set(Infinity);
  }
}

function textOf(event: string | ServerSentEvent): string {
  const { data, event: type, id, retry } = typeof event === "string" ? { data: event } : event;
  let text = "";
  if (type !== undefined) text += `event: ${oneLine("event", type)}\n`;
  if (id !== undefined) text += `id: ${oneLine("id", id)}\n`;
  if (retry !== undefined) text += `retry: ${checkedRetry(retry)}\n`;
  if (data !== undefined) for (const line of linesOf(data)) text += `data: ${line}\n`;
  return `${text}\n`;
}

function linesOf(data: unknown): string[] {
  const text = typeof data === "string" ? data : (JSON.stringify(data) as string | undefined);
  if (text === undefined)
    throw new TypeError(`Cannot send ${brief(data)} as data of an event: JSON has no text for it`);
  return text.split(/\r\n|\r|\n/);
}

function oneLine(name: string, value: unknown): string {
  if (typeof value === "string" && !/[\r\n\0]/.test(value)) return value;
  throw new TypeError(`Cannot send ${brief(value)} as ${name} of an event: wanted text of one line`);
}

function checkedRetry(retry: unknown): number {
  if (Number.isInteger(retry) && (retry as number) >= 0) return retry as number;
  throw new RangeError(`Cannot send ${brief(retry)} as retry of an event: wanted whole milliseconds from 0`);
}
