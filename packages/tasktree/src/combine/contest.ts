import {
  bound,
  currentTask,
  promiseTry,
  wasCut,
  watchEnd,
  type EndWatcher,
  type Task,
  type TaskGroup,
} from "../lowlevel.ts";
import type { Combining } from "./children.ts";
import type { Job } from "./functions.ts";

/** Gets the value of a function that has lost and still returned one. */
export type OnLoser<T> = (value: T) => unknown;

/**
 * Functions of which the first value counts: that is what it gives, when the others were cancelled and have ended. If there
 * is none, and nothing has failed the group, it throws what {@link none} makes.
 */
export abstract class Contest<T> implements Combining<T> {
  readonly #lost: OnLoser<T> | undefined;
  #group!: TaskGroup;
  #winner: Winner<T> | undefined = undefined;

  constructor(onLoser: OnLoser<T> | undefined) {
    this.#lost = onLoser === undefined ? undefined : bound(onLoser);
  }

  start(group: TaskGroup): void {
    this.#group = group;
    this.startAll(group);
  }

  /** Starts children that {@link enter} the functions. */
  protected abstract startAll(group: TaskGroup): void;

  protected abstract none(): unknown;

  /**
   * Calls a function that takes part, in a task of its own. What is given or thrown at once takes the step that a promise takes:
   * ties go in list order.
   */
  enter(job: Job<T>): Promise<unknown> {
    return promiseTry(call<T>, job).then(this.#gave, this.#threw);
  }

  readonly #gave = (value: T): unknown => {
    if (this.#winner !== undefined) return this.#tellLost(value);
    this.#winner = new Winner(value, this.#group);
    // At the end of this task: one that failed in the step before has ended by then, and has not failed in cleanup.
    watchEnd(currentTask()!, this.#winner);
    return undefined;
  };

  readonly #threw = (error: unknown): void => {
    // It has lost before it knew: no failed cleanup, but one result more than was asked for.
    if (this.#winner === undefined || wasCut()) throw error;
  };

  isWhole(): boolean {
    return this.#winner !== undefined;
  }

  give(): T {
    if (this.#winner === undefined) throw this.none();
    return this.#winner.value;
  }

  cleanUp(): unknown {
    return this.#winner !== undefined && this.#tellLost(this.#winner.value);
  }

  #tellLost(value: T): unknown {
    const lost = this.#lost; // not as a method of ours
    return lost?.(value);
  }
}

function call<T>(job: Job<T>): T | PromiseLike<T> {
  return job();
}

/** The value that has decided it; told of the end of the task that gave it. */
class Winner<T> implements EndWatcher {
  previousWatcher: EndWatcher | undefined = undefined;
  nextWatcher: EndWatcher | undefined = undefined;
  watched: Task | undefined = undefined;
  readonly value: T;
  readonly #group: TaskGroup;

  constructor(value: T, group: TaskGroup) {
    this.value = value;
    this.#group = group;
  }

  taskEnded(): void {
    this.#group.cancel("it is decided");
  }
}
