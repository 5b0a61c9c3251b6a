/**
 * One task for many short functions. A task costs several times what a call costs; where nobody can tell, one task can be
 * the next function's too. Whoever asks which task he is in, or opens a scope in it, gets one of his own.
 */
import { currentFrame, enter, entering, Frame, here, type Locals } from "./current.ts";
import type { Named, ScopeNode } from "./scope.ts";
import { TaskNode } from "./task.ts";
import { Wait, type Waitable, type WaitList } from "./wait-list.ts";

/** The functions that take turns in the running task. To be made in that task, before the first of them is called. */
export class Turns {
  readonly #node: ScopeNode = here();
  readonly #locals: Locals | undefined = currentFrame()?.locals;
  readonly #next: Waitable;
  readonly #enter: typeof enter;
  #turn: Turn | undefined = undefined;
  /** One for all rests: a wait is the largest object that a short function would need. */
  #wait: Wait | undefined = undefined;

  /**
   * @param next What the task waits for when it rests.
   * @param context Default: each function is called in the context of its caller. "now": in that in which this is made, for
   *   who knows that nothing changes it; saves looking at it each time. Other turns: in theirs.
   */
  constructor(next: Waitable, context?: "now" | Turns) {
    this.#next = next;
    if (context === undefined) this.#enter = enter;
    else this.#enter = context === "now" ? entering() : context.#enter;
  }

  /** Calls `fn(a, b)` in a turn of its own; the turn before must be over. */
  call<A, B, R>(fn: (a: A, b: B) => R, a: A, b: B): R {
    this.#turn = new Turn(this.#node, this.#locals);
    return this.#enter(this.#turn, fn, a, b);
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

  /**
   * Lets the task, which was renewed, wait for its next function: in `line`, or else until {@link go}. Not itself a
   * checkpoint on entry.
   *
   * Cancellation: Checkpoint, nothing lost.
   */
  rest(line?: WaitList): Promise<void> {
    if (this.#wait === undefined) this.#wait = new Wait(this.#next, this.#node);
    else this.#wait.begin(this.#node);
    line?.add(this.#wait);
    return this.#wait.promise as Promise<void>;
  }

  /** Whether it rests, and was not cancelled. */
  get resting(): boolean {
    return this.#wait?.node !== undefined;
  }

  /** The task goes on, in this turn of the event loop: somebody has called its next function already. */
  go(): void {
    this.#wait!.wakeNow();
  }
}

class Turn extends Frame {
  over = false;

  constructor(node: ScopeNode, locals: Locals | undefined) {
    super(node, locals);
    this.turn = this;
  }
}
