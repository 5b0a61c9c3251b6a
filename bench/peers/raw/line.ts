/** First in, first out; what was taken from its front is let go of in large pieces. */
export class Line<T> {
  #items: T[] = [];
  #taken = 0;

  get size(): number {
    return this.#items.length - this.#taken;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    if (this.#taken === this.#items.length) return undefined;
    const item = this.#items[this.#taken++];
    if (this.#taken === this.#items.length) {
      this.#items = [];
      this.#taken = 0;
    } else if (this.#taken > 1000 && this.#taken * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#taken);
      this.#taken = 0;
    }
    return item;
  }
}
