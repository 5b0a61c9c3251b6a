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
 * Starts a child: calls its `run` before returning. Nobody has a handle of it but `child`, as its `watched`.
 *
 * @throws {CancelledError} If the group was cancelled and the caller is inside it; `run` is not called.
 * @throws {WorkCancelledError} If the group was cancelled and the caller is not inside it; `run` is not called.
 * @throws {InvalidStateError} If the group has ended.
 */
export function spawnChild(group: TaskGroup, child: Child): void {
  (group as GroupNode).spawnChild(child);
}
