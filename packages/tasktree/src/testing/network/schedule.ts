import { Heap } from "../../internal/heap.ts";
import { now, Timer } from "../../lowlevel.ts";

/** Something that happens on the network at its time, unless it is taken back. */
export interface NetworkEvent {
  readonly time: number;
  readonly order: number;
  /** Must not throw. */
  happen: (() => void) | undefined;
}

/**
 * What happens on the network, in one order for all of it: by time, then in the order it was set.
 *
 * No timer runs while nobody waits: whoever does something next sees to what has happened by then. So what is left under way
 * keeps neither a run nor its clock going.
 */
export class Schedule {
  readonly #events: Heap<NetworkEvent> = new Heap((a, b) => (a.time === b.time ? a.order < b.order : a.time < b.time));
  readonly #timer: Timer = new Timer(() => this.catchUp());
  #orders = 0;
  #waiting = 0;
  /** The time of the event that is happening. */
  #time: number | undefined = undefined;

  /** How many wait for something that comes over the network. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The time on the network: that of the run, or of what is being caught up with. */
  get time(): number {
    return this.#time ?? now();
  }

  at(time: number, happen: () => void): NetworkEvent {
    const event = { time, order: ++this.#orders, happen };
    this.#events.push(event);
    this.#arm();
    return event;
  }

  waits(change: 1 | -1): void {
    this.#waiting += change;
    this.#arm();
  }

  /** Lets everything happen that is due by now. */
  catchUp(): void {
    if (this.#time !== undefined) return;
    const until = now();
    try {
      for (let event = this.#first(); event !== undefined && event.time <= until; event = this.#first()) {
        this.#events.pop();
        this.#time = event.time;
        event.happen!();
      }
    } finally {
      this.#time = undefined;
      this.#arm();
    }
  }

  /** The first event that was not taken back. */
  #first(): NetworkEvent | undefined {
    while (this.#events.size > 0 && this.#events.peek()!.happen === undefined) this.#events.pop();
    return this.#events.peek();
  }

  #arm(): void {
    if (this.#time !== undefined) return;
    this.#timer.set(this.#waiting > 0 ? (this.#first()?.time ?? Infinity) : Infinity);
  }
}
