import type { Clock, ClockDriver } from "../core/clock.ts";
import { inHostContext } from "../core/current.ts";
import { brief, checkOptions } from "../errors.ts";
import { watchers, whenQuiet } from "./quiet.ts";

export interface VirtualClockOptions {
  /** Whether time jumps to the next deadline when every task is blocked; default true. */
  readonly autoJump?: boolean;
  /** The first `now()`, in milliseconds; default 0. */
  readonly start?: number;
}

/** Something beside tasktree's own sleeps that goes by a virtual clock. @internal */
export interface TimeSource {
  /** When something of it is due next; Infinity for never. */
  readonly nextTick: number;
  /** How many things of it are due at `tick`, which is the next. */
  dueAt(tick: number): number;
  /** Does the first thing that is due. */
  step(): void;
  /** How many things of it time goes on for. */
  readonly holding: number;
  /** Counts what it has done. */
  readonly steps: number;
}

/** How often, in milliseconds, real I/O that time stands still for is looked at. */
const ioPause = 1;

/** Checkpoints that need not wait yield to the event loop after so many: by number, so that runs repeat exactly. */
const stepsPerTurn = 10_000;

/**
 * A clock for tests: time stands still while tasks wake each other (not for one that passes checkpoint after checkpoint
 * without ever waiting, nor for real I/O: {@link runVirtual} waits for that), and jumps to the next deadline when every task waits. An hour
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
  readonly #sources = new Set<TimeSource>();
  #ioPending: () => boolean = () => false;
  #watching = false;
  #stepsInTurn = 0;

  constructor(options: VirtualClockOptions = {}) {
    checkOptions("make a clock", options);
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
    for (let tick = this.nextTick; tick <= target; tick = this.nextTick) {
      this.#jump(tick);
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
      () => this.steps,
      () => true,
      () => {
        const tick = this.nextTick;
        const jumps = watchers.count === 0 && tick !== Infinity && this.#holding() > 0;
        if (jumps && this.#ioPending()) return this.#watchAfter(ioPause);
        this.#watching = false;
        if (jumps) this.#jump(tick);
        this.#watch();
      },
    );
  }

  #watchAfter(ms: number): void {
    inHostContext(() =>
      setTimeout(() => {
        this.#watching = false;
        this.#watch();
      }, ms),
    );
  }

  /** All that is due at `tick`, each thing in a turn of its own: what promises do comes between, as on the platform. */
  #jump(tick: number): void {
    let turns = this.#isDue(tick) ? 1 : 0;
    for (const source of this.#sources) turns += source.dueAt(tick);
    // Ordered before the first is done: what that orders with setImmediate comes after them.
    for (let turn = 1; turn < turns; turn++) {
      inHostContext(() =>
        setImmediate(() => {
          if (this.nextTick <= tick) this.jumpTo(tick);
        }),
      );
    }
    this.jumpTo(tick);
  }

  /**
   * Moves to `tick` and lets one thing happen: all that is due of tasktree's own, or else the first timer of the platform.
   * While there are others, `nextTick` stays where it is. @internal
   */
  jumpTo(tick: number): void {
    this.#now = Math.max(this.#now, tick);
    if (this.#isDue(this.#now)) return this.#advanceClocks();
    for (const source of this.#sources) {
      if (source.nextTick <= this.#now) return source.step();
    }
  }

  #isDue(tick: number): boolean {
    return [...this.#orders.values()].some((ordered) => ordered <= tick);
  }

  #advanceClocks(): void {
    for (const [clock, ordered] of [...this.#orders]) {
      if (ordered > this.#now) continue;
      this.#orders.delete(clock);
      clock.advance();
    }
  }

  /** When something is due next; Infinity if nothing is. @internal */
  get nextTick(): number {
    let next = Math.min(Infinity, ...this.#orders.values());
    for (const source of this.#sources) next = Math.min(next, source.nextTick);
    return next;
  }

  /** Lets `source` go by this clock, until the returned function is called. @internal */
  attach(source: TimeSource): () => void {
    this.#sources.add(source);
    this.#watch();
    return () => void this.#sources.delete(source);
  }

  /** Time does not jump by itself while `pending()`. @internal */
  standStillWhile(pending: () => boolean): void {
    this.#ioPending = pending;
  }

  /** Counts what tasks, and the platform's timers and immediates that go by this clock, have done. @internal */
  get steps(): number {
    let steps = 0;
    for (const clock of this.#clocks) steps += clock.steps;
    for (const source of this.#sources) steps += source.steps;
    return steps;
  }

  #holding(): number {
    let holding = 0;
    for (const clock of this.#clocks) holding += clock.holding;
    for (const source of this.#sources) holding += source.holding;
    return holding;
  }

  #silence(): Promise<void> {
    return new Promise((resolve) => {
      whenQuiet(
        () => this.steps,
        () => true,
        resolve,
      );
    });
  }
}
