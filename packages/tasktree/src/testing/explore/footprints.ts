import type { Footprint } from "./choices.ts";
import type { Keys } from "./keys.ts";

/** Stands for everything of tasktree's own; no key is 0. */
const kernel = 0;

/** What the step that runs has touched of what is shared. */
export class Footprints {
  readonly #keys: Keys;
  readonly #wanted: boolean;
  #touched: Map<number, "read" | "write"> | undefined = undefined;
  #kernelSteps = 0;
  /** What asynchronous calls are under way on, and how many. */
  readonly #during = new Map<number, number>();

  /** @param wanted Whether footprints tell everything: nothing is shared but what is tracked. */
  constructor(keys: Keys, wanted: boolean) {
    this.#keys = keys;
    this.#wanted = wanted;
  }

  begin(kernelSteps: number): void {
    if (this.#wanted) this.#touched = new Map(this.#during.keys().map((key) => [key, "write"]));
    this.#kernelSteps = kernelSteps;
  }

  /** It has done what cannot be told. */
  blur(): void {
    this.#touched = undefined;
  }

  end(kernelSteps: number): Footprint {
    if (kernelSteps !== this.#kernelSteps) this.#touch(kernel, "write");
    const touched = this.#touched;
    this.#touched = undefined;
    return touched;
  }

  /** Somebody has looked at the time, or at what tasktree has to say. */
  asked(): void {
    this.#touch(kernel, "read");
  }

  /**
   * Something shared was made, read or written. To be told when it is made: a thing has its key from the step in which it is
   * seen first, which has to be the same in all schedules.
   */
  accessed(thing: object, access: "made" | "read" | "write", cause: number, index: () => number): void {
    if (!this.#wanted || (this.#touched === undefined && access !== "made")) return;
    // Whoever sees it first would name it.
    if (access !== "made" && !this.#keys.knows(thing)) this.blur();
    const key = this.#keys.ofThing(thing, cause, index);
    if (access !== "made") this.#touch(key, access);
  }

  /** From now until the returned function is called, each step may use `thing`. */
  during(thing: object, cause: number, index: () => number): () => void {
    const key = this.#keys.ofThing(thing, cause, index);
    this.#during.set(key, (this.#during.get(key) ?? 0) + 1);
    return () => {
      const count = this.#during.get(key)! - 1;
      if (count === 0) this.#during.delete(key);
      else this.#during.set(key, count);
    };
  }

  /** A continuation has become ready: what has done that may have come before something else that would have. */
  readied(key: number): void {
    this.#touch(key, "write");
  }

  /** A line of waiters was made, looked at or changed. */
  usedLine(line: object, isNew: boolean, cause: number, index: () => number): void {
    this.accessed(line, isNew ? "made" : "write", cause, index);
    // A cancellation takes waiters out of lines that it does not name; a line made by whoever came first has its key from him.
    this.#touch(kernel, isNew ? "write" : "read");
  }

  #touch(key: number, access: "read" | "write"): void {
    if (this.#touched?.get(key) !== "write") this.#touched?.set(key, access);
  }
}
