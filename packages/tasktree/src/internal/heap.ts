/** A binary heap, least member first. */
export class Heap<T> {
  readonly #items: T[] = [];
  readonly #before: (a: T, b: T) => boolean;

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!this.#before(item, items[up]!)) break;
      items[at] = items[up]!;
      at = up;
    }
    items[at] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    const top = items[0];
    const item = items.pop();
    if (items.length > 0) this.#sink(item!);
    return top;
  }

  /** Keeps only what `keep` accepts, in linear time. */
  retain(keep: (item: T) => boolean): void {
    const kept = this.#items.filter(keep);
    this.#items.length = 0;
    for (const item of kept) this.push(item);
  }

  /** Puts `item` at the top, then moves it down to its place. */
  #sink(item: T): void {
    const items = this.#items;
    const end = items.length;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= end) break;
      if (down + 1 < end && this.#before(items[down + 1]!, items[down]!)) down++;
      if (!this.#before(items[down]!, item)) break;
      items[at] = items[down]!;
      at = down;
    }
    items[at] = item;
  }
}
