/** Children that report when they are ready (rule K13). */
import { InvalidStateError } from "../errors.ts";
import type { ScopeNode } from "./scope.ts";
import type { TaskNode } from "./task.ts";
import { Wait } from "./wait-list.ts";

/** Runs `fn` as the new child `task`, and waits in `node` until it has reported. */
export function startTask<T>(
  task: TaskNode,
  fn: (started: (value: T) => void) => unknown,
  service: boolean,
  node: ScopeNode,
): Promise<T> {
  const wait = new Wait({ describe: () => `the start of task '${task.name}'`, holders: () => [task] }, node);
  let isStarted = false;
  let cut: { readonly error: unknown } | undefined;
  // A starter that is cancelled cancels the child, and still waits until that has ended.
  wait.onCut = (error) => {
    cut ??= { error };
    if (!reachedToo(task, node)) task.cancelAs("explicit", "its starter was cancelled");
  };
  task.onEnd((outcome) => {
    if (cut !== undefined && (isStarted || outcome.status !== "failed")) {
      wait.handled();
      wait.fail(cut.error);
    } else if (outcome.status === "ok") {
      wait.fail(new InvalidStateError(`Cannot start task '${task.path}': it ended without reporting to be started`));
    } else {
      wait.fail(outcome.error);
    }
  });
  task.run(fn, function started(value: T): void {
    if (isStarted) throw new InvalidStateError(`Cannot report task '${task.path}' as started: it has been`);
    isStarted = true;
    task.group.hasStarted(task, service);
    if (cut === undefined) wait.wake(value);
  });
  return wait.promise as Promise<T>;
}

/** Whether the cancellation that has reached `node` also reaches `task`, which is to be told by that one then. */
function reachedToo(task: ScopeNode, node: ScopeNode): boolean {
  const { outermost } = node.force!;
  for (let at: ScopeNode | undefined = task; at !== undefined; at = at.parent) {
    if (at === outermost) return true;
    if (at.hides) return false;
  }
  return false;
}
