/**
 * One task for many short functions. A task costs several times what a call costs; where nobody can tell, one task can be
 * the next function's too. Whoever asks which task he is in, or opens a scope in it, gets one of his own.
 */
import { currentFrame, enter, here, type Frame, type Locals } from "./current.ts";
import type { Named, ScopeNode } from "./scope.ts";
import { TaskNode } from "./task.ts";

/** The functions that take turns in the running task. To be made in that task, before the first of them is called. */
export class Turns {
  readonly #node: ScopeNode = here();
  readonly #locals: Locals | undefined = currentFrame()?.locals;
  #turn: Turn | undefined = undefined;

  /** Calls `fn(a, b)` in a turn of its own, and else in the context of now; the turn before must be over. */
  call<A, B, R>(fn: (a: A, b: B) => R, a: A, b: B): R {
    this.#turn = new Turn(this.#node, this.#locals);
    return enter(this.#turn, fn, a, b);
  }

  /** The function is done. What it has left behind counts from now on as that of a task that has ended. */
  over(): void {
    this.#turn!.over = true;
  }

  /**
   * Lets the task, whose function is done, be the task of the next one, under another name; tells whether it may: not
   * if somebody got hold of it (by `currentTask()`, `currentScope()`, `currentSignal()`), if a scope was opened in it or
   * something still waits there, if it was cancelled, or if somebody is told of each task. Start another task then. Not a
   * checkpoint.
   *
   * @param name Default: the function's name and a number, as before. An object is asked when somebody wants to know.
   */
  renew(name?: string | Named): boolean {
    const node = this.#node;
    return node instanceof TaskNode && node.renew(name);
  }
}

class Turn implements Frame {
  readonly node: ScopeNode;
  readonly locals: Locals | undefined;
  readonly turn: this = this;
  over = false;

  constructor(node: ScopeNode, locals: Locals | undefined) {
    this.node = node;
    this.locals = locals;
  }
}
