import type { Conditions } from "./conditions.ts";
import type { Lane } from "./lane.ts";

/** The way from one host to another, shared by all connections between them. */
export class Link {
  readonly from: string;
  readonly to: string;
  /** Whether it is part of a partition: nothing gets through. */
  blocked = false;
  /** What waits for it to be healed, in the order in which it came to a stop. */
  readonly stalled: Set<Lane> = new Set();
  readonly #conditions: Conditions;
  /** When the last byte that was put on it has left. */
  #freeAt = -Infinity;

  constructor(from: string, to: string, conditions: Conditions) {
    this.from = from;
    this.to = to;
    this.#conditions = conditions;
  }

  /** When `size` bytes arrive that are put on it at `time`. */
  arrival(time: number, size: number): number {
    const latency = this.#conditions.latency(this.from, this.to);
    if (this.from === this.to || size === 0) return time + latency;
    this.#freeAt = Math.max(this.#freeAt, time) + (size / this.#conditions.bandwidth) * 1000;
    return this.#freeAt + latency;
  }

  heal(): void {
    if (!this.blocked) return;
    this.blocked = false;
    const stalled = [...this.stalled];
    this.stalled.clear();
    for (const lane of stalled) lane.resume();
  }
}
