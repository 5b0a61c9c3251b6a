/**
 * One task for many short functions. A task costs several times what a call costs; where nobody can tell, one task can be
 * the next function's too. Whoever asks which task he is in, or opens a scope in it, gets one of his own.
 */
import { currentFrame, enter, here, type Frame, type Locals } from "./current.ts";
import type { ScopeNode } from "./scope.ts";
import { TaskNode } from "./task.ts";

/**
 * Lets the running task, whose function is done, be the task of the next one, under another name; tells whether it may: not
 * if somebody got hold of it (by `currentTask()`, `currentScope()`, `currentSignal()`), if a scope was opened in it or
 * something still waits there, if it was cancelled, or if somebody is told of each task. Start another task then. Not a
 * checkpoint.
 *
 * @param name Default: the function's name and a number, as before.
 */
export function renewTask(name?: string): boolean {
  const node = here();
  return node instanceof TaskNode && node.renew(name);
}

/** A function's turn in the running task. What it leaves behind counts, once it is over, as that of a task that has ended. */
export class Turn implements Frame {
  readonly node: ScopeNode = here();
  readonly locals: Locals | undefined = currentFrame()?.locals;
  readonly turn: this = this;
  over = false;

  /** Calls `fn` in the context of now and in this turn. */
  call<A, B, R>(fn: (a: A, b: B) => R, a: A, b: B): R {
    return enter(this, fn, a, b);
  }
}
