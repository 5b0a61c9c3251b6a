import type { Adapter } from "../../lib/contract.ts";
import { tasktree as tt } from "../../lib/subject.ts";
import { lineLengths } from "../../scenarios/sync.ts";
import { CONTENDERS, deal, PERMITS, step } from "../../scenarios/work.ts";

const { Mutex, run, Semaphore, withTaskGroup } = tt;

export const mutexLine: Adapter = (n, begin) =>
  run(
    async () => {
      const mutex = new Mutex();
      let sum = 0;
      await withTaskGroup(async (group) => {
        const first = await mutex.acquire();
        for (let i = 0; i < n; i++) {
          group.spawn(async () => {
            const guard = await mutex.acquire();
            sum += await step(i);
            guard.release();
          });
        }
        begin();
        first.release();
      });
      return sum;
    },
    { host: false },
  );

export const tryMutex: Adapter = (n) =>
  run(
    async () => {
      const mutex = new Mutex();
      let sum = 0;
      for (let i = 0; i < n; i++) {
        const guard = mutex.tryAcquire();
        if (guard === undefined) throw new Error("The mutex is held");
        sum += i;
        guard.release();
      }
      return sum;
    },
    { host: false },
  );

export const sync: Record<string, Adapter> = {
  mutex: (n) =>
    run(
      async () => {
        const mutex = new Mutex();
        let sum = 0;
        for (let i = 0; i < n; i++) {
          const guard = await mutex.acquire();
          sum += i;
          guard.release();
        }
        return sum;
      },
      { host: false },
    ),

  "mutex-contended": (n) =>
    run(
      async () => {
        const mutex = new Mutex();
        let sum = 0;
        await withTaskGroup(async (group) => {
          for (const [from, to] of deal(n, CONTENDERS)) {
            group.spawn(async () => {
              for (let i = from; i < to; i++) {
                const guard = await mutex.acquire();
                sum += await step(i);
                guard.release();
              }
            });
          }
        });
        return sum;
      },
      { host: false },
    ),

  ...Object.fromEntries(lineLengths.map((length) => [`mutex-line-${length}`, mutexLine])),

  semaphore: (n) =>
    run(
      async () => {
        const semaphore = new Semaphore(PERMITS);
        let sum = 0;
        await withTaskGroup(async (group) => {
          for (const [from, to] of deal(n, CONTENDERS)) {
            group.spawn(async () => {
              for (let i = from; i < to; i++) {
                const permit = await semaphore.acquire();
                const value = await step(i);
                sum += value;
                permit.release();
              }
            });
          }
        });
        return sum;
      },
      { host: false },
    ),
};
