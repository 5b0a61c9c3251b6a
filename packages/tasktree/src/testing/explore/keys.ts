/** Numbers for what happens in schedules: the same in all of them for what has the same history of causes. */
export class Keys {
  readonly #known = new Map<string, number>();
  /** Those of things that outlive a schedule are the same in the next by themselves. */
  readonly #things = new WeakMap<object, number>();

  /** The number of the `index`-th thing of its sort that `cause` (itself such a number, 0 for the beginning) has led to. */
  of(cause: number, sort: string, index: number): number {
    const name = `${cause}${sort}${index}`;
    let key = this.#known.get(name);
    if (key === undefined) this.#known.set(name, (key = this.#known.size + 1));
    return key;
  }

  /** Whether a thing was seen before. */
  knows(thing: object): boolean {
    return this.#things.has(thing);
  }

  /** The number of a thing that is shared, told by `cause` and `index` if it is seen for the first time. */
  ofThing(thing: object, cause: number, index: () => number): number {
    let key = this.#things.get(thing);
    if (key === undefined) this.#things.set(thing, (key = this.of(cause, "thing", index())));
    return key;
  }
}
