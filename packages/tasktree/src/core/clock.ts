/**
 * Time: one line of waiters per millisecond, a heap of those milliseconds, one host timer for the first of them.
 *
 * To sleep is to wait in the line of one's millisecond, so putting a sleeper in and taking it out cost the same whatever
 * the number of sleepers. Of what is due at one moment, alarms ring before sleepers wake: a deadline beats a sleep.
 *
 * Road not taken: a timer per sleep (350 bytes and a heap position each), a hierarchical wheel (cascades; more code).
 */
import { Heap } from "../internal/heap.ts";
import { LinkedList, type Linked } from "../internal/linked-list.ts";
import { inHostContext } from "./current.ts";
import type { InLine, Wait } from "./wait-list.ts";

/** Told when one of its alarms rings: in no task's context, and without throwing. */
export interface AlarmOwner {
  ring(alarm: Alarm): void;
}

/** A call at a time. */
export class Alarm implements Linked<Alarm> {
  prev: Alarm | undefined = undefined;
  next: Alarm | undefined = undefined;
  list: LinkedList<Alarm> | undefined = undefined;
  deadline: number = Infinity;
  readonly owner: AlarmOwner;
  /** Whether the process stays alive for it. */
  readonly holds: boolean;

  constructor(owner: AlarmOwner, holds = true) {
    this.owner = owner;
    this.holds = holds;
  }
}

/** Everything that is due in one millisecond. */
class Line {
  readonly tick: number;
  readonly alarms: LinkedList<Alarm> = new LinkedList();
  readonly sleepers: LinkedList<InLine> = new LinkedList();

  constructor(tick: number) {
    this.tick = tick;
  }

  get empty(): boolean {
    return this.alarms.first === undefined && this.sleepers.first === undefined;
  }
}

const settledAtOnce = 128;

/** What makes a {@link Clock} go: the machine's timers, or a test. */
export interface ClockDriver {
  /** Milliseconds since some moment; never goes back. */
  now(): number;
  /** Orders one call of `clock.advance()` when `now()` has reached `tick`, in place of what was ordered before. */
  arm(tick: number, clock: Clock): void;
  /** Whether what is armed keeps the process alive. */
  hold(alive: boolean): void;
  /** Whether the running code has gone on long enough without letting timers and I/O have a turn. */
  turnIsOver(): boolean;
  /** A new turn of the event loop has begun. */
  newTurn(): void;
  /** Which of `count` things that are as good as each other, from 0; default: any, by chance. */
  draw?(count: number): number;
}

/** The clock of a run. All times on it are milliseconds since an arbitrary moment; it never goes back. */
export class Clock {
  readonly #driver: ClockDriver;
  readonly #lines = new Map<number, Line>();
  readonly #ticks = new Heap<Line>((a, b) => a.tick < b.tick);
  #armed = Infinity;
  #sweepAt = 1024;
  /** Counts what happens on this clock's trees, so that a test can tell when nothing does. */
  steps = 0;
  #postponed: unknown[] = [];
  /** How much of {@link #postponed} has been settled. */
  #settled = 0;
  #holding = 0;
  #forever = 0;

  constructor(driver: ClockDriver) {
    this.#driver = driver;
  }

  now(): number {
    return this.#driver.now();
  }

  /** Which of `count` things that are as good as each other. */
  draw(count: number): number {
    return this.#driver.draw?.(count) ?? Math.floor(Math.random() * count);
  }

  /** Also while others wait for their turn: who comes now comes after them. */
  turnIsOver(): boolean {
    return this.#postponed.length > 0 || this.#driver.turnIsOver();
  }

  /** How many sleepers and alarms with a time are set that keep the process alive. */
  get holding(): number {
    return this.#holding;
  }

  /** The next millisecond in which something is due, or undefined. */
  get nextTick(): number | undefined {
    return this.#firstLine()?.tick;
  }

  /** Sets `alarm` for `deadline`, anew if it was set; Infinity takes it back. */
  set(alarm: Alarm, deadline: number): void {
    this.clear(alarm);
    alarm.deadline = deadline;
    if (deadline === Infinity) return;
    const line = this.#lineAt(deadline);
    line.alarms.push(alarm);
    this.#added(line.tick, alarm.holds);
  }

