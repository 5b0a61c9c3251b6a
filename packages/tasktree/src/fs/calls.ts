/** Calls of the platform that threads do, and that nothing can interrupt. The folder's README tells what becomes of them. */
import { suppress } from "../errors.ts";
import { passed, refused, shield, WaitList } from "../lowlevel.ts";
import { fileLimiter } from "./file-limiter.ts";

/** So long does what has to be seen through wait for a disk that hangs, once it is cancelled, in milliseconds. */
const patience = 5000;

type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/** A call in progress. Any number may wait for it, at any time; if they leave, it goes on. */
export class InFlight<T> {
  /** For who waits whatever happens. */
  readonly promise: Promise<T>;
  /** Whether it is over and somebody has heard how it ended. */
  told = false;
  readonly #waiters: WaitList<T>;
  #outcome: Outcome<T> | undefined = undefined;
  #late: ((outcome: Outcome<T>) => void) | undefined = undefined;

  constructor(what: string, promise: Promise<T>) {
    this.#waiters = new WaitList({ describe: () => what });
    this.promise = promise;
    promise.then(
      (value) => this.#settle({ ok: true, value }),
      (error: unknown) => this.#settle({ ok: false, error }),
    );
  }

  get isOver(): boolean {
    return this.#outcome !== undefined;
  }

  wait(): Promise<T> {
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    if (this.#outcome === undefined) return this.#waiters.wait();
    this.told = true;
    return this.#outcome.ok ? passed<T>(this.#outcome.value) : Promise.reject(this.#outcome.error);
  }

  /** Whoever waits goes on with an error. */
  turnAway(error: unknown): void {
    this.#waiters.failAll(error);
  }

  /** What becomes of how it ends, when it does. */
  afterwards(late: (outcome: Outcome<T>) => void): void {
    if (this.#outcome === undefined) this.#late = late;
    else late(this.#outcome);
  }

  #settle(outcome: Outcome<T>): void {
    this.#outcome = outcome;
    this.told = this.#waiters.size > 0;
    if (outcome.ok) this.#waiters.wakeAll(outcome.value);
    else this.#waiters.failAll(outcome.error);
    this.#late?.(outcome);
  }
}

/** Has a token of the limiter. */
class Turn {
  readonly what: string;

  constructor(what: string) {
    this.what = what;
  }

  async run<T>(start: () => Promise<T>): Promise<T> {
    try {
      return await start();
    } finally {
      fileLimiter.release(this);
    }
  }
}

/** Waits until a call may begin; it has to be run. */
export async function turn(what: string): Promise<Turn> {
  const call = new Turn(what);
  await fileLimiter.acquire(call);
  return call;
}

/** Begins a call in its turn, unless there is a reason against it then. */
export async function begun<T>(
  what: string,
  whyNot: () => Error | undefined,
  start: () => Promise<T>,
): Promise<InFlight<T>> {
  const call = await turn(what);
  const running = call.run(async () => {
    const error = whyNot();
    if (error !== undefined) throw error;
    return await start();
  });
  return new InFlight(what, running);
}

/** Waits for its turn, and for a call that changes nothing. Cut, it leaves it: what it gives then goes to `onLate`. */
export async function left<T>(what: string, start: () => Promise<T>, onLate: (value: T) => void = ignore): Promise<T> {
  const call = new InFlight(what, (await turn(what)).run(start));
  try {
    return await call.wait();
  } catch (error) {
    call.afterwards((outcome) => outcome.ok && onLate(outcome.value));
    throw error;
  }
}

/** As `seenThrough`, for a call whose turn it waits for first. */
export async function doneInTurn<T>(what: string, start: () => Promise<T>, onLate?: (value: T) => void): Promise<T> {
  return await seenThrough(new InFlight(what, (await turn(what)).run(start)), onLate);
}

/** Waits until a call is over, whatever happens meanwhile. If it takes too long after a cancellation, what it gives goes to `onLate`. */
export async function seenThrough<T>(call: InFlight<T>, onLate: (value: T) => void = ignore): Promise<T> {
  try {
    return await shield(() => call.wait(), { timeout: patience });
  } catch (error) {
    if (!call.isOver) call.afterwards((outcome) => (outcome.ok ? onLate(outcome.value) : raise(outcome.error)));
    throw error;
  }
}

/** An error that nobody waits for any more goes to the task in whose context this is. */
export function raise(error: unknown): void {
  void Promise.reject(error);
}

/** Takes one step after the other, whichever fail; throws the first error, with the others on it. */
export async function eachStep(...steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const step of steps) await step().catch((error: unknown) => errors.push(error));
  const [first, ...others] = errors;
  for (const other of others) suppress(first as object, other);
  if (errors.length > 0) throw first;
}

function ignore(): void {}
