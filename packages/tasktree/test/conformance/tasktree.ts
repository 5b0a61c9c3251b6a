/**
 * tasktree behind the interface of the conformance cases. It renames, wraps and converts results; it adds no behaviour.
 *
 * What is converted, beyond names:
 * - `run`: with `grace: 0`, Trio's pure level trigger, which the cases assume (C2).
 * - `taskGroup`: a group that was only cancelled itself, its block cut, rejects with WorkCancelledError: undefined (K12).
 * - `errorsOf`: the error and its suppressed ones, AggregateErrors flattened (K4).
 * - `settled`: the words of an outcome's `status`, and `error` becomes `reason` (K16).
 * - `acquire` gives a permit or guard here, nothing there; what it gave is released by the object's own `release()`.
 * - `semaphore`: one without a bound is a Semaphore with `max: Infinity`.
 * - `event`: a Latch. `channel`: the counted ends of a Channel.
 * - `queue`: what is got is a lease, kept until `taskDone` acks the oldest (if none is held, one is taken for that). After
 *   `close` it is acked at once, and in a loop when the loop goes on: here what is held may come back, so a closed queue ends
 *   when all is settled; there what was got is gone. `closeNow`: `close({ now: true })`.
 * - `settle`: `waitAllTasksBlocked` in a shield, since it must not be cancelled.
 * - `cancelScope({ shield: true })`: a scope inside a shield without an end.
 */
import * as tt from "tasktree";
import { MemoryQueue, type Lease, type MemoryQueueOptions } from "tasktree/queues";
import { VirtualClock, waitAllTasksBlocked } from "tasktree/testing";
import type * as cases from "./adapter.d.ts";

const forEver = { timeout: Infinity };

export const adapter: cases.Adapter = {
  name: "tasktree",
  // Shields are blocks with a time limit, not a switch on somebody else's scope.
  missing: ["scope.shield"],

  run: (main) => tt.run(main, { grace: 0 }),
  async taskGroup(body) {
    let own: tt.TaskGroup | undefined;
    try {
      return await tt.withTaskGroup((group) => body(groupOf((own = group))));
    } catch (error) {
      if (error instanceof tt.WorkCancelledError && own?.caught === true) return undefined;
      throw error;
    }
  },
  cancelScope: (body, { timeout, shield } = {}) => {
    const options = timeout === undefined ? {} : { deadline: tt.now() + timeout };
    const scoped = () => tt.withCancelScope((scope) => body(scopeOf(scope)), options);
    return shield === true ? tt.shield(scoped, forEver) : scoped();
  },
  moveOnAfter: (ms, body) => tt.moveOnAfter(ms, (scope) => body(scopeOf(scope))),
  failAfter: (ms, body) => tt.failAfter(ms, (scope) => body(scopeOf(scope))),
  shield: (body) => tt.shield(body, forEver),
  sleep: tt.sleep,
  checkpoint: tt.checkpoint,
  until: (promise) => tt.abandonOnCancel(Promise.resolve(promise)),
  now: tt.now,
  settle: () => tt.shield(waitAllTasksBlocked, forEver),
  currentTask: () => {
    const { name, status } = tt.currentTask()!;
    return { name, cancelled: status === "cancelled" };
  },

  errorsOf: (error) =>
    [error, ...tt.suppressedErrors(error)].flatMap((each): unknown[] =>
      each instanceof AggregateError ? each.errors : [each],
    ),
  isCancelled: tt.isCancelled,
  isTimeout: (error) => error instanceof tt.TimeoutError,
  isClosed: (error) => error instanceof tt.ClosedError || error instanceof tt.EndOfStream,
  isBroken: (error) => error instanceof tt.BrokenError,
  isEndOfChannel: (error) => error instanceof tt.EndOfStream,
  isBrokenBarrier: (error) => error instanceof tt.BrokenError,
  reasonOf: (error) => (error as tt.CancelledError).reason,

  gather: (fns) => tt.all(fns),
  gatherSettled: (fns) => tt.allSettled(fns),
  race: (fns) => tt.race(fns),
  asCompleted: (fns) => tt.asCompleted(fns),
  map: async (items, fn, { concurrency = Infinity } = {}) => {
    const values = [];
    for await (const value of tt.mapConcurrent(items, fn, { limit: concurrency })) values.push(value);
    return values;
  },

  queue: (capacity) => queueOf(capacityOf(capacity)),
  lifoQueue: (capacity) => queueOf({ ...capacityOf(capacity), order: "lifo" }),
  priorityQueue: (capacity) => queueOf<number>({ ...capacityOf(capacity), order: (a, b) => a - b }),
  channel: <T>(capacity: number) => {
    const channel = new tt.Channel<T>(capacity);
    return [senderOf(channel.sender()), receiverOf(channel.receiver())];
  },

  lock: () => lockOf(new tt.Mutex()),
  semaphore: (value) => semaphoreOf(new tt.Semaphore(value, { max: Infinity })),
  boundedSemaphore: (value) => semaphoreOf(new tt.Semaphore(value)),
  event: () => {
    const latch = new tt.Latch();
    return {
      set: () => latch.open(),
      clear: () => latch.close(),
      wait: () => latch.wait(),
      get isSet() {
        return latch.isOpen;
      },
    };
  },
  condition: (lock) => {
    const condition = new tt.Condition(lock === undefined ? undefined : mutexes.get(lock));
    return {
      acquire: () => condition.acquire().then(() => undefined),
      release: () => condition.release(),
      get locked() {
        return condition.mutex.locked;
      },
      wait: () => condition.wait(),
      waitFor: <T>(predicate: () => T) => condition.waitFor(predicate) as Promise<T>,
      notify: (n) => condition.notify(n),
      notifyAll: () => condition.notifyAll(),
    };
  },
  barrier: (parties) => new tt.Barrier(parties),
  capacityLimiter: (total) => new tt.CapacityLimiter(total),

  contextVar: <T>(value?: T) => {
    const local = new tt.TaskLocal<T | undefined>({ default: value });
    return { get: () => local.get(), run: (inner, fn) => local.run(inner as T | undefined, fn) };
  },
  withVirtualTime: (fn) => tt.run(fn, { clock: new VirtualClock(), grace: 0 }),
};

