import { quiet } from "../core/block.ts";
import { here } from "../core/current.ts";
import { refused } from "../core/checkpoint.ts";
import { WaitList } from "../core/wait-list.ts";
import { watchers, whenQuiet } from "./quiet.ts";

/**
 * Waits until every other task waits for something: what orders tasks in a test, in place of a sleep.
 *
 * Timers and sleeps may be pending; virtual time does not jump meanwhile. Silence is some turns of the event loop in which
 * nothing moved, so tasks that wait for real I/O count as waiting.
 *
 * Cancellation: Checkpoint, nothing lost.
 *
 * @example
 * ```ts
 * import { sleepForever, withTaskGroup } from "tasktree";
 * import { waitAllTasksBlocked } from "tasktree/testing";
 * await withTaskGroup(async (group) => {
 *   const task = group.spawn(sleepForever);
 *   await waitAllTasksBlocked();
 *   task.cancel();
 * });
 * ```
 */
export function waitAllTasksBlocked(): Promise<void> {
  return quiet(silence);
}

async function silence(): Promise<void> {
  const node = here();
  const refusal = refused(node);
  if (refusal !== undefined) return refusal;
  const waiting = new WaitList({ describe: () => "all other tasks to be blocked" });
  const woken = waiting.wait();
  watchers.count++;
  const { clock } = node.root;
  whenQuiet(
    () => clock.steps,
    () => waiting.size > 0,
    () => waiting.wake(),
  );
  try {
    await woken;
  } finally {
    watchers.count--;
  }
}
