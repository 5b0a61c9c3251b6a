/** Makes and ends scopes, groups, timeouts and waiters by the hundred thousand: the heap is back where it was. */
import {
  Channel,
  moveOnAfter,
  Mutex,
  run,
  Semaphore,
  sleep,
  sleepForever,
  withCancelScope,
  withTaskGroup,
} from "tasktree";
import { MemoryQueue } from "tasktree/queues";
import { VirtualClock } from "tasktree/testing";
import { collectGarbage } from "../../packages/tasktree/test/collect-garbage.ts";
import { counted, type Effort, type Finding } from "./finding.ts";

const cycles = { short: 20_000, long: 100_000 };
/** As many waiters at once. */
const crowd = 1000;
const megabyte = 2 ** 20;

/** What is done `count` times; what waits does so on something that lives on. */
type Cycle = (count: number) => Promise<void>;

const mutex = new Mutex();
const semaphore = new Semaphore(0, { max: 1 });
const full = new Channel<number>(0);
const queue = new MemoryQueue<number>();

export const kinds: Readonly<Record<string, Cycle>> = {
  scopes: times(() => withCancelScope(() => sleep(0))),
  groups: times(() => withTaskGroup((group) => void group.spawn(() => sleep(0)))),
  "timeouts that pass": times(() => moveOnAfter(1, sleepForever)),
  "timeouts in time": times(() => moveOnAfter(1000, () => sleep(0))),
  "cancelled waiters of a mutex": cancelled(
    () => mutex.acquire(),
    () => mutex.acquire(),
  ),
  "cancelled waiters of a semaphore": cancelled(() => semaphore.acquire()),
  "cancelled senders": cancelled(() => full.send(1)),
  "cancelled receivers": cancelled(() => full.receive()),
  "cancelled takers of a queue": cancelled(() => queue.take()),
  "cancelled sleepers": cancelled(() => sleep(1e9)),
};

function times(once: () => Promise<unknown>): Cycle {
  return async (count) => {
    for (let done = 0; done < count; done++) await once();
  };
}

function cancelled(wait: () => Promise<unknown>, before?: () => Promise<Disposable>): Cycle {
  return async (count) => {
    using _held = await before?.();
    for (let done = 0; done < count; done += crowd) {
      await withCancelScope(async (scope) => {
        await withTaskGroup(async (group) => {
          for (let waiter = 0; waiter < crowd; waiter++) group.spawn(wait);
          await sleep(0);
          scope.cancel();
        });
      });
    }
  };
}

export async function leaks({ isShort }: Effort): Promise<Finding> {
  const count = cycles[isShort ? "short" : "long"];
  const grown: [kind: string, bytes: number][] = [];
  for (const [kind, cycle] of Object.entries(kinds)) grown.push([kind, await growth(cycle, count)]);
  const worst = Math.max(...grown.map(([, bytes]) => bytes));
  const kindsOf = counted(grown.length, "kind");
  return {
    figure: `${count.toLocaleString("en-US")} cycles of each of ${kindsOf}: the heap has grown by ${(worst / 1024).toFixed(0)} KB at most`,
    faults: grown
      .filter(([, bytes]) => bytes > megabyte)
      .map(([kind, bytes]) => `${kind}: ${bytes} bytes are kept after ${count} cycles`),
  };
}

/** By how many bytes the heap is larger after `count` cycles than after a first round. */
export async function growth(cycle: Cycle, count: number): Promise<number> {
  const once = (): Promise<void> => run(() => cycle(count), { clock: new VirtualClock(), host: false });
  await once(); // compiled code, caches
  const before = await heapInUse();
  await once();
  return (await heapInUse()) - before;
}

async function heapInUse(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    await new Promise(setImmediate);
    collectGarbage();
  }
  return process.memoryUsage().heapUsed;
}
