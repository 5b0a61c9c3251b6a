import { InvalidStateError } from "../../errors.ts";
import { dependent, type ChoicePoint, type Footprint, type Strategy } from "./choices.ts";

/** A place on the way down, and what was done there. */
interface Place {
  readonly keys: readonly number[];
  /** How many of the options are not injected. */
  readonly natural: number;
  /** Whether these are steps, of which one can preempt another. */
  readonly isStep: boolean;
  /** Options that need not be followed from here: they commute with all that came since they were, or are barred. */
  readonly asleep: Map<number, Footprint>;
  /** How many steps have preempted another before this place. */
  readonly preemptions: number;
  /** The option that is being followed, and what it has touched. */
  index: number;
  footprint: Footprint;
}

/**
 * Every schedule once, depth first.
 *
 * With footprints it keeps sleep sets (P. Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems",
 * 1996): of schedules that differ only in the order of steps that touch nothing in common one is tried. With a bound it
 * tries those in which at most so many steps preempt one that became ready before (M. Emmi, S. Qadeer, Z. Rakamarić,
 * "Delay-bounded scheduling", 2011), and keeps none, since the two together would miss some.
 */
export class Exhaustive implements Strategy {
  readonly name: string;
  readonly #bound: number;
  readonly #places: Place[] = [];
  #depth = 0;
  #started = false;

  constructor(bound: number = Infinity) {
    this.#bound = bound;
    this.name = bound === Infinity ? "exhaustive" : `exhaustive to ${bound} preemptions`;
  }

  begin(): boolean {
    this.#depth = 0;
    if (!this.#started) return (this.#started = true);
    for (let place = this.#places.at(-1); place !== undefined; place = this.#places.at(-1)) {
      place.asleep.set(place.keys[place.index]!, place.footprint);
      place.index = next(place.keys, place.asleep);
      if (place.index >= 0) return true;
      this.#places.pop();
    }
    return false;
  }

  choose(point: ChoicePoint): number {
    const depth = this.#depth++;
    const place = this.#places[depth] ?? this.#enter(point, this.#places[depth - 1]);
    if (place === undefined) return -1;
    const { options } = point;
    // Told anew when it is done: where it draws in its midst, what it does after that is told of the draw.
    place.footprint = undefined;
    if (place.keys.length === options.length && options.every(({ key }, at) => key === place.keys[at]))
      return place.index;
    throw new InvalidStateError(
      `Cannot explore: the program is not deterministic (at choice ${depth} of a schedule there were ${place.keys.length} options, and later ${options.length}, or others)`,
    );
  }

  touched(footprint: Footprint): void {
    const place = this.#places[this.#depth - 1];
    if (place !== undefined) place.footprint = footprint;
  }

  /** A place that was not reached before; undefined if there is nothing to follow from it. */
  #enter({ options, natural }: ChoicePoint, before: Place | undefined): Place | undefined {
    const keys = options.map(({ key }) => key);
    const preemptions = before === undefined ? 0 : before.preemptions + (preempts(before) ? 1 : 0);
    const asleep = new Map<number, Footprint>();
    if (this.#bound === Infinity) {
      for (const [key, footprint] of before?.asleep ?? []) {
        if (!dependent(footprint, before!.footprint)) asleep.set(key, footprint);
      }
    } else if (preemptions >= this.#bound && options[0]?.kind === "step") {
      for (const key of keys.slice(1, natural)) asleep.set(key, undefined);
    }
    const index = next(keys, asleep);
    if (index < 0) return undefined;
    const isStep = options[0]?.kind === "step";
    const place: Place = { keys, natural, isStep, asleep, preemptions, index, footprint: undefined };
    this.#places.push(place);
    return place;
  }
}

function preempts({ index, natural, isStep }: Place): boolean {
  return isStep && index > 0 && index < natural;
}

/** The first option that is not asleep; -1 if all are. */
function next(keys: readonly number[], asleep: ReadonlyMap<number, Footprint>): number {
  return keys.findIndex((key) => !asleep.has(key));
}
