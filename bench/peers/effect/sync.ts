import { Effect, Semaphore } from "effect";
import type { Adapter } from "../../lib/contract.ts";
import { lineLengths } from "../../scenarios/sync.ts";
import { CONTENDERS, deal, numbers, PERMITS, step } from "../../scenarios/work.ts";

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

function mutexLine(length: number): Adapter {
  return (n) =>
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
        const all = numbers(n);
        for (let first = 0; first < n; first += length) {
          yield* Effect.forEach(all.slice(first, first + length), turn, unbounded);
        }
        return sum;
      }),
    );
}

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

  ...Object.fromEntries(lineLengths.map((length) => [`mutex-line-${length}`, mutexLine(length)])),

  semaphore: contended(PERMITS),
};
