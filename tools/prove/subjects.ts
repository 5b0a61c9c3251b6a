/** What the doors export, and how to get one of each thing that has methods. */
import * as everyday from "tasktree";
import * as inspector from "tasktree/inspector";
import * as lowlevel from "tasktree/lowlevel";
import * as queues from "tasktree/queues";
import * as streams from "tasktree/streams";
import * as testing from "tasktree/testing";

export const doors: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  tasktree: everyday,
  "tasktree/lowlevel": lowlevel,
  "tasktree/queues": queues,
  "tasktree/streams": streams,
  "tasktree/testing": testing,
  "tasktree/inspector": inspector,
};

/** What is not called with wrong arguments, and why. */
export const spared: Readonly<Record<string, string>> = {
  runMain: "ends the process",
  watchEventLoop: "starts a thread that watches real time",
  explore: "runs one after the other in real time, outside of the caller's",
  LeakError: "is made by the check for leaks",
  sleepForever: "takes no arguments",
};

/** For those who write primitives: on the path of every operation, they trust the types. */
const trusting = "is on the path of every operation of a primitive, and trusts the types";
for (const name of [
  "passed",
  "refused",
  "refusedIntake",
  "watchEnd",
  "unwatchEnd",
  "outcomeNow",
  "spawnChild",
  "taskAt",
  "isExpected",
  "draw",
  "waitForOne",
  "quiet",
  "quietThen",
  "WaitList",
  "Turns",
]) {
  (spared as Record<string, string>)[name] = trusting;
}

const scope = [
  "cancel",
  "drain",
  "waitDraining",
  "deadline=",
  "signal",
  "path",
  "name",
  "caught",
  "cancelRequested",
  "deadlineReached",
  "draining",
];
const group = [...scope, "spawn", "trySpawn", "attempt", "start"];
const stream = ["read", "write", "closeWriting", "close", "abort", "statistics", "@@asyncDispose"];
const mutex = ["acquire", "tryAcquire", "with", "release", "reset", "statistics", "describe", "holders"];
const task = ["cancel", "then", "outcome", "onEnd", "name", "path"];

export interface Subject {
  readonly name: string;
  /** Makes one, inside of a task. */
  make(): Promise<object> | object;
  /** What people call; `name=` is set. Default: all it has but what is marked `@internal` or here. */
  readonly members?: readonly string[];
}

/** Things of every kind that can be had. */
export const subjects: readonly Subject[] = [
  { name: "Mutex", make: () => new everyday.Mutex(), members: mutex },
  { name: "MutexGuard", make: () => new everyday.Mutex().acquire() },
  { name: "Semaphore", make: () => new everyday.Semaphore(2) },
  { name: "Permit", make: () => new everyday.Semaphore(2).acquire() },
  { name: "CapacityLimiter", make: () => new everyday.CapacityLimiter(2) },
  { name: "Latch", make: () => new everyday.Latch() },
  { name: "Condition", make: () => new everyday.Condition() },
  { name: "Barrier", make: () => new everyday.Barrier(2) },
  { name: "Channel", make: () => new everyday.Channel(1) },
  { name: "Channel (rendezvous)", make: () => new everyday.Channel(0) },
  { name: "Sender", make: () => new everyday.Channel(1).sender() },
  { name: "Receiver", make: () => new everyday.Channel(1).receiver() },
  { name: "Broadcast", make: () => new everyday.Broadcast() },
  { name: "Subscription", make: () => new everyday.Broadcast().subscribe({ capacity: 1, whenFull: "wait" }) },
  { name: "MemoryQueue", make: () => new queues.MemoryQueue() },
  { name: "Lease", make: leased },
  { name: "TaskLocal", make: () => new everyday.TaskLocal() },
  { name: "Timer", make: () => new lowlevel.Timer(() => undefined), members: ["set"] },
  { name: "ByteStream", make: () => streams.memoryStreamPair()[0], members: stream },
  { name: "Sequencer", make: () => new testing.Sequencer() },
  { name: "SimulatedNetwork", make: () => new testing.SimulatedNetwork() },
  { name: "NetworkHost", make: () => new testing.SimulatedNetwork().host("a") },
  { name: "NetworkListener", make: () => new testing.SimulatedNetwork().host("a").listen(80) },
  { name: "VirtualClock", make: () => new testing.VirtualClock(), members: ["now"] },
  { name: "Scope", make: () => everyday.currentScope(), members: scope },
  { name: "TaskGroup", make: () => everyday.openTaskGroup(), members: group },
  { name: "OpenTaskGroup", make: () => everyday.openTaskGroup(), members: [...group, "join", "@@asyncDispose"] },
  { name: "Task", make: () => everyday.openTaskGroup().spawn(() => everyday.sleep(5)), members: task },
];

async function leased(): Promise<object> {
  const queue = new queues.MemoryQueue<number>();
  await queue.put(1);
  return await queue.take();
}
