/** Functions as children of a group: those whose values are needed, and those that may fail. */
import {
  currentScope,
  currentTask,
  outcomeNow,
  quietThen,
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

/**
 * What `give` gives at the end of a group; if that rejects, `cleanUp` is done first. As one step: an async function, and
 * `quiet` around it, would cost as much as a child each.
 */
export function outcomeOf<T>(ended: Promise<unknown>, give: () => T, cleanUp: () => unknown): Promise<T> {
  return quietThen<unknown, T>(ended, give, async (error) => {
    await both(error, cleanUp);
    throw error;
  });
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
  await feed(jobs, room, (job, at) => {
    checkJob(what, at, job);
    outcomes.push(undefined as never);
    const task = group.attempt(wrapped(job), { name: nameOf(what, job, at) });
    told.push(
      task.outcome().then((outcome) => {
        outcomes[at] = outcome;
        room.leave();
      }, ignore),
    );
  });
  await Promise.all(told);
  return outcomes;
}

function ignore(): void {}
