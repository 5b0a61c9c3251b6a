import { captureContext, currentFrame, type Frame, type Snapshot } from "../../core/current.ts";
import { Heap } from "../../internal/heap.ts";
import type { TimeSource, VirtualClock } from "../virtual-clock.ts";

/** Node's bounds: what lies outside of them, or is no number, counts as the shortest. */
const longest = 2 ** 31 - 1;
export const shortest = 1;

/** Far from the numbers that a platform gives to its own timers. */
let nextId = 2 ** 40;

/** A timer's place in the order of time. */
interface Entry {
  readonly due: number;
  readonly place: number;
  readonly timer: VirtualTimer;
}

export interface TimerSettings {
  readonly callback: (...args: never[]) => unknown;
  readonly ms: number;
  readonly args?: readonly unknown[];
  readonly repeats?: boolean;
}

/** The platform's timers, in virtual time. */
export class VirtualTimers implements TimeSource {
  readonly #clock: VirtualClock;
  readonly #entries = new Heap<Entry>((a, b) => a.due < b.due || (a.due === b.due && a.place < b.place));
  /** How many are due at a tick. */
  readonly #due = new Map<number, number>();
  /** For those whose number somebody has asked for. */
  readonly #byId = new Map<number, VirtualTimer>();
  readonly #detach: () => void;
  #places = 0;
  #sweepAt = 1024;
  #open = true;
  holding = 0;
  steps = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
    this.#detach = clock.attach(this);
  }

  set(settings: TimerSettings): VirtualTimer {
    const timer = new VirtualTimer(this, settings);
    timer.start();
    return timer;
  }

  byId(id: unknown): VirtualTimer | undefined {
    return this.#byId.get(Number(id));
  }

  /** Nothing that was set happens any more. */
  close(): void {
    this.#open = false;
    this.#detach();
    this.#byId.clear();
  }

  // --- for the clock

  get nextTick(): number {
    let first = this.#entries.peek();
    for (; first !== undefined && first.timer.entry !== first; first = this.#entries.peek()) this.#entries.pop();
    return first?.due ?? Infinity;
  }

  dueAt(tick: number): number {
    return this.#due.get(tick) ?? 0;
  }

  step(): void {
    if (this.nextTick > this.#clock.now()) return;
    this.steps++;
    this.#entries.pop()!.timer.fire();
  }

  // --- for the timers

  enter(timer: VirtualTimer): Entry | undefined {
    if (!this.#open) return undefined;
    if (this.#entries.size >= this.#sweepAt) this.#sweep();
    const due = Math.ceil(this.#clock.now() + timer.ms);
    const entry = { due, place: this.#places++, timer };
    this.#entries.push(entry);
    this.#due.set(due, this.dueAt(due) + 1);
    return entry;
  }

  /** Drops those that were cleared, once they are many. */
  #sweep(): void {
    this.#entries.retain((entry) => entry.timer.entry === entry);
    this.#sweepAt = Math.max(1024, 2 * this.#entries.size);
  }

  left(entry: Entry): void {
    const others = this.dueAt(entry.due) - 1;
    if (others === 0) this.#due.delete(entry.due);
    else this.#due.set(entry.due, others);
  }

  hold(by: 1 | -1): void {
    this.holding += by;
    this.#clock.hold();
  }

  named(id: number, timer: VirtualTimer | undefined): void {
    if (timer === undefined) this.#byId.delete(id);
    else if (this.#open) this.#byId.set(id, timer);
  }
}

/** What a virtual `setTimeout` or `setInterval` gives: as Node's `Timeout`. */
export class VirtualTimer {
  readonly ms: number;
  /** Its place in the order of time, while it is set. */
  entry: Entry | undefined = undefined;
  readonly #timers: VirtualTimers;
  readonly #settings: TimerSettings;
  readonly #frame: Frame | undefined = currentFrame();
  readonly #inContext: Snapshot = captureContext();
  #refed = true;
  #cleared = false;
  #id: number | undefined = undefined;

  constructor(timers: VirtualTimers, settings: TimerSettings) {
    this.#timers = timers;
    this.#settings = settings;
    this.ms = settings.ms;
  }

  /** Sets it, in place of when it was set for. */
  start(): void {
    this.#leave();
    this.entry = this.#timers.enter(this);
    if (this.entry !== undefined && this.#refed) this.#timers.hold(1);
  }

  /** Its time has come. */
  fire(): void {
    this.#leave();
    try {
      this.#inContext(() => Reflect.apply(this.#settings.callback, this, this.#settings.args ?? []));
    } catch (error) {
      this.#threw(error);
    }
    if (this.#settings.repeats === true && !this.#cleared && this.entry === undefined) this.start();
    if (this.entry === undefined) this.#forget();
  }

  /** As for a real timer: what its callback throws fails the task in which it was set (rule R6). */
  #threw(error: unknown): void {
    const { node, turn } = this.#frame!;
    if (turn?.over === true) node.root.lateFailure(error, node.parent, { ended: true });
    else node.root.lateFailure(error, node);
  }

  #leave(): void {
    if (this.entry === undefined) return;
    this.#timers.left(this.entry);
    this.entry = undefined;
    if (this.#refed) this.#timers.hold(-1);
  }

  #forget(): void {
    if (this.#id !== undefined) this.#timers.named(this.#id, undefined);
  }

  /** As Node's: whether it is over, or was cleared. */
  get _destroyed(): boolean {
    return this.entry === undefined;
  }

  ref(): this {
    return this.#setRef(true);
  }

  unref(): this {
    return this.#setRef(false);
  }

  #setRef(refed: boolean): this {
    if (refed !== this.#refed && this.entry !== undefined) this.#timers.hold(refed ? 1 : -1);
    this.#refed = refed;
    return this;
  }

  hasRef(): boolean {
    return this.#refed;
  }

  /** Begins anew, also when it is over; not if it was cleared. */
  refresh(): this {
    if (!this.#cleared) this.start();
    return this;
  }

  close(): this {
    this.#cleared = true;
    this.#leave();
    this.#forget();
    return this;
  }

  [Symbol.toPrimitive](): number {
    this.#id ??= nextId++;
    if (this.entry !== undefined) this.#timers.named(this.#id, this);
    return this.#id;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A time as Node's timers take it. */
export function timerMs(ms: unknown): number {
  const given = Number(ms);
  return given >= shortest && given <= longest ? Math.trunc(given) : shortest;
}
