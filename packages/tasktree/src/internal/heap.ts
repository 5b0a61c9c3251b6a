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
    // All comparisons first: one that throws leaves the heap as it was.
    let place = items.length;
    while (place > 0 && this.#before(item, items[(place - 1) >> 1]!)) place = (place - 1) >> 1;
    for (let at = items.length; at !== place; at = (at - 1) >> 1) items[at] = items[(at - 1) >> 1]!;
    items[place] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    if (items.length <= 1) return items.pop();
    const top = items[0];
    this.#sink(items.at(-1)!, items.length - 1);
    items.pop();
    return top;
  }

  /** Keeps only what `keep` accepts, in linear time. */
  retain(keep: (item: T) => boolean): void {
    const kept = this.#items.filter(keep);
    this.#items.length = 0;
    for (const item of kept) this.push(item);
  }

  /** Puts `item` in place of the top of the first `end` members, and moves it down to its place. */
  #sink(item: T, end: number): void {
    const items = this.#items;
    const path: number[] = [0];
    for (;;) {
      let down = 2 * path.at(-1)! + 1;
      if (down >= end) break;
      if (down + 1 < end && this.#before(items[down + 1]!, items[down]!)) down++;
      if (!this.#before(items[down]!, item)) break;
      path.push(down);
    }
    for (let step = 1; step < path.length; step++) items[path[step - 1]!] = items[path[step]!]!;
    items[path.at(-1)!] = item;
  }
}
