import type { CancelledError } from "../errors.ts";
import type { Scope } from "./scope.ts";
import type { Outcome, Task } from "./task.ts";

/** Told what happens on a run's tree. Must be quick and must not throw: it is called in the middle of things. */
export interface Instrument {
  taskSpawned?(task: Task): void;
  taskEnded?(task: Task, outcome: Outcome<unknown>): void;
  scopeCancelled?(scope: Scope, error: CancelledError): void;
  /** `error` happened beside `primary`, and is now listed on it. */
  failureSuppressed?(error: unknown, primary: unknown, scope: Scope): void;
  /** A foreign promise was left alone by `abandonOnCancel`; told again when it settles. */
  promiseAbandoned?(path: string, settled: boolean): void;
  /** A task has not ended though its grace is over. */
  taskStuck?(task: Task, waitsFor: string): void;
  /** Something that is allowed and seldom meant. */
  warning?(message: string, scope: Scope): void;
}

/** Several instruments as one; what an instrument throws is told on the console and goes no further. */
export class Instruments {
  readonly #all: Set<Instrument>;

  constructor(all: Iterable<Instrument>) {
    this.#all = new Set(all);
  }

  get size(): number {
    return this.#all.size;
  }

  add(instrument: Instrument): void {
    this.#all.add(instrument);
  }

  delete(instrument: Instrument): void {
    this.#all.delete(instrument);
  }

  taskSpawned(task: Task): void {
    this.#each((one) => one.taskSpawned?.(task));
  }

  taskEnded(task: Task, outcome: Outcome<unknown>): void {
    this.#each((one) => one.taskEnded?.(task, outcome));
  }

  scopeCancelled(scope: Scope, error: CancelledError): void {
    this.#each((one) => one.scopeCancelled?.(scope, error));
  }

  failureSuppressed(error: unknown, primary: unknown, scope: Scope): void {
    this.#each((one) => one.failureSuppressed?.(error, primary, scope));
  }

  promiseAbandoned(path: string, settled: boolean): void {
    this.#each((one) => one.promiseAbandoned?.(path, settled));
  }

  taskStuck(task: Task, waitsFor: string): void {
    this.#each((one) => one.taskStuck?.(task, waitsFor));
  }

  warning(message: string, scope: Scope): void {
    this.#each((one) => one.warning?.(message, scope));
  }

  #each(tell: (one: Instrument) => void): void {
    for (const one of this.#all) {
      try {
        tell(one);
      } catch (error) {
        console.error("tasktree: an instrument threw", error);
      }
    }
  }
}
