import type { Clock, ClockDriver } from "../core/clock.ts";
import { brief } from "../errors.ts";
import { watchers, whenQuiet } from "./quiet.ts";

export interface VirtualClockOptions {
  /** Whether time jumps to the next deadline when every task is blocked; default true. */
  readonly autoJump?: boolean;
  /** The first `now()`, in milliseconds; default 0. */
  readonly start?: number;
}

/** Checkpoints that need not wait yield to the event loop after so many: by number, so that runs repeat exactly. */
const stepsPerTurn = 10_000;

/**
 * A clock for tests: time stands still while tasks wake each other (not for one that passes checkpoint after checkpoint
 * without ever waiting, nor for real I/O), and jumps to the next deadline when every task waits. An hour
 * of retries takes milliseconds.
 *
 * @example
 * ```ts
 * import { now, run, sleep } from "tasktree";
 * import { VirtualClock } from "tasktree/testing";
 * import assert from "node:assert";
 * const clock = new VirtualClock();
 * await run(() => sleep(3_600_000), { clock, host: false });
 * assert.equal(clock.now(), 3_600_000);
 * ```
 */
export class VirtualClock implements ClockDriver {
  readonly #autoJump: boolean;
  #now: number;
  /** What was ordered by the clocks of the runs that go by this one. */
  readonly #orders = new Map<Clock, number>();
  readonly #clocks = new Set<Clock>();
  #watching = false;
  #stepsInTurn = 0;

  constructor(options: VirtualClockOptions = {}) {
    this.#autoJump = options.autoJump ?? true;
    this.#now = options.start ?? 0;
    if (!Number.isFinite(this.#now))
      throw new RangeError(`Cannot start a clock at ${brief(this.#now)}: wanted a finite number`);
  }

  /** The virtual time, in milliseconds. */
  now(): number {
    return this.#now;
  }

  /**
   * Moves time on by `ms` milliseconds. What is due on the way happens at its time, and everybody gets to wait again
   * before time goes on. Not a checkpoint: to be called by the test, outside of the tasks it drives.
   *
   * @throws {RangeError} If `ms` is NaN, negative, or Infinity, at which nobody would ever arrive.
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0 && ms < Infinity))
      throw new RangeError(`Cannot advance time by ${brief(ms)} ms: wanted a finite number from 0`);
    const target = this.#now + ms;
    await this.#silence();
    for (let tick = this.#next(); tick <= target; tick = this.#next()) {
      this.#jumpTo(tick);
      await this.#silence();
    }
    this.#now = Math.max(this.#now, target);
  }

  /** For the core. */
  arm(tick: number, clock: Clock): void {
    this.#orders.set(clock, tick);
    this.#clocks.add(clock);
    this.#watch();
  }

  /** For the core: virtual time never keeps a process alive by itself. */
  hold(): void {
    this.#watch();
  }

  /** For the core. */
  turnIsOver(): boolean {
    return ++this.#stepsInTurn > stepsPerTurn;
  }

  /** For the core. */
  newTurn(): void {
    this.#stepsInTurn = 0;
  }

  #watch(): void {
    if (!this.#autoJump || this.#watching || this.#holding() === 0) return;
    this.#watching = true;
    whenQuiet(
      () => this.#steps(),
      () => true,
      () => {
        this.#watching = false;
        const tick = this.#next();
        if (watchers.count === 0 && tick !== Infinity) this.#jumpTo(tick);
        this.#watch();
      },
    );
  }

  #jumpTo(tick: number): void {
    this.#now = Math.max(this.#now, tick);
    for (const [clock, ordered] of [...this.#orders]) {
      if (ordered > this.#now) continue;
      this.#orders.delete(clock);
      clock.advance();
    }
  }

  #next(): number {
    return Math.min(Infinity, ...this.#orders.values());
  }

  #steps(): number {
    let steps = 0;
    for (const clock of this.#clocks) steps += clock.steps;
    return steps;
  }

  #holding(): number {
    let holding = 0;
    for (const clock of this.#clocks) holding += clock.holding;
    return holding;
  }

  #silence(): Promise<void> {
    return new Promise((resolve) => {
      whenQuiet(
        () => this.#steps(),
        () => true,
        resolve,
      );
    });
  }
}
