/** What an explorer decides, and what it knows when it does. */

/** Something that can happen next. */
export interface Option {
  /** "step": a continuation goes on; "time": the clock moves to what is due next; the others are injected or drawn. */
  readonly kind: "step" | "time" | "cancel" | "delay" | "fail" | "draw";
  /** Identifies it in all schedules in which the same has happened before it. */
  readonly key: number;
  /** The strand of code it belongs to; 0 for none. */
  readonly strand: number;
}

/** A place where there may be more than one. The first is what would happen if nobody chose. */
export interface ChoicePoint {
  readonly options: readonly Option[];
  /** The number of options that are not injected: they come first. */
  readonly natural: number;
}

/** What a step has touched of what is shared, by keys; undefined if nobody can tell. */
export type Footprint = ReadonlyMap<number, "read" | "write"> | undefined;

/** A way to go through the schedules of a program. */
export interface Strategy {
  readonly name: string;
  /** Begins another schedule; false if there are no others. */
  begin(): boolean;
  /** The index of the option to take; -1 if every schedule from here is like one that was tried. */
  choose(point: ChoicePoint): number;
  /** What was chosen last has been done, and has touched this. */
  touched(footprint: Footprint): void;
}

/** A choice that was made: which of how many. */
export interface Choice {
  readonly index: number;
  readonly count: number;
}

/** Whether two steps can be told apart by their order. */
export function dependent(a: Footprint, b: Footprint): boolean {
  if (a === undefined || b === undefined) return true;
  const [small, large] = a.size < b.size ? [a, b] : [b, a];
  for (const [thing, access] of small) {
    const other = large.get(thing);
    if (other !== undefined && (access === "write" || other === "write")) return true;
  }
  return false;
}
