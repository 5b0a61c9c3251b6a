import {
  bound,
  currentTask,
  wasCut,
  watchEnd,
  withTaskGroup,
  type EndWatcher,
  type Task,
  type TaskGroup,
} from "../lowlevel.ts";
import { both, type Job } from "./functions.ts";

/** Gets the value of a function that has lost and still returned one. */
export type OnLoser<T> = (value: T) => unknown;

/**
 * Runs what `start` starts until one of the functions has given a value: that is what this gives, in a box, when the
 * others were cancelled and have ended. Undefined if none has given a value, and nothing has failed the group.
 *
 * `entrant` makes of a function one that takes part.
 */
export async function contest<T>(
  onLoser: OnLoser<T> | undefined,
  start: (group: TaskGroup, entrant: (job: Job<T>) => Job<void>) => void,
): Promise<{ readonly value: T } | undefined> {
  const lost = onLoser === undefined ? undefined : bound(onLoser);
  let winner: Winner<T> | undefined;
  try {
    await withTaskGroup((group) => {
      const entrant = (job: Job<T>) => async (): Promise<void> => {
        let value: T;
        try {
          value = await started(job);
        } catch (error) {
          // It has lost before it knew: no failed cleanup, but one result more than was asked for.
          if (winner !== undefined && !wasCut()) return;
          throw error;
        }
        if (winner !== undefined) {
          await lost?.(value);
          return;
        }
        winner = new Winner(value, group);
        // At the end of this task: one that failed in the step before has ended by then, and has not failed in cleanup.
        watchEnd(currentTask()!, winner);
      };
      start(group, entrant);
    });
  } catch (error) {
    if (winner !== undefined) await both(error, () => lost?.(winner!.value));
    throw error;
  }
  return winner;
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

/** What is thrown at once takes the step that a value takes: ties go in list order. */
function started<T>(job: Job<T>): T | PromiseLike<T> {
  try {
    return job();
  } catch (error) {
    return Promise.reject(error);
  }
}
