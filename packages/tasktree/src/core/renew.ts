/**
 * One task for many short functions. A task costs several times what a call costs; where nobody can tell, one task can be
 * the next function's too. Whoever asks which task he is in gets one of his own.
 */
import { here } from "./current.ts";
import { TaskNode } from "./task.ts";

/**
 * Lets the running task, whose function is done, be the task of the next one, under another name; tells whether it may: not
 * if somebody got hold of it (by `currentTask()`, `currentScope()`, `currentSignal()`), if something was left open or
 * waiting in it, if it was cancelled, or if somebody is told of each task. Start another task then. Not a checkpoint.
 *
 * @param name Default: the function's name and a number, as before.
 */
export function renewTask(name?: string): boolean {
  const node = here();
  return node instanceof TaskNode && node.renew(name);
}
