/** A ring buffer that grows: taking and adding at both ends cost the same whatever its length. */
export class Deque<T> {
  #ring: (T | undefined)[] = [undefined, undefined, undefined, undefined];
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get first(): T | undefined {
    return this.#ring[this.#head];
  }

  push(item: T): void {
    if (this.#size === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#size++) & (this.#ring.length - 1)] = item;
  }

  unshift(item: T): void {
    if (this.#size === this.#ring.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#ring.length - 1);
    this.#ring[this.#head] = item;
    this.#size++;
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#size--;
    return item;
  }

  pop(): T | undefined {
    if (this.#size === 0) return undefined;
    const at = (this.#head + --this.#size) & (this.#ring.length - 1);
    const item = this.#ring[at];
    this.#ring[at] = undefined;
    return item;
  }

  clear(): void {
    this.#ring = [undefined, undefined, undefined, undefined];
    this.#head = this.#size = 0;
  }

  /** Members from first to last. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (let at = 0; at < this.#size; at++) yield this.#ring[(this.#head + at) & (this.#ring.length - 1)] as T;
  }

  /** It is full: what has gone round goes to the new half. */
  #grow(): void {
    const ring = this.#ring;
    const full = ring.length;
    for (let at = 0; at < full; at++) ring.push(at < this.#head ? ring[at] : undefined);
    ring.fill(undefined, 0, this.#head);
  }
}
