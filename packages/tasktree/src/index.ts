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
export type { Selectable } from "./core/choice.ts";
export type { Scope } from "./core/scope.ts";
export { shield, withCancelScope, type CancelScopeOptions } from "./core/cancel-scope.ts";
export { checkpoint } from "./core/checkpoint.ts";
export { currentScope, currentSignal, currentTask, now, outside } from "./core/here.ts";
export { abandonOnCancel, type AbandonOptions } from "./core/abandon-on-cancel.ts";
export { TaskLocal, type TaskLocalOptions } from "./core/task-local.ts";
export { failAfter, failAt, moveOnAfter, moveOnAt, sleep, sleepForever, sleepUntil } from "./timeouts.ts";
export { Mutex, type MutexGuard, type MutexOptions, type MutexStatistics } from "./sync/mutex.ts";
export { Semaphore, type Permit, type SemaphoreOptions, type SemaphoreStatistics } from "./sync/semaphore.ts";
export {
  CapacityLimiter,
  type CapacityLimiterOptions,
  type CapacityLimiterStatistics,
} from "./sync/capacity-limiter.ts";
export { Latch, type LatchOptions, type LatchStatistics } from "./sync/latch.ts";
export { Condition, type ConditionOptions, type ConditionStatistics, type Truthy } from "./sync/condition.ts";
export { Barrier, type BarrierOptions, type BarrierStatistics } from "./sync/barrier.ts";
export {
  Broadcast,
  type BroadcastOptions,
  type BroadcastStatistics,
  type SubscribeOptions,
  type Subscription,
  type SubscriptionStatistics,
  type WhenFull,
} from "./channels/broadcast.ts";
export {
  Channel,
  type ChannelOptions,
  type ChannelStatistics,
  type Receiver,
  type Sender,
} from "./channels/channel.ts";
export {
  after,
  at,
  select,
  trySelect,
  type Cases,
  type Selected,
  type SelectOptions,
  type Timeout,
} from "./channels/select.ts";
export { all, type AllOptions } from "./combine/all.ts";
export { allSettled, type AllSettledOptions } from "./combine/all-settled.ts";
export { any, type AnyOptions } from "./combine/any.ts";
export { asCompleted, type AsCompletedOptions, type CompletedEntry } from "./combine/as-completed.ts";
export { race, type RaceOptions } from "./combine/race.ts";
export { mapConcurrent, type MapConcurrentOptions } from "./combine/map-concurrent.ts";
export {
  BrokenError,
  BusyError,
  CancelledError,
  ClosedError,
  DeadlockError,
  droppedErrors,
  EndOfStream,
  HttpError,
  HttpStatusError,
  IncompleteReadError,
  InvalidStateError,
  isCancelled,
  LimitExceededError,
  ProcessError,
  StuckTaskError,
  suppressedErrors,
  TimeoutError,
  WorkCancelledError,
  type CancelledDetails,
  type HttpStatusDetails,
  type ProcessDetails,
  type CancelWhy,
} from "./errors.ts";
