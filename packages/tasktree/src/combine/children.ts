/** Functions as children of a group: those whose values are needed, and those that may fail. */
import { WorkCancelledError } from "../errors.ts";
import {
  currentScope,
  currentTask,
  here,
  outcomeNow,
  quietThen,
  withTaskGroup,
  type Outcome,
  type Task,
  type TaskGroup,
} from "../lowlevel.ts";
import { feed, Room } from "./feed.ts";
import { both, checkJob, nameOf, type Job, type Jobs } from "./functions.ts";

/** To be called in the task of a function that threw: see {@link failForGap}. */
export function gaveNoValue(group: TaskGroup): void {
  if (!currentScope().cancelRequested) return;
  const task = currentTask()!;
  task.onEnd(({ status }) => {
    if (status === "cancelled") failForGap(group, task);
  });
}

/** Fails `group`, unless that was cancelled itself: `task` was, so a value will be missing, and nothing else tells. */
export function failForGap(group: TaskGroup, task: Task): void {
  group.trySpawn(() => Promise.reject((outcomeNow(task) as { error: unknown }).error));
}

/** What a combinator does in its group, and makes of how that has ended: an object, since closures cost as much as its children. */
export interface Combining<T> {
  /** The group's block. */
  start(group: TaskGroup): unknown;
  /** Whether nothing is missing, though the group was cancelled. */
  isWhole(): boolean;
  /** What it gives at the end of the group. */
  give(): T;
  /** Done before it rejects with what has failed the group. */
  cleanUp(): unknown;
}

/**
 * Runs a combinator in a group.
 *
 * A group that was left open when the scope around ended is cancelled then, and its failure is nobody's: if it is not whole, this
 * rejects with {@link WorkCancelledError}, which is not reported where nobody awaits it.
 *
 * As one step: an async function, and `quiet` around it, would cost as much as a child each.
 */
export function outcomeOf<T>(what: Combining<T>): Promise<T> {
  let opened: ReturnType<typeof here> | undefined;
  const ended = withTaskGroup((group) => {
    opened = here();
    return what.start(group);
  });
  const given = (): T => {
    const { own } = opened!;
    if (own === undefined || what.isWhole()) return what.give();
    void promise.catch(ignore);
    throw new WorkCancelledError(`Group '${opened!.path}' was cancelled`, { cause: own.error });
  };
  const promise: Promise<T> = quietThen<unknown, T>(ended, given, async (error) => {
    const own = opened?.own;
    if (own !== undefined && error instanceof WorkCancelledError && error.cause === own.error)
      void promise.catch(ignore);
    await both(error, () => what.cleanUp());
    throw error;
  });
  return promise;
}

/**
 * Runs functions as attempts, `limit` at a time, and gives how each has ended.
 *
 * After a cancellation nobody is there to be given a failure: it fails the group then, and what this gives has gaps.
 */
export async function attemptAll<T>(
  what: string,
  group: TaskGroup,
  jobs: Jobs<T>,
  limit: number,
  wrapped: (job: Job<T>) => Job<unknown> = (job) => job,
): Promise<Outcome<unknown>[]> {
  const room = new Room(what, limit);
  const outcomes: Outcome<unknown>[] = [];
  const told: Promise<void>[] = [];
  const leave = (): void => room.leave(); // feed may have been told of the cancellation by this very wait
  await feed(jobs, room, (job, at) => {
    checkJob(what, at, job);
    outcomes.push(undefined as never);
    const task = group.attempt(wrapped(job), { name: nameOf(what, job, at) });
    told.push(
      task.outcome().then((outcome) => {
        outcomes[at] = outcome;
        room.leave();
      }, leave),
    );
  });
  await Promise.all(told);
  return outcomes;
}

function ignore(): void {}
