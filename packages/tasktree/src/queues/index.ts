/** Acknowledged work. */
export type {
  CloseOptions,
  DeadLetter,
  Lease,
  LeaseState,
  PutOptions,
  Queue,
  QueueOptions,
  QueueStatistics,
  RetryOptions,
} from "./queue.ts";
export { MemoryQueue, type MemoryQueueOptions } from "./memory-queue.ts";