  clear(alarm: Alarm): void {
    if (alarm.list === undefined) return;
    alarm.list.remove(alarm);
    if (alarm.holds) this.#hold(-1, 0);
  }

  /** Puts `wait` to sleep until `deadline`; Infinity keeps the process alive for the signal that may end it. */
  sleep(wait: Wait, deadline: number): void {
    if (deadline === Infinity) return this.#sleepForever(wait);
    const line = this.#lineAt(deadline);
    line.sleepers.push(wait);
    wait.asleep = this;
    this.#added(line.tick, true);
  }

  /** Told by a sleeper that has left its line. */
  sleeperLeft(wait: Wait): void {
    if (wait.forever) this.#hold(0, -1);
    else this.#hold(-1, 0);
    wait.asleep = undefined;
  }

  #sleepForever(wait: Wait): void {
    wait.asleep = this;
    this.#hold(0, 1);
  }

  /** Calls `settle(value)`: now, or in the next turn of the event loop when this one has lasted long enough. */
  inTurn<T>(settle: (value: T) => void, value: T): void {
    if (!this.turnIsOver()) return settle(value);
    // Flat, in pairs: there may be a hundred thousand of them.
    if (this.#postponed.push(settle, value) === 2) this.#orderTurn();
  }

  #orderTurn(): void {
    inHostContext(() =>
      setImmediate(() => {
        this.#driver.newTurn();
        this.#settleSome();
      }),
    );
  }

  /** A few at a time, so that what they resume counts as part of the turn. */
  #settleSome(): void {
    const postponed = this.#postponed;
    const end = Math.min(this.#settled + 2 * settledAtOnce, postponed.length);
    while (this.#settled < end) {
      const settle = postponed[this.#settled++] as (value: unknown) => void;
      settle(postponed[this.#settled++]);
    }
    // While there are always some left, the settled ones must not pile up before them.
    if (this.#settled > postponed.length / 2) {
      this.#postponed = postponed.slice(this.#settled);
      this.#settled = 0;
    }
    if (this.#postponed.length === 0) return;
    if (this.#driver.turnIsOver()) {
      this.#orderTurn();
    } else {
      void Promise.resolve().then(() => this.#settleSome());
    }
  }

  /** Rings and wakes everything that is due: millisecond by millisecond, in each the alarms before the sleepers. */
  advance(): void {
    this.#armed = Infinity;
    this.#driver.newTurn();
    const now = this.now();
    for (let line = this.#firstLine(); line !== undefined && line.tick <= now; line = this.#firstLine()) {
      this.#ticks.pop();
      this.#lines.delete(line.tick);
      this.#ring(line);
      this.#wake(line);
    }
    const next = this.nextTick;
    if (next !== undefined && next < this.#armed) this.#arm(next);
    if (this.#forever > 0) this.#driver.hold(true);
  }

  #ring(line: Line): void {
    for (let alarm = line.alarms.first; alarm !== undefined; alarm = line.alarms.first) {
      this.clear(alarm);
      alarm.owner.ring(alarm);
    }
  }

  #wake(line: Line): void {
    for (let wait = line.sleepers.first; wait !== undefined; wait = line.sleepers.first) {
      wait.wake(undefined);
    }
  }

  #lineAt(deadline: number): Line {
    const tick = Math.ceil(deadline);
    let line = this.#lines.get(tick);
    if (line === undefined) {
      if (this.#ticks.size >= this.#sweepAt) this.#sweep();
      line = new Line(tick);
      this.#lines.set(tick, line);
      this.#ticks.push(line);
    }
    return line;
  }

  /** The first line with somebody in it; empty ones before it are dropped. */
  #firstLine(): Line | undefined {
    for (let line = this.#ticks.peek(); line !== undefined; line = this.#ticks.peek()) {
      if (!line.empty) return line;
      this.#ticks.pop();
      this.#lines.delete(line.tick);
    }
    return undefined;
  }

  /** Drops empty lines once they are many: each timeout that is set and taken back may leave one. */
  #sweep(): void {
    this.#ticks.retain((line) => {
      if (line.empty) this.#lines.delete(line.tick);
      return !line.empty;
    });
    this.#sweepAt = Math.max(1024, 2 * this.#ticks.size);
  }

  #added(tick: number, holds: boolean): void {
    if (tick < this.#armed) this.#arm(tick);
    if (holds) this.#hold(1, 0);
  }

  #hold(timed: number, forever: number): void {
    const before = this.#holding + this.#forever;
    this.#holding += timed;
    this.#forever += forever;
    const after = this.#holding + this.#forever;
    // Told also of the first one with a time: virtual time does not move for those without.
    if (before === 0 || after === 0 || (timed > 0 && this.#holding === timed)) this.#driver.hold(after > 0);
  }

  #arm(tick: number): void {
    this.#armed = tick;
    this.#driver.arm(tick, this);
  }
}

