import { isExpected, passed, refused } from "../lowlevel.ts";

/** Work that gives results, one after another. */
export interface Working<R> {
  /** Begins it; the first thing that is called. */
  begin(): void;
  /** Whether there is a result to take. */
  readonly ready: boolean;
  take(): R;
  /** Whether there may be more. */
  readonly going: boolean;
  /** Waits until it has changed. Cancellation: Checkpoint, nothing lost. */
  wait(): Promise<void>;
  /** Rejects with what has failed it. */
  outcome(): PromiseLike<void>;
  /** Whether `error` says that the work itself was cancelled: it was left open, and the scope around has ended. */
  wasCut(error: unknown): boolean;
  /** Cancels what still runs, and waits for it. Not a checkpoint. */
  end(): Promise<void>;
}

/** Whether it is others' turn asks for the time, which costs as much as a step. */
const askEvery = 64;

/**
 * The results of some work, as they are asked for. It begins with the first step, and has ended when the last one settles.
 *
 * An async generator by hand: a step of the language's own costs as much as a short function and its task.
 *
 * Cancellation: Each step is a checkpoint, effects possible: if it is cancelled, so is the work.
 */
export class Results<R> implements AsyncGenerator<R, void, undefined> {
  readonly #work: Working<R>;
  #state: "new" | "begun" | "over" = "new";
  #given = 0;
  /** How many steps were asked for and are not settled, and the promise of the last. */
  #steps = 0;
  #last: Promise<unknown> | undefined = undefined;
  /** What the next step has to throw. */
  #refusal: Promise<never> | undefined = undefined;

  constructor(work: Working<R>) {
    this.#work = work;
  }

  next(): Promise<IteratorResult<R, void>> {
    if (this.#steps === 0 && this.#state === "begun") {
      this.#refusal = refused();
      if (this.#refusal === undefined) {
        if (!this.#work.ready) {
          if (this.#work.going) return this.#inTurn(this.#wait);
        } else if (++this.#given % askEvery !== 0) {
          return Promise.resolve({ done: false, value: this.#work.take() });
        }
      }
    }
    return this.#inTurn(this.#step);
  }

  return(value?: void | PromiseLike<void>): Promise<IteratorResult<R, void>> {
    return this.#inTurn(async () => {
      try {
        await this.#end();
        return { done: true, value: await value };
      } finally {
        this.#steps--;
      }
    });
  }

  throw(error: unknown): Promise<IteratorResult<R, void>> {
    return this.#inTurn(async () => {
      await this.#end();
      this.#steps--;
      throw error;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** As generators do it: steps that are asked for at once come one after the other. */
  #inTurn<S>(step: () => Promise<S>): Promise<S> {
    let promise: Promise<S>;
    if (this.#steps++ === 0) {
      promise = step();
    } else {
      this.#steps++; // until it has settled, which is some steps after its own end: nothing may overtake it
      promise = this.#last!.then(step, step).then(this.#settled<S>, this.#failed);
    }
    this.#last = promise;
    return promise;
  }

  readonly #settled = <S>(step: S): S => {
    this.#steps--;
    return step;
  };

  readonly #failed = (error: unknown): never => {
    this.#steps--;
    throw error;
  };

  /** A step that has to be more than a wait. */
  readonly #step = async (): Promise<IteratorResult<R, void>> => {
    try {
      const refusal = this.#refusal;
      this.#refusal = undefined;
      if (refusal !== undefined) await refusal;
      if (this.#state === "new") {
        await refused();
        this.#work.begin();
        this.#state = "begun";
      }
      if (this.#state === "begun") {
        while (!this.#work.ready && this.#work.going) await (refused() ?? this.#work.wait());
        if (this.#work.ready) {
          const pause = refused() ?? (this.#given % askEvery === 0 ? passed() : undefined);
          if (pause !== undefined) await pause;
          this.#steps--;
          return { done: false, value: this.#work.take() };
        }
        await this.#work.outcome();
      }
      await this.#end();
    } catch (error) {
      return await this.#fail(error);
    }
    this.#steps--;
    return { done: true, value: undefined };
  };

  /** A step that waits for a result, without an async function: there may be one for each item. */
  readonly #wait = (): Promise<IteratorResult<R, void>> => this.#work.wait().then(this.#goOn, this.#fail);

  readonly #goOn = (): IteratorResult<R, void> | Promise<IteratorResult<R, void>> => {
    this.#refusal = refused();
    if (!this.#work.ready || this.#refusal !== undefined) return this.#step();
    this.#steps--;
    return { done: false, value: this.#work.take() };
  };

  readonly #fail = async (error: unknown): Promise<never> => {
    // Whoever asked for another step waits for this one.
    if (isExpected(error) || this.#work.wasCut(error)) this.#last?.catch(ignore);
    await this.#end();
    this.#steps--;
    throw error;
  };

  async #end(): Promise<void> {
    const begun = this.#state === "begun";
    this.#state = "over";
    if (begun) await this.#work.end();
  }
}

function ignore(): void {}
