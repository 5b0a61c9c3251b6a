/** What surrounds the running code. */
import { checkFunction } from "./check.ts";
import { isCancellation } from "./classify.ts";
import type { Choice } from "./choice.ts";
import { here } from "./current.ts";
import type { Scope, ScopeNode } from "./scope.ts";
import type { Task } from "./task.ts";

/** The task that is running; undefined outside of any. Not a checkpoint. */
export function currentTask(): Task | undefined {
  return taskAt(here());
}

/** The task around what {@link here} gave, as {@link currentTask} gives it, which would look again. Not a checkpoint. */
export function taskAt(node: ScopeNode): Task | undefined {
  return node.task?.handOut();
}

/** The innermost scope around the running code; outside of any, the root that is never cancelled. Not a checkpoint. */
export function currentScope(): Scope {
  return here().handOut();
}

/**
 * The signal to hand to foreign work that is started here: `fetch(url, { signal: currentSignal() })`.
 *
 * Aborts when the scope is cancelled; in cleanup after a cancellation, when grace is over. Not a checkpoint.
 */
export function currentSignal(): AbortSignal {
  return here().handOut().workSignal;
}

/** Whether any scope surrounds the running code: outside of all, nothing is ever cancelled. Not a checkpoint. */
export function isInScope(): boolean {
  const node = here();
  return node.parent !== undefined || !node.root.implicit;
}

/**
 * Whether the code of the scope around, or of something inside it, has been told of a cancellation that reaches this
 * scope: what it throws from then on may come from its cleanup. Not a checkpoint.
 */
export function wasCut(): boolean {
  return here().wasCut;
}

/**
 * Whether `error` is the cancellation of a scope around the running code, however it is wrapped, and no failure (rule C6). Not a
 * checkpoint.
 */
export function isCancellationHere(error: unknown): boolean {
  return isCancellation(error, here());
}

/**
 * Whether the grace of a cancellation is over here: cleanup that begins now can wait for nothing, and closes by force. Not a
 * checkpoint.
 */
export function graceIsOver(): boolean {
  const { force, root } = here();
  return force !== undefined && root.clock.now() >= force.cutoff;
}

/** The time on the run's clock, in milliseconds since an arbitrary moment: what deadlines count in. */
export function now(): number {
  return here().root.clock.now();
}

/**
 * When the running code will be cut at the latest, as far as that is set: the earliest deadline around it that no shield hides;
 * in cleanup after a cancellation also the end of its grace. Infinity if there is none. Not a checkpoint.
 */
export function nearestDeadline(): number {
  const start = here();
  let nearest = start.force?.cutoff ?? Infinity;
  for (let node: ScopeNode | undefined = start; node !== undefined; node = node.parent) {
    // The deadline of a scope that is cancelled already changes nothing.
    if (!node.cancelRequested) nearest = Math.min(nearest, node.deadline);
    if (node.hides) return Math.min(nearest, node.shieldEnd);
  }
  return nearest;
}

/**
 * Which one of `count` things that are as good as each other, from 0: by chance, so that none is favoured; a schedule
 * explorer tries each. Not a checkpoint.
 */
export function draw(count: number): number {
  return here().root.clock.draw(count);
}

/**
 * Calls `fn` under the root of the run, where the current task's cancellation, context and values don't reach: for
 * emitters, caches and pools that are made inside a task and outlive it. Not a checkpoint.
 */
export function outside<R>(fn: () => R): R {
  const node = here();
  checkFunction("call outside", fn, node);
  return node.root.outside(fn);
}

/**
 * The moment in which the scope around the running code begins to drain, as one of the things that `waitForOne` waits for:
 * who takes in work in a loop takes no more then. Not a checkpoint.
 *
 * @example
 * ```ts
 * import { WaitList, drainingChoice, waitForOne, withCancelScope } from "tasktree/lowlevel";
 * import assert from "node:assert";
 * const visitors = new WaitList<string>({ describe: () => "a visitor" });
 * await withCancelScope(async (scope) => {
 *   const first = waitForOne([{ poll: () => undefined, line: visitors }, drainingChoice()]);
 *   scope.drain(1000);
 *   assert.equal((await first).index, 1);
 * });
 * ```
 */
export function drainingChoice(): Choice<void> {
  const node = here();
  return {
    poll: () => (node.draining ? { value: undefined } : undefined),
    line: node.root.drainLine(node),
  };
}
