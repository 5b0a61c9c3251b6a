/** Children that are objects: for combinators, which start many and know of each what it is for. */
import type { EndWatcher } from "./end-watcher.ts";
import type { GroupNode } from "./group.ts";
import type { Named } from "./scope.ts";
import type { TaskGroup } from "./task-group.ts";

/** What a child does, how it is called, and who is told how it has ended, in one object. */
export interface Child extends Named, EndWatcher {
  /** Asked when somebody wants to know; must not throw. */
  readonly name: string;
  /** The child's function. */
  run(): unknown;
}

/**
 * Starts a child: calls its `run` before returning, and `taskEnded` when the task has ended, however it has. Nobody has a handle of
 * it but `child`, as its `watched`, until then. The group waits for it, and fails with it, as with any child. Not a checkpoint.
 *
 * A name is made only if somebody asks while it runs or in `taskEnded`, or it ends without a value: `child` is not held after that.
 *
 * @throws {CancelledError} If the group was cancelled and the caller is inside it; `run` is not called.
 * @throws {WorkCancelledError} If the group was cancelled and the caller is not inside it; `run` is not called.
 * @throws {InvalidStateError} If the group has ended.
 * @example
 * ```ts
 * import { outcomeNow, spawnChild, withTaskGroup, type Child, type EndWatcher, type Task } from "tasktree/lowlevel";
 * import assert from "node:assert";
 * class Square implements Child {
 *   previousWatcher: EndWatcher | undefined;
 *   nextWatcher: EndWatcher | undefined;
 *   watched: Task | undefined;
 *   name = "square";
 *   outcome: unknown;
 *   run = async (): Promise<number> => 3 ** 2;
 *   taskEnded = (task: Task): void => void (this.outcome = outcomeNow(task));
 * }
 * const square = new Square();
 * await withTaskGroup((group) => spawnChild(group, square));
 * assert.deepEqual(square.outcome, { status: "ok", value: 9 });
 * ```
 */
export function spawnChild(group: TaskGroup, child: Child): void {
  (group as GroupNode).spawnChild(child);
}
