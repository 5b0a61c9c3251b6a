/** The everyday door. */
export { run, runMain, type RunOptions } from "./core/run.ts";
export {
  openTaskGroup,
  withTaskGroup,
  type OpenTaskGroup,
  type OpenTaskGroupOptions,
  type SpawnOptions,
  type TaskGroup,
  type TaskGroupOptions,
} from "./core/task-group.ts";
export type { Outcome, Task } from "./core/task.ts";
export type { Scope } from "./core/scope.ts";
export { shield, withCancelScope, type CancelScopeOptions } from "./core/cancel-scope.ts";
export { checkpoint } from "./core/checkpoint.ts";
export { currentScope, currentSignal, currentTask, now, outside } from "./core/here.ts";
export { abandonOnCancel, type AbandonOptions } from "./core/abandon-on-cancel.ts";
export { TaskLocal, type TaskLocalOptions } from "./core/task-local.ts";
export { failAfter, failAt, moveOnAfter, moveOnAt, sleep, sleepForever, sleepUntil } from "./timeouts.ts";
export { Semaphore, type Permit, type SemaphoreOptions, type SemaphoreStatistics } from "./sync/semaphore.ts";
export { all, type AllOptions } from "./combine/all.ts";
export { race, type RaceOptions } from "./combine/race.ts";
export { mapConcurrent, type MapConcurrentOptions } from "./combine/map-concurrent.ts";
export {
  BrokenError,
  CancelledError,
  ClosedError,
  DeadlockError,
  droppedErrors,
  EndOfStream,
  InvalidStateError,
  isCancelled,
  StuckTaskError,
  suppressedErrors,
  TimeoutError,
  WorkCancelledError,
  type CancelledDetails,
  type CancelWhy,
} from "./errors.ts";
