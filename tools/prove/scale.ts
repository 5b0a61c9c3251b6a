/** Very many of a thing at once: all come, all end, nobody overflows the stack. */
import { checkpoint, Latch, Mutex, run, sleepForever, withCancelScope, withTaskGroup } from "tasktree";
import { VirtualClock, waitAllTasksBlocked } from "tasktree/testing";
import type { Effort, Finding } from "./finding.ts";

const sizes = {
  short: { tasks: 50_000, scopes: 10_000, waiters: 20_000 },
  long: { tasks: 1_000_000, scopes: 10_000, waiters: 100_000 },
};

export async function scale({ isShort }: Effort): Promise<Finding> {
  const { tasks, scopes, waiters } = sizes[isShort ? "short" : "long"];
  const faults: string[] = [];
  const shown: string[] = [];
  const check = async (what: string, count: number, body: (count: number) => Promise<number>): Promise<void> => {
    const began = performance.now();
    const ended = await run(() => body(count), { clock: new VirtualClock(), host: false });
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    shown.push(`${count.toLocaleString("en-US")} ${what} in ${seconds} s`);
    if (ended !== count) faults.push(`of ${count} ${what} ${ended} have ended as they should`);
  };
  await check("tasks in one group", tasks, tasksInAGroup);
  await check("nested scopes", scopes, nestedScopes);
  await check("cancelled waiters of one mutex", waiters, cancelledWaiters);
  return { figure: shown.join(", "), faults };
}

/** How many tasks of a group, all alive at the same time, have ended. */
export async function tasksInAGroup(count: number): Promise<number> {
  const latch = new Latch();
  let alive = 0;
  let ended = 0;
  let most = 0;
  await withTaskGroup(async (group) => {
    for (let spawned = 0; spawned < count; spawned++) {
      group.spawn(async () => {
        most = Math.max(most, ++alive);
        await latch.wait();
        alive--;
        ended++;
      });
    }
    await waitAllTasksBlocked();
    latch.open();
  });
  return Math.min(ended, most);
}

/** How many scopes, each in the one before, were left when the outermost was cancelled. */
export async function nestedScopes(count: number): Promise<number> {
  let left = 0;
  const nest = async (depth: number): Promise<void> => {
    await checkpoint();
    try {
      await withCancelScope(() => (depth === 1 ? sleepForever() : nest(depth - 1)));
    } finally {
      left++;
    }
  };
  await withTaskGroup(async (group) => {
    group.spawn(() => nest(count));
    await waitAllTasksBlocked();
    group.cancel();
  });
  return left;
}

/** How many of those who waited for a mutex were cut, and are not in its line any more. */
export async function cancelledWaiters(count: number): Promise<number> {
  const mutex = new Mutex();
  let cut = 0;
  using _held = await mutex.acquire();
  await withTaskGroup(async (group) => {
    for (let spawned = 0; spawned < count; spawned++) {
      group.spawn(async () => {
        try {
          await mutex.acquire();
        } finally {
          cut++;
        }
      });
    }
    await waitAllTasksBlocked();
    group.cancel();
  });
  return cut - mutex.statistics().waiting;
}
