/** Strategies that draw lots: for programs with more schedules than anybody can try. */
import type { ChoicePoint, Strategy } from "./choices.ts";
import type { Random } from "./random.ts";

/** Decides when to inject: each place of a schedule equally likely, going by the length of those before. */
class Injector {
  readonly #random: Random;
  #points = 0;
  #longest = 8;

  constructor(random: Random) {
    this.#random = random;
  }

  begin(): void {
    this.#longest = Math.max(this.#longest, this.#points);
    this.#points = 0;
  }

  /** The index of an injected option to take here; undefined for none. */
  pick({ options, natural }: ChoicePoint): number | undefined {
    this.#points++;
    const injected = options.length - natural;
    if (injected === 0) return undefined;
    // Where nothing else can happen, as good a place as any other.
    if (natural > 0 && this.#random.below(this.#longest) > 1) return undefined;
    return natural + this.#random.below(injected);
  }
}

/** Any of what can happen next, each as likely as the others. */
export class RandomWalk implements Strategy {
  readonly name = "random";
  readonly #random: Random;
  readonly #injector: Injector;

  constructor(random: Random) {
    this.#random = random;
    this.#injector = new Injector(random);
  }

  begin(): boolean {
    this.#injector.begin();
    return true;
  }

  choose(point: ChoicePoint): number {
    return this.#injector.pick(point) ?? this.#random.below(point.natural);
  }

  touched(): void {}
}

/**
 * Probabilistic concurrency testing (S. Burckhardt, P. Kothari, M. Musuvathi, S. Nagarakatte, "A randomized scheduler with
 * probabilistic guarantees of finding bugs", 2010): each strand has a priority, the highest goes on; at `depth` - 1 places
 * drawn beforehand the one that would go on becomes the lowest. A bug that needs `depth` orderings is found by one schedule with a
 * probability of at least 1 / (n * k ** (depth - 1)) for n strands and k steps.
 */
export class PriorityWalk implements Strategy {
  readonly name: string;
  readonly #random: Random;
  readonly #injector: Injector;
  readonly #depth: number;
  readonly #priorities = new Map<number, number>();
  #changes: number[] = [];
  #steps = 0;
  /** Of the schedules before; 0 before the first, which goes as it would by itself, to be counted. */
  #longest = 0;

  constructor(random: Random, depth: number) {
    this.name = `priorities, depth ${depth}`;
    this.#random = random;
    this.#injector = new Injector(random);
    this.#depth = depth;
  }

  begin(): boolean {
    this.#injector.begin();
    this.#longest = Math.max(this.#longest, this.#steps);
    this.#steps = 0;
    this.#priorities.clear();
    this.#changes = Array.from({ length: this.#depth - 1 }, () => this.#random.below(this.#longest));
    return true;
  }

  choose(point: ChoicePoint): number {
    if (this.#longest === 0) {
      this.#steps++;
      return 0;
    }
    const injected = this.#injector.pick(point);
    if (injected !== undefined) return injected;
    if (point.options[0]!.kind === "draw") return this.#random.below(point.natural);
    let highest = this.#highest(point);
    for (const [order, change] of this.#changes.entries()) {
      if (change !== this.#steps) continue;
      // Below everybody's first priority, and the later changes' lower than the earlier ones'.
      this.#priorities.set(point.options[highest]!.strand, -1 - order);
      highest = this.#highest(point);
    }
    this.#steps++;
    return highest;
  }

  touched(): void {}

  #highest({ options, natural }: ChoicePoint): number {
    let best = 0;
    for (let index = 1; index < natural; index++) {
      if (this.#priority(options[index]!.strand) > this.#priority(options[best]!.strand)) best = index;
    }
    return best;
  }

  #priority(strand: number): number {
    let priority = this.#priorities.get(strand);
    if (priority === undefined) this.#priorities.set(strand, (priority = this.#random.next()));
    return priority;
  }
}
