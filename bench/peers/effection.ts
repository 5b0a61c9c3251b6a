import { all, type Operation, race, run, sleep, spawn, suspend, type Task, until } from "effection";
import type { Peer } from "../lib/contract.ts";
import { packageVersion } from "../lib/version.ts";
import { BATCH, sleepMs, step, TIMEOUT_MS } from "../scenarios/index.ts";

function* stepped(value: number): Operation<number> {
  return yield* until(step(value));
}

export const effection: Peer = {
  name: "effection",
  describe: () => `effection ${packageVersion("node_modules/effection")}`,
  slowdown: 10,
  scenarios: {
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
  },
};
