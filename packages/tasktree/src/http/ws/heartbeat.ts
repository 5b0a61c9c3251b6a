/**
 * Finds the other side dead that does not say so: a cable pulled, a machine that sleeps. Of who was not heard for an interval an
 * answer is asked for, and of who has not answered in time nothing more is expected.
 *
 * While its messages wait to be received it cannot be heard, and nothing is held against it. While it takes what was sent before the
 * question, the question may be on its way: its time begins when that has gone out.
 */
import { now, Timer } from "../../lowlevel.ts";

/** What can be asked whether the other side lives. */
export interface Beating {
  /** Whether anything was heard since this was made false. */
  heard: boolean;
  /** Grows when anything that was sent goes out. */
  readonly progress: number;
  readonly paused: boolean;
  ping(flushed: () => void): void;
}

export interface HeartbeatOptions {
  readonly pingInterval: number;
  readonly pingTimeout: number;
}

export class Heartbeat {
  readonly #wire: Beating;
  readonly #options: HeartbeatOptions;
  readonly #dead: () => void;
  readonly #timer: Timer = new Timer(() => this.#beat());
  /** The progress when the wait began. */
  #seen = 0;
  #asked: "no" | "on its way" | "yes" = "no";

  constructor(wire: Beating, options: HeartbeatOptions, dead: () => void) {
    this.#wire = wire;
    this.#options = options;
    this.#dead = dead;
    this.#rest();
  }

  stop(): void {
    this.#timer.set(Infinity);
  }

  #beat(): void {
    if (this.#wire.heard || this.#wire.paused) this.#rest();
    else if (this.#asked === "no") this.#ask();
    else if (this.#asked === "on its way" && this.#wire.progress > this.#seen) this.#wait();
    else this.#dead();
  }

  #rest(): void {
    this.#asked = "no";
    this.#wire.heard = false;
    this.#timer.set(now() + this.#options.pingInterval);
  }

  #ask(): void {
    this.#asked = "on its way";
    this.#wait();
    this.#wire.ping(() => {
      if (this.#asked !== "on its way") return;
      this.#asked = "yes";
      this.#wait();
    });
  }

  #wait(): void {
    this.#seen = this.#wire.progress;
    this.#timer.set(now() + this.#options.pingTimeout);
  }
}
