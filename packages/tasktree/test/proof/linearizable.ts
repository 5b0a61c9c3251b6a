/**
 * Whether what calls have given can be explained by some order in which they took effect, one after the other, each between
 * its beginning and its end (linearizability; M. Herlihy, J. Wing, 1990). The search is J. Wing's and C. Gong's ("Testing
 * and verifying concurrent objects", 1993): try whatever may come first, go back where that leads nowhere; and remember the
 * sets of operations and states that led nowhere (G. Lowe, "Testing for linearizability", 2017).
 */

/** One effect that is to be put in order. */
export interface Operation {
  readonly name: string;
  /** Stamps of one clock, no two equal: what ended before another began comes before it. */
  readonly begin: number;
  readonly end: number;
  /**
   * "certain": it has happened. "possible": it may have, or not (its caller was cut where effects are possible, or never
   * heard of it). "waiting": it had not happened when all was still, and must not be able to then.
   */
  readonly happened: "certain" | "possible" | "waiting";
}

/** What a thing does if one operation comes after another. */
export interface Model<S, O extends Operation> {
  readonly initial: S;
  /**
   * The states that `operation`, with what came of it, can lead to from `state`; none if it cannot happen there, or not like
   * that. Of one that is "possible" or "waiting" nobody knows what would come of it. States are plain data, and not changed.
   */
  next(state: S, operation: O): readonly S[];
  /** Whether it is never wrong to let it happen as soon as it can, because nothing else is kept from happening by that. */
  isHarmless?(operation: O): boolean;
}

/** An order that explains the operations, with the state it leads to; undefined if there is none. */
export function explanation<S, O extends Operation>(
  operations: readonly O[],
  model: Model<S, O>,
): { readonly order: readonly O[]; readonly state: S } | undefined {
  return new Search(operations, model).run();
}

class Search<S, O extends Operation> {
  readonly #operations: readonly O[];
  readonly #waiting: readonly O[];
  readonly #model: Model<S, O>;
  readonly #isDone: boolean[];
  readonly #order: O[] = [];
  readonly #deadEnds = new Set<string>();

  constructor(operations: readonly O[], model: Model<S, O>) {
    const sorted = operations.toSorted((a, b) => a.begin - b.begin);
    this.#operations = sorted.filter(({ happened }) => happened !== "waiting");
    this.#waiting = sorted.filter(({ happened }) => happened === "waiting");
    this.#isDone = this.#operations.map(() => false);
    this.#model = model;
  }

  run(): { readonly order: readonly O[]; readonly state: S } | undefined {
    const found = this.#from(this.#model.initial);
    return found === undefined ? undefined : { order: this.#order, state: found.state };
  }

  #from(state: S): { readonly state: S } | undefined {
    const isDeadEnd = this.#deadEnds.size > 0 && this.#deadEnds.has(this.#key(state));
    if (isDeadEnd) return undefined;
    if (this.#isOver() && this.#waiting.every((one) => this.#model.next(state, one).length === 0)) return { state };
    for (const index of this.#candidates()) {
      const operation = this.#operations[index]!;
      const isHarmless = this.#model.isHarmless?.(operation) === true;
      for (const next of this.#model.next(state, operation)) {
        this.#isDone[index] = true;
        this.#order.push(operation);
        const found = this.#from(next);
        if (found !== undefined) return found;
        this.#order.pop();
        this.#isDone[index] = false;
        if (isHarmless) return undefined;
      }
    }
    this.#deadEnds.add(this.#key(state));
    return undefined;
  }

  /** Whether everything has been put in order that has happened for certain. */
  #isOver(): boolean {
    return this.#operations.every(({ happened }, index) => this.#isDone[index] || happened === "possible");
  }

  /** Those before which nothing else must come. */
  #candidates(): number[] {
    let firstEnd = Infinity;
    for (const [index, { end, happened }] of this.#operations.entries()) {
      if (!this.#isDone[index] && happened === "certain") firstEnd = Math.min(firstEnd, end);
    }
    // What was only possible is too late once something has happened that began after its end.
    let lastBegin = -Infinity;
    for (const { begin } of this.#order) lastBegin = Math.max(lastBegin, begin);
    const harmless: number[] = [];
    const others: number[] = [];
    for (const [index, operation] of this.#operations.entries()) {
      const { begin, end } = operation;
      if (begin > firstEnd) break;
      if (this.#isDone[index] || end < lastBegin) continue;
      (this.#model.isHarmless?.(operation) === true ? harmless : others).push(index);
    }
    return [...harmless, ...others];
  }

  #key(state: S): string {
    return `${this.#isDone.map(Number).join("")} ${JSON.stringify(state)}`;
  }
}
