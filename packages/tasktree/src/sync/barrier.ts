import { brief, BrokenError, checkOptions } from "../errors.ts";
import { passed, refused, WaitList, type Waitable } from "../lowlevel.ts";

export interface BarrierOptions {
  /** For reports and errors. */
  readonly name?: string;
}

export interface BarrierStatistics {
  readonly broken: boolean;
  readonly waiting: number;
}

/**
 * Lets a number of parties go on together, once all of them are there. Then it begins anew.
 *
 * A party that is cancelled while it waits leaves, and another may take its place: the barrier stays as it is (as in
 * asyncio; in Python's threading that breaks it).
 *
 * @example
 * ```ts
 * import { all, Barrier } from "tasktree";
 * import assert from "node:assert";
 * const barrier = new Barrier(3);
 * const places = await all([1, 2, 3].map(() => () => barrier.wait()));
 * assert.deepEqual(places, [0, 1, 2]);
 * ```
 */
export class Barrier implements Waitable {
  readonly name: string | undefined;
  /** How many go on together. */
  readonly parties: number;
  #broken = false;
  readonly #waiters: WaitList<number> = new WaitList(this);

  /**
   * @param parties A whole number from 1.
   * @throws {RangeError} If it is not that.
   */
  constructor(parties: number, options: BarrierOptions = {}) {
    if (!Number.isInteger(parties) || parties < 1)
      throw new RangeError(`Cannot make a barrier of ${brief(parties)} parties: wanted a whole number from 1`);
    checkOptions("make a barrier", options);
    this.parties = parties;
    this.name = options.name;
  }

  /** How many are there. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** Whether it was aborted, and not reset since. */
  get broken(): boolean {
    return this.#broken;
  }

  /**
   * Waits until as many are there as it has parties. Gives the place in the order of arrival: 0 to the first of those who
   * go on together, `parties - 1` to the last.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, this party does not count.
   *
   * @throws {BrokenError} If the barrier was aborted before, or aborted or reset during the call.
   */
  wait(): Promise<number> {
    const refusal = refused();
    if (refusal !== undefined) return refusal;
    if (this.#broken) return Promise.reject(this.#error("was aborted"));
    const place = this.#waiters.size;
    if (place < this.parties - 1) return this.#waiters.wait();
    for (let next = 0; next < place; next++) this.#waiters.wake(next);
    return passed(place);
  }

  /** Sends away whoever waits, with a `BrokenError`; then it is usable, also if it was aborted. Not a checkpoint. */
  reset(): void {
    this.#broken = false;
    this.#waiters.failAll(this.#error("was reset"));
  }

  /** Sends away whoever waits and whoever comes, with a `BrokenError`, until it is reset. Not a checkpoint. */
  abort(): void {
    this.#broken = true;
    this.#waiters.failAll(this.#error("was aborted"));
  }

  statistics(): BarrierStatistics {
    return { broken: this.#broken, waiting: this.#waiters.size };
  }

  describe(): string {
    const name = this.name === undefined ? "" : ` '${this.name}'`;
    return `barrier${name} (${this.waiting} of ${this.parties} there)`;
  }

  #error(what: string): BrokenError {
    return new BrokenError(`Cannot wait for ${this.describe()}: it ${what}`);
  }
}
