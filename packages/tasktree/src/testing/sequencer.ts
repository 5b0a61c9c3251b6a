import { brief, BrokenError, checkOptions, InvalidStateError } from "../errors.ts";
import { passed, refused, WaitList, type Waitable } from "../lowlevel.ts";

export interface SequencerOptions {
  /** For reports and errors. */
  readonly name?: string;
}

export interface SequencerStatistics {
  /** The position whose turn it is, or that has it next. */
  readonly next: number;
  readonly waiting: number;
  readonly broken: boolean;
}

/**
 * Orders the steps of several tasks in a test: who is at 1 goes on when who was at 0 has finished.
 *
 * Positions count from 0, and each is given once. (Trio's `testing.Sequencer`.)
 *
 * @example
 * ```ts
 * import { all } from "tasktree";
 * import { Sequencer } from "tasktree/testing";
 * import assert from "node:assert";
 * const sequencer = new Sequencer();
 * const steps: number[] = [];
 * const step = (position: number) => async () => {
 *   using _turn = await sequencer.at(position);
 *   steps.push(position);
 * };
 * await all([step(2), step(0), step(1)]);
 * assert.deepEqual(steps, [0, 1, 2]);
 * ```
 */
export class Sequencer implements Waitable {
  readonly name: string | undefined;
  readonly #given = new Set<number>();
  readonly #waiting = new Map<number, WaitList<Disposable>>();
  #next = 0;
  #broken = false;

  constructor(options: SequencerOptions = {}) {
    checkOptions("make a sequencer", options);
    this.name = options.name;
  }

  /**
   * Waits until it is the turn of `position`, which lasts until what this gives is disposed of.
   *
   * Cancellation: Checkpoint, effects possible: if this call is cancelled while it waits, its position will never come, so
   * the sequence is broken for all. Cut on entry, it has had no effect.
   *
   * @param position A whole number from 0.
   * @throws {RangeError} If it is not that.
   * @throws {InvalidStateError} If somebody was at that position before.
   * @throws {BrokenError} If the sequence was broken before or during the call.
   */
  at(position: number): Promise<Disposable> {
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    const error = this.#refusal(position);
    if (error !== undefined) return Promise.reject(error);
    this.#given.add(position);
    if (position === this.#next) return passed(this.#turn());
    const line = new WaitList<Disposable>({
      describe: () => `position ${position} of ${this.describe()}`,
      left: () => this.#break(position),
    });
    this.#waiting.set(position, line);
    return line.wait();
  }

  #refusal(position: number): Error | undefined {
    if (!Number.isInteger(position) || position < 0)
      return new RangeError(`Cannot be at ${brief(position)} of ${this.describe()}: wanted a whole number from 0`);
    if (this.#given.has(position))
      return new InvalidStateError(`Cannot be at ${position} of ${this.describe()}: somebody was there before`);
    return this.#broken ? this.#brokenAt(position) : undefined;
  }

  #turn(): Disposable {
    let over = false;
    return {
      [Symbol.dispose]: () => {
        if (over) return;
        over = true;
        this.#finish();
      },
    };
  }

  #finish(): void {
    this.#next++;
    const line = this.#waiting.get(this.#next);
    if (line === undefined) return;
    this.#waiting.delete(this.#next);
    line.wake(this.#turn());
  }

  /** Who waited for `position` was cancelled. */
  #break(position: number): void {
    this.#waiting.delete(position);
    if (this.#broken) return;
    this.#broken = true;
    // Not at once: what cancels this one may be about to cancel others, and they are not to fail.
    queueMicrotask(() => {
      for (const [other, line] of this.#waiting) line.fail(this.#brokenAt(other));
      this.#waiting.clear();
    });
  }

  #brokenAt(position: number): BrokenError {
    return new BrokenError(`Cannot be at ${position} of ${this.describe()}: somebody was cancelled who waited there`);
  }

  statistics(): SequencerStatistics {
    return { next: this.#next, waiting: this.#waiting.size, broken: this.#broken };
  }

  describe(): string {
    const name = this.name === undefined ? "" : ` '${this.name}'`;
    return `sequencer${name} (at ${this.#next}${this.#broken ? ", broken" : ""})`;
  }
}
