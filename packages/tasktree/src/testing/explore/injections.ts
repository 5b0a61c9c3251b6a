/** What an explorer does to a program beside ordering its steps. */
import type { Task } from "../../core/task.ts";

/** How often in one schedule, and to whom. */
export interface Injections {
  readonly cancellations: number;
  readonly cancels: (task: Task) => boolean;
  readonly delays: number;
  readonly delayMs: number;
  readonly failures: number;
}

/** Where {@link failpoint} asks. */
let exploring: ((name: string) => void) | undefined;

export function setFailpoints(fail: ((name: string) => void) | undefined): void {
  exploring = fail;
}

/**
 * A place where something could fail: a query, a write, a remote call. Does nothing, but while `explore` runs with
 * `failures`: there schedules are tried in which it throws.
 *
 * Cancellation: Not a checkpoint.
 *
 * @param name For reports.
 * @throws {InjectedError} While exploring, in some schedules.
 * @example
 * ```ts
 * import { failpoint } from "tasktree/testing";
 * async function save(rows: string[]): Promise<number> {
 *   failpoint("disk full");
 *   return rows.length;
 * }
 * await save(["a"]);
 * ```
 */
export function failpoint(name: string): void {
  exploring?.(name);
}
