import { Effect, Fiber, Semaphore } from "effect";
import type { Adapter } from "../../lib/contract.ts";
import { CONTENDERS, deal, PERMITS, step } from "../../scenarios/work.ts";

const unbounded = { concurrency: "unbounded", discard: true } as const;

/** So many fibers take turns with so many permits. */
function contended(permits: number): Adapter {
  return (n) =>
    Effect.runPromise(
      Effect.gen(function* () {
        const semaphore = yield* Semaphore.make(permits);
        let sum = 0;
        const turn = (i: number): Effect.Effect<void> =>
          semaphore.withPermit(
            Effect.map(
              Effect.promise(() => step(i)),
              (value) => void (sum += value),
            ),
          );
        const contend = ([from, to]: [number, number]): Effect.Effect<void> =>
          Effect.gen(function* () {
            for (let i = from; i < to; i++) yield* turn(i);
          });
        yield* Effect.forEach(deal(n, CONTENDERS), contend, unbounded);
        return sum;
      }),
    );
}

const mutexLine: Adapter = (n, begin) =>
  Effect.runPromise(
    Effect.gen(function* () {
      const mutex = yield* Semaphore.make(1);
      let sum = 0;
      const turn = (i: number): Effect.Effect<void> =>
        mutex.withPermit(
          Effect.map(
            Effect.promise(() => step(i)),
            (value) => void (sum += value),
          ),
        );
      yield* mutex.take(1);
      const fibers: Fiber.Fiber<void>[] = [];
      for (let i = 0; i < n; i++) fibers.push(yield* Effect.forkChild(turn(i), { startImmediately: true }));
      begin();
      yield* mutex.release(1);
      yield* Fiber.joinAll(fibers);
      return sum;
    }),
  );

export const sync: Record<string, Adapter> = {
  mutex: (n) =>
    Effect.runPromise(
      Effect.gen(function* () {
        const mutex = yield* Semaphore.make(1);
        let sum = 0;
        for (let i = 0; i < n; i++) {
          yield* mutex.take(1);
          sum += i;
          yield* mutex.release(1);
        }
        return sum;
      }),
    ),

  "mutex-contended": contended(1),

  // A release looks at the whole line: a hundred thousand turns would take minutes.
  "mutex-line-1000": mutexLine,
  "mutex-line-10000": mutexLine,

  semaphore: contended(PERMITS),
};
