/** Bytes, first in, first out: a ring that grows, and holds copies only, so that nobody else's array is kept or shared. */
export class ByteQueue {
  #ring: Uint8Array = new Uint8Array(0);
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#size + bytes.length > this.#ring.length) this.#grow(this.#size + bytes.length);
    const tail = (this.#head + this.#size) % this.#ring.length;
    const upToTheEnd = Math.min(bytes.length, this.#ring.length - tail);
    this.#ring.set(bytes.subarray(0, upToTheEnd), tail);
    this.#ring.set(bytes.subarray(upToTheEnd), 0);
    this.#size += bytes.length;
  }

  /** The first bytes, `most` or as many as there are. */
  shift(most: number): Uint8Array {
    const count = Math.min(most, this.#size);
    const bytes = this.#copy(count, new Uint8Array(count));
    this.#head = (this.#head + count) % (this.#ring.length || 1);
    this.#size -= count;
    if (this.#size === 0) this.clear();
    return bytes;
  }

  clear(): void {
    this.#head = this.#size = 0;
    if (this.#ring.length > keptWhenEmpty) this.#ring = new Uint8Array(0);
  }

  #grow(wanted: number): void {
    const length = Math.max(wanted, 2 * this.#ring.length, 64);
    this.#ring = this.#copy(this.#size, new Uint8Array(length));
    this.#head = 0;
  }

  #copy(count: number, to: Uint8Array): Uint8Array {
    const upToTheEnd = Math.min(count, this.#ring.length - this.#head);
    to.set(this.#ring.subarray(this.#head, this.#head + upToTheEnd), 0);
    to.set(this.#ring.subarray(0, count - upToTheEnd), upToTheEnd);
    return to;
  }
}

/** A ring of more bytes than this is let go when nothing is in it. */
const keptWhenEmpty = 1024;