function scopeOf(scope: tt.Scope): cases.Scope {
  return {
    cancel: (reason) => scope.cancel(reason),
    get cancelCalled() {
      return scope.cancelRequested;
    },
    get cancelledCaught() {
      return scope.caught;
    },
    get deadline() {
      return scope.deadline;
    },
    set deadline(deadline) {
      scope.deadline = deadline;
    },
    get signal() {
      return scope.signal;
    },
  };
}

function taskOf<T>(task: tt.Task<T>): cases.Task<T> {
  return {
    then: (onValue, onError) => task.then(onValue, onError),
    name: task.name,
    get done() {
      return task.status !== "running";
    },
    get cancelled() {
      return task.status === "cancelled";
    },
    cancel: (reason) => task.cancel(reason),
    async settled() {
      const outcome = await task.outcome();
      if (outcome.status === "ok") return { status: "fulfilled", value: outcome.value };
      return { status: outcome.status === "failed" ? "rejected" : "cancelled", reason: outcome.error };
    },
  };
}

function groupOf(group: tt.TaskGroup): cases.TaskGroup {
  return {
    spawn: (fn, ...args) => taskOf(group.spawn(() => fn(...args))),
    spawnNamed: (name, fn) => taskOf(group.spawn(fn, { name })),
    cancel: (reason) => group.cancel(reason),
    scope: scopeOf(group),
    start: <T>(fn: (ready: (value?: T) => void, ...args: never[]) => Promise<unknown>, ...args: unknown[]) =>
      group.start<T>((started) => fn(started as (value?: T) => void, ...(args as never[]))),
  };
}

const mutexes = new WeakMap<cases.Lock, tt.Mutex>();

function lockOf(mutex: tt.Mutex): cases.Lock {
  const lock: cases.Lock = {
    acquire: () => mutex.acquire().then(() => undefined),
    tryAcquire: () => mutex.tryAcquire() !== undefined,
    release: () => mutex.release(),
    get locked() {
      return mutex.locked;
    },
    use: (fn) => mutex.with(fn),
  };
  mutexes.set(lock, mutex);
  return lock;
}

function semaphoreOf(semaphore: tt.Semaphore): cases.Semaphore {
  return {
    acquire: () => semaphore.acquire().then(() => undefined),
    tryAcquire: () => semaphore.tryAcquire() !== undefined,
    release: () => semaphore.release(),
    get value() {
      return semaphore.free;
    },
    use: (fn) => semaphore.with(fn),
  };
}

function senderOf<T>(sender: tt.Sender<T>): cases.Sender<T> {
  return {
    send: (item) => sender.send(item),
    trySend: (item) => sender.trySend(item),
    clone: () => senderOf(sender.clone()),
    close: () => sender.close(),
  };
}

function receiverOf<T>(receiver: tt.Receiver<T>): cases.Receiver<T> {
  return {
    receive: () => receiver.receive(),
    tryReceive: () => receiver.tryReceive(),
    clone: () => receiverOf(receiver.clone()),
    close: () => receiver.close(),
    [Symbol.asyncIterator]: () => receiver[Symbol.asyncIterator](),
  };
}

/** 0 is no bound there. */
function capacityOf(capacity = 0): { capacity: number } {
  return { capacity: capacity === 0 ? Infinity : capacity };
}

function queueOf<T>(options: MemoryQueueOptions<T>): cases.Queue<T> {
  const queue = new MemoryQueue<T>(options);
  const held: Lease<T>[] = [];
  let closed = false;
  let acked = 0;
  const keep = (lease: Lease<T>): T => {
    if (closed) {
      void lease.ack();
      acked++;
    } else {
      held.push(lease);
    }
    return lease.item;
  };
  return {
    put: (item) => queue.put(item),
    get: () => queue.take().then(keep),
    tryPut: (item) => queue.tryPut(item),
    tryGet() {
      const lease = queue.tryTake();
      return lease === undefined ? undefined : { value: keep(lease) };
    },
    get size() {
      return queue.size;
    },
    taskDone() {
      if (acked > 0) return void acked--;
      const oldest = held.shift() ?? queue.tryTake();
      if (oldest === undefined) throw new tt.InvalidStateError("Cannot ack: nothing is held, nor there");
      void oldest.ack();
    },
    join: () => queue.join(),
    close() {
      closed = true;
      void queue.close();
    },
    closeNow() {
      closed = true;
      void queue.close({ now: true });
    },
    async *[Symbol.asyncIterator]() {
      for await (const lease of queue) {
        yield lease.item;
        await lease.ack();
      }
    },
  };
}

export default adapter; // oxlint-disable-line import/no-default-export -- the runner wants it