/** How long code may run from checkpoint to checkpoint before timers and I/O get a turn, in milliseconds. */
const turnLength = 8;

/** So often it may be asked whether a turn is over without a look at the clock, where that takes no more than so many ms. */
const longestPause = 8;
const longestPauseMs = 0.1;

/** Node's timers count in whole milliseconds and take at most 31 bits of them. */
const longestTimer = 2 ** 31 - 1;

/** After so many releases in one go of microtasks the next ones wait for its end. */
const manyReleases = 32;

class HostDriver implements ClockDriver {
  #timer: ReturnType<typeof setTimeout> | undefined = undefined;
  #alive = false;
  /** How often the timer was let go of since the last go of microtasks in which that was often. */
  #releases = 0;
  #turnEnd = 0;
  /** When the clock was last looked at to see whether the turn is over. */
  #lookedAt = 0;
  /** How often that was asked since, and how often it may be until the next look. */
  #asked = 0;
  #pause = 0;

  now(): number {
    return performance.now();
  }

  arm(tick: number, clock: Clock): void {
    clearTimeout(this.#timer);
    const ms = Math.min(Math.max(Math.ceil(tick - this.now()), 0), longestTimer);
    this.#set(ms, () => clock.advance());
  }

  hold(alive: boolean): void {
    this.#alive = alive;
    if (alive) this.#hold();
    else if (++this.#releases < manyReleases) this.#timer?.unref();
    else if (this.#releases === manyReleases) this.#releaseLater();
  }

  #hold(): void {
    if (this.#timer === undefined) this.#set(longestTimer, () => this.hold(this.#alive));
    else if (this.#releases < manyReleases) this.#timer.ref();
  }

  /** Many timeouts, one after the other, would tell Node of each: the timer is held until all microtasks have run. */
  #releaseLater(): void {
    this.#timer?.ref();
    inHostContext(() =>
      process.nextTick(() => {
        this.#releases = 0;
        if (!this.#alive) this.#timer?.unref();
      }),
    );
  }

  #set(ms: number, then: () => void): void {
    this.#timer = inHostContext(() =>
      setTimeout(() => {
        this.#timer = undefined;
        then();
      }, ms),
    );
    if (!this.#alive && this.#releases < manyReleases) this.#timer.unref();
  }

  /**
   * A look at the clock costs as much as many an operation that asks, so where they come fast only every ninth looks. They
   * are few, since code that was fast may become slow: then the turn is so many steps too long, once.
   */
  turnIsOver(): boolean {
    if (this.#asked < this.#pause) {
      this.#asked++;
      return false;
    }
    const now = performance.now();
    const pace = (now - this.#lookedAt) / (this.#asked + 1);
    const over = now > this.#turnEnd;
    this.#lookedAt = now;
    this.#asked = 0;
    // Until the next turn has begun, everybody who asks is told.
    this.#pause = !over && pace * longestPause < longestPauseMs ? longestPause : 0;
    return over;
  }

  newTurn(): void {
    this.#lookedAt = performance.now();
    this.#turnEnd = this.#lookedAt + turnLength;
    this.#asked = this.#pause = 0;
  }
}

/** The machine's clock, shared by all runs that don't bring their own. */
export const hostClock: Clock = new Clock(new HostDriver());
