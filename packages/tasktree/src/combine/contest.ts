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
import { outcomeOf } from "./children.ts";
import type { Job } from "./functions.ts";

/** Gets the value of a function that has lost and still returned one. */
export type OnLoser<T> = (value: T) => unknown;

/**
 * Runs what `start` starts until one of the functions has given a value: that is what this gives, when the others were
 * cancelled and have ended. If none has, and nothing has failed the group, it rejects with what `none` makes.
 *
 * `entrant` makes of a function one that takes part. No async functions, here or there: each costs as much as an entrant.
 */
export function contest<T>(
  onLoser: OnLoser<T> | undefined,
  none: () => unknown,
  start: (group: TaskGroup, entrant: (job: Job<T>) => Job<unknown>) => void,
): Promise<T> {
  const lost = onLoser === undefined ? undefined : bound(onLoser);
  let winner: Winner<T> | undefined;

  const gave = (value: T, group: TaskGroup): unknown => {
    if (winner !== undefined) return lost?.(value);
    winner = new Winner(value, group);
    // At the end of this task: one that failed in the step before has ended by then, and has not failed in cleanup.
    watchEnd(currentTask()!, winner);
    return undefined;
  };
  const threw = (error: unknown): void => {
    // It has lost before it knew: no failed cleanup, but one result more than was asked for.
    if (winner === undefined || wasCut()) throw error;
  };
  const decided = (): T => {
    if (winner === undefined) throw none();
    return winner.value;
  };
  return outcomeOf(
    (group) => {
      // What is given or thrown at once takes the step that a promise takes: ties go in list order.
      const won = (value: T): unknown => gave(value, group);
      start(group, (job) => () => promiseTry(job, undefined).then(won, threw));
    },
    () => winner !== undefined,
    decided,
    () => winner !== undefined && lost?.(winner.value),
  );
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
