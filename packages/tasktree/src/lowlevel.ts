/** What an outsider needs to build a primitive. */
export { isExpected, promiseTry, quiet, quietThen } from "./core/block.ts";
export { bound, here } from "./core/current.ts";
export { checkpoint, passed, refused, refusedIntake } from "./core/checkpoint.ts";
export { WaitList, type InLine, type Waitable, type WaitOptions } from "./core/wait-list.ts";
export { waitForOne, type Choice, type Chosen, type Line, type Selectable } from "./core/choice.ts";
export {
  currentScope,
  currentSignal,
  currentTask,
  draw,
  drainingChoice,
  graceIsOver,
  isCancellationHere,
  isInScope,
  nearestDeadline,
  now,
  outside,
  taskAt,
  wasCut,
} from "./core/here.ts";
export { Turns } from "./core/renew.ts";
export { Timer } from "./core/timer.ts";
export { withCancelScope, shield, type CancelScopeOptions } from "./core/cancel-scope.ts";
export {
  openTaskGroup,
  withTaskGroup,
  type OpenTaskGroup,
  type OpenTaskGroupOptions,
  type TaskGroup,
  type TaskGroupOptions,
  type SpawnOptions,
} from "./core/task-group.ts";
export { abandonOnCancel, type AbandonOptions } from "./core/abandon-on-cancel.ts";
export { onForcedExit } from "./core/host.ts";
export { addInstrument } from "./core/run.ts";
export type { Instrument } from "./core/instrument.ts";
export type { Named, Scope } from "./core/scope.ts";
export type { Outcome, Task } from "./core/task.ts";
export { spawnChild, type Child } from "./core/child.ts";
export { outcomeNow, unwatchEnd, watchEnd, type EndWatcher } from "./core/end-watcher.ts";
