/** A call of the platform in progress: it has the signal of the scope around, and tells that scope when it was cut. */
import type { EventEmitter } from "node:events";
import { errorMonitor } from "node:events";
import { currentSignal, here, refused, WaitList, type Waitable } from "../lowlevel.ts";
import { isObject } from "../errors.ts";

/** Gives a noun phrase for reports; called only when there is one. */
export type Described = () => string;

function ignore(): void {}

/** No promise of ours is reported unhandled for a cancellation (rule K9). */
function handle(promise: Promise<unknown>): void {
  promise.then(undefined, ignore);
}

export class Call implements Waitable {
  /** Of the scope around, while cleaning up that of the cut-off. Before a refusal is asked for, which may change it. */
  readonly signal: AbortSignal = currentSignal();
  readonly describe: Described;
  readonly #node = here();
  readonly #line: WaitList = new WaitList(this);

  constructor(describe: Described) {
    this.describe = describe;
  }

  /** The promise with which a checkpoint must answer; undefined if it may go on. */
  refused(): Promise<never> | undefined {
    return refused(this.#node);
  }

  /** Shows the call in reports until it has {@link ended}. The platform cuts it, not the line: it has ended when that says so. */
  begin(): void {
    void this.#line.wait(undefined, { exempt: true });
  }

  ended(): void {
    this.#line.wakeAll();
  }

  /** Ended with `error`; tells the scope if that is its cancellation, and tells whether it is. */
  failed(error: unknown): boolean {
    this.ended();
    const cut = this.signal.aborted && isAbort(error);
    if (cut) void this.refused();
    return cut;
  }

  /** `promise`, which is what the platform has given for this call. */
  follow<T>(promise: PromiseLike<T>): Promise<T> {
    this.begin();
    const followed: Promise<T> = Promise.resolve(promise).then(
      (value) => {
        this.ended();
        return value;
      },
      (error: unknown) => {
        if (this.failed(error)) handle(followed);
        throw error;
      },
    );
    return followed;
  }

  /** Shows the call until `emitter` has failed or closed. */
  watch(emitter: EventEmitter): void {
    this.begin();
    this.hear(emitter);
    emitter.once("close", () => this.ended());
  }

  /** Hears of the error of `emitter`, and changes nothing of what becomes of it. */
  hear(emitter: EventEmitter): void {
    emitter.once(errorMonitor, (error: unknown) => this.failed(error));
  }
}

/** A call that gives a promise, as a checkpoint. `start` is not called if it is refused on entry. */
export function waited<T>(describe: Described, start: (signal: AbortSignal) => PromiseLike<T>): Promise<T> {
  const call = new Call(describe);
  return call.refused() ?? call.follow(start(call.signal));
}

/** What an async iterator gives, each step as a call in progress. */
export function iterated<I extends AsyncIterator<unknown>>(describe: Described, start: (signal: AbortSignal) => I): I {
  const call = new Call(describe);
  void call.refused();
  const iterator = start(call.signal);
  const { next } = iterator;
  iterator.next = (...value) => call.follow(next.apply(iterator, value));
  return iterator;
}

function isAbort(error: unknown): boolean {
  if (!isObject(error)) return false;
  const { name, code } = error as { name?: unknown; code?: unknown };
  return name === "AbortError" || code === "ABORT_ERR";
}

/** The caller's signal, if there is one, and the scope's. What is no signal is left for the platform to refuse. */
export function joined(given: unknown, signal: AbortSignal): unknown {
  if (given === undefined || given === null || given === signal) return signal;
  return given instanceof AbortSignal ? AbortSignal.any([given, signal]) : given;
}

/**
 * `args` with `signal` in the options at `place`, where there may be none yet, or a callback; `text` is the option that a
 * string there stands for.
 */
export function withSignal(args: readonly unknown[], place: number, signal: AbortSignal, text?: string): unknown[] {
  const filled = [...args];
  const given = args[place];
  if (typeof given === "function") filled.splice(place, 0, { signal });
  else if (given === undefined || given === null) filled[place] = { signal };
  else if (typeof given === "string" && text !== undefined) filled[place] = { [text]: given, signal };
  else if (typeof given === "object") {
    filled[place] = { ...given, signal: joined((given as { signal?: unknown }).signal, signal) };
  }
  return filled;
}
