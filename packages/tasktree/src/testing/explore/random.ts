/** Numbers that look random and repeat with their seed: xorshift (G. Marsaglia, 2003), 32 bits. */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Scattered, since the first numbers of neighbouring seeds would be neighbours; never 0, where it would stay.
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 0 || 1;
    for (let round = 0; round < 4; round++) this.#step();
  }

  /** From 0 to below 1. */
  next(): number {
    return (this.#step() >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to below `count`. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  #step(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (this.#state = state);
  }
}
