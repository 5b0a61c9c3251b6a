/** Being told of a task's end without a closure, a context or an array: a list through the watchers' own fields. */
import type { Outcome, Task, TaskNode } from "./task.ts";

/**
 * What a primitive leaves with a task whose end it must know of at once, that of a holder, say. It may be the very object
 * that was given to the task: then watching costs nothing but two fields written.
 */
export interface EndWatcher {
  /** Its neighbours with the same task. */
  previousWatcher: EndWatcher | undefined;
  nextWatcher: EndWatcher | undefined;
  /** The task that it is left with. */
  watched: Task | undefined;
  /** The task has ended. Called once, in no context of its own; must not throw. */
  taskEnded(task: Task): void;
}

/**
 * How `task` has ended; undefined while it runs, also while it unwinds. Nobody counts as having awaited it: the failure of an
 * attempt still fails its group.
 *
 * Cancellation: Not a checkpoint.
 *
 * @example
 * ```ts
 * import { outcomeNow, withTaskGroup } from "tasktree/lowlevel";
 * import assert from "node:assert";
 * await withTaskGroup(async (group) => {
 *   const task = group.spawn(async () => 42);
 *   assert.equal(outcomeNow(task), undefined);
 *   await task;
 *   assert.deepEqual(outcomeNow(task), { status: "ok", value: 42 });
 * });
 * ```
 */
export function outcomeNow<T>(task: Task<T>): Outcome<T> | undefined {
  return task.status === "running" ? undefined : (task as TaskNode<T>).outcomeNow();
}

/** Leaves `watcher`, which watches nothing yet, with `task`; if that has ended, does nothing and gives false. */
export function watchEnd(task: Task, watcher: EndWatcher): boolean {
  if (task.status !== "running") return false;
  const node = task as TaskNode;
  const first = node.endWatcher;
  if (first !== undefined) first.previousWatcher = watcher;
  watcher.nextWatcher = first;
  watcher.watched = task;
  node.endWatcher = watcher;
  return true;
}

/** Takes `watcher` back; does nothing if it watches nothing. */
export function unwatchEnd(watcher: EndWatcher): void {
  const { previousWatcher, nextWatcher, watched } = watcher;
  if (watched === undefined) return;
  if (previousWatcher === undefined) (watched as TaskNode).endWatcher = nextWatcher;
  else previousWatcher.nextWatcher = nextWatcher;
  if (nextWatcher !== undefined) nextWatcher.previousWatcher = previousWatcher;
  watcher.previousWatcher = watcher.nextWatcher = watcher.watched = undefined;
}

/** From the front each time: telling one may take back another. */
export function tellEnd(task: TaskNode): void {
  for (let watcher = task.endWatcher; watcher !== undefined; watcher = task.endWatcher) {
    unwatchEnd(watcher);
    watcher.taskEnded(task);
  }
}
