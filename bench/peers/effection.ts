import {
  all,
  createQueue,
  type Operation,
  race,
  run,
  scoped,
  sleep,
  spawn,
  suspend,
  type Task,
  until,
} from "effection";
import type { Adapter, Peer } from "../lib/contract.ts";
import { packageVersion } from "../lib/version.ts";
import { BATCH, sleepMs, step, TIMEOUT_MS, WORKERS } from "../scenarios/work.ts";

function* stepped(value: number): Operation<number> {
  return yield* until(step(value));
}

// oxlint-disable-next-line require-yield -- a task that never waits
function* ready(value: number): Operation<number> {
  return value;
}

/** Starts `n` tasks at once, and awaits their results. */
function atOnce(task: (i: number) => Operation<number>): Adapter {
  return async (n) =>
    await run(function* () {
      let sum = 0;
      const tasks: Task<number>[] = [];
      for (let i = 0; i < n; i++) tasks.push(yield* spawn(() => task(i)));
      for (const task of tasks) sum += yield* task;
      return sum;
    });
}

function* tree(from: number, to: number): Operation<number> {
  if (to - from === 1) return yield* stepped(from);
  const middle = (from + to) >>> 1;
  const [left, right] = yield* all([tree(from, middle), tree(middle, to)]);
  return left + right;
}

export const effection: Peer = {
  name: "effection",
  describe: () => `effection ${packageVersion("node_modules/effection")}`,
  slowdown: 10,
  scenarios: {
    "spawn-ready": atOnce(ready),
    "spawn-suspend": atOnce(stepped),

    "spawn-one": async (n) =>
      await run(function* () {
        let sum = 0;
        for (let i = 0; i < n; i++) sum += yield* yield* spawn(() => stepped(i));
        return sum;
      }),

    "group-open": async (n) =>
      await run(function* () {
        let sum = 0;
        for (let i = 0; i < n; i++) {
          sum += yield* scoped(function* () {
            return yield* yield* spawn(() => stepped(i));
          });
        }
        return sum;
      }),

    tree: async (n) => await run(() => tree(0, n)),

    "spawn-join": async (n) =>
      await run(function* () {
        let sum = 0;
        for (let first = 0; first < n; first += BATCH) {
          const tasks: Task<number>[] = [];
          for (let i = first; i < first + BATCH; i++) tasks.push(yield* spawn(() => stepped(i)));
          for (const task of tasks) sum += yield* task;
        }
        return sum;
      }),

    "group-join": async (n) =>
      await run(function* () {
        let sum = 0;
        function* add(i: number): Operation<void> {
          const value = yield* stepped(i);
          sum += value;
        }
        for (let first = 0; first < n; first += BATCH) {
          const operations: Operation<void>[] = [];
          for (let i = first; i < first + BATCH; i++) operations.push(add(i));
          yield* all(operations);
        }
        return sum;
      }),

    sleepers: async (n) =>
      await run(function* () {
        let sum = 0;
        const tasks: Task<void>[] = [];
        for (let i = 0; i < n; i++) {
          tasks.push(
            yield* spawn(function* () {
              yield* sleep(sleepMs(i));
              sum += i;
            }),
          );
        }
        for (const task of tasks) yield* task;
        return sum;
      }),

    async cancel(n, begin) {
      let ended = 0;
      let started = 0;
      const parent = run(function* () {
        for (let i = 0; i < n; i++) {
          yield* spawn(function* () {
            try {
              started++;
              yield* suspend();
            } finally {
              ended++;
            }
          });
        }
        yield* suspend();
      });
      while (started < n) await new Promise((resolve) => setTimeout(resolve, 10));
      begin();
      await parent.halt();
      return ended;
    },

    timeout: async (n) =>
      await run(function* () {
        let sum = 0;
        function* late(): Operation<number> {
          yield* sleep(TIMEOUT_MS);
          throw new Error("timeout");
        }
        for (let i = 0; i < n; i++) sum += yield* race([stepped(i), late()]);
        return sum;
      }),

    race: async (n) =>
      await run(function* () {
        let sum = 0;
        for (let i = 0; i < n; i++) sum += yield* race([stepped(i), stepped(-1)]);
        return sum;
      }),

    queue: async (n) =>
      await run(function* () {
        const queue = createQueue<number, void>();
        let sum = 0;
        function* work(): Operation<void> {
          for (let next = yield* queue.next(); !next.done; next = yield* queue.next()) {
            const value = yield* stepped(next.value);
            sum += value;
          }
        }
        for (let i = 0; i < n; i++) queue.add(i);
        for (let worker = 0; worker < WORKERS; worker++) queue.close();
        yield* all(Array.from({ length: WORKERS }, work));
        return sum;
      }),
  },
};
