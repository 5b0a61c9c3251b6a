import { Effect, Fiber } from "effect";
import type { Adapter } from "../../lib/contract.ts";
import { BATCH, sleepMs, step, TIMEOUT_MS } from "../../scenarios/work.ts";

/** How the tasks themselves are written: with combinators, or as generators. What starts them is the same. */
export type Tasks = {
  stepped: (i: number) => Effect.Effect<number>;
  then: (i: number, before: Effect.Effect<unknown>, tell: (i: number) => void) => Effect.Effect<void>;
};

export const combinators: Tasks = {
  stepped: (i) => Effect.promise(() => step(i)),
  then: (i, before, tell) => Effect.map(before, () => tell(i)),
};

export const generators: Tasks = {
  stepped: (i) =>
    Effect.gen(function* () {
      return yield* Effect.promise(() => step(i));
    }),
  then: (i, before, tell) =>
    Effect.gen(function* () {
      yield* before;
      tell(i);
    }),
};

export function tasksAs({ stepped, then }: Tasks): Record<string, Adapter> {
  return {
    "spawn-join": (n) =>
      Effect.runPromise(
        Effect.gen(function* () {
          let sum = 0;
          for (let first = 0; first < n; first += BATCH) {
            const fibers: Fiber.Fiber<number>[] = [];
            for (let i = first; i < first + BATCH; i++) {
              fibers.push(yield* Effect.forkChild(stepped(i), { startImmediately: true }));
            }
            for (const value of yield* Fiber.joinAll(fibers)) sum += value;
          }
          return sum;
        }),
      ),

    "group-join": (n) =>
      Effect.runPromise(
        Effect.gen(function* () {
          let sum = 0;
          const add = (i: number): Effect.Effect<void> =>
            then(
              i,
              Effect.promise(() => step(i)),
              (value) => void (sum += value),
            );
          for (let first = 0; first < n; first += BATCH) {
            const batch = Array.from({ length: BATCH }, (_, offset) => first + offset);
            yield* Effect.forEach(batch, add, { concurrency: "unbounded", discard: true });
          }
          return sum;
        }),
      ),

    sleepers: (n) =>
      Effect.runPromise(
        Effect.gen(function* () {
          let sum = 0;
          const sleeper = (_: unknown, i: number): Effect.Effect<void> =>
            then(i, Effect.sleep(sleepMs(i)), (value) => void (sum += value));
          yield* Effect.forEach(Array.from({ length: n }), sleeper, { concurrency: "unbounded", discard: true });
          return sum;
        }),
      ),

    timeout: (n) =>
      Effect.runPromise(
        Effect.gen(function* () {
          let sum = 0;
          for (let i = 0; i < n; i++) sum += yield* Effect.timeout(stepped(i), TIMEOUT_MS);
          return sum;
        }),
      ),
  };
}

// No generator here: `finally` in one does not run when its fiber is interrupted, cleanup is `ensuring` either way.
export const cancel: Adapter = (n, begin) =>
  Effect.runPromise(
    Effect.gen(function* () {
      let ended = 0;
      let waiting = false;
      const wait = Effect.ensuring(
        Effect.never,
        Effect.sync(() => void ended++),
      );
      const parent = yield* Effect.forkChild(
        Effect.gen(function* () {
          for (let i = 0; i < n; i++) yield* Effect.forkChild(wait, { startImmediately: true });
          waiting = true;
          yield* Effect.never;
        }),
      );
      while (!waiting) yield* Effect.sleep(10);
      begin();
      yield* Fiber.interrupt(parent);
      return ended;
    }),
  );
