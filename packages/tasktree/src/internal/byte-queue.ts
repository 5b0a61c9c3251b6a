/**
 * Bytes, first in, first out, always in one piece, so that they can be searched and decoded where they lie. When there is no room
 * behind them they move to the front, but only when that frees half of the array; so each byte moves a few times at most.
 */
export class ByteQueue {
  #array: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;
  /** What the array holds up to `#end`, made once for many searches. */
  #filled: Uint8Array | undefined = undefined;

  get size(): number {
    return this.#end - this.#start;
  }

  /** Puts in a copy. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#end + bytes.length > this.#array.length) this.#makeRoom(this.size + bytes.length);
    this.#array.set(bytes, this.#end);
    this.#end += bytes.length;
    this.#filled = undefined;
  }

  /** Puts in an array that nobody else uses from now on. */
  adopt(bytes: Uint8Array): void {
    if (this.size > 0) {
      this.push(bytes);
      return;
    }
    const plain = bytes.constructor === Uint8Array;
    this.#array = plain ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#start = 0;
    this.#end = bytes.length;
    this.#filled = undefined;
  }

  /** Takes out the first bytes, `most` or as many as there are, as an array of their own. */
  shift(most: number): Uint8Array {
    const array = this.#array;
    const count = Math.min(most, this.size);
    const whole = count === array.buffer.byteLength;
    if (whole) this.#array = new Uint8Array(0);
    const bytes = whole ? array : array.slice(this.#start, this.#start + count);
    this.drop(count);
    return bytes;
  }

  /** Takes out the first bytes, and nobody gets them. */
  drop(count: number): void {
    this.#start += count;
    if (this.#start >= this.#end) this.clear();
  }

  /** Lends what lies between these places, until the next change. */
  view(from: number, to: number): Uint8Array {
    return this.#array.subarray(this.#start + from, this.#start + to);
  }

  /** Where `wanted` begins first, not before `from`; -1 if nowhere. */
  indexOf(wanted: Uint8Array, from = 0): number {
    const filled = (this.#filled ??= this.#array.subarray(0, this.#end));
    let at = filled.indexOf(wanted[0]!, this.#start + from);
    while (at !== -1 && !holds(filled, at, wanted)) at = filled.indexOf(wanted[0]!, at + 1);
    return at === -1 ? -1 : at - this.#start;
  }

  clear(): void {
    this.#start = this.#end = 0;
    this.#filled = undefined;
    if (this.#array.length > keptWhenEmpty) this.#array = new Uint8Array(0);
  }

  #makeRoom(wanted: number): void {
    const half = this.#array.length / 2;
    const to = wanted <= half ? this.#array : new Uint8Array(Math.max(wanted, 2 * this.#array.length, 64));
    to.set(this.view(0, this.size), 0);
    this.#end = this.size;
    this.#start = 0;
    this.#array = to;
  }
}

/** An array of more bytes than this is let go when nothing is in it. */
const keptWhenEmpty = 1024;

function holds(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  if (at + wanted.length > bytes.length) return false;
  for (let index = 1; index < wanted.length; index++) if (bytes[at + index] !== wanted[index]) return false;
  return true;
}
