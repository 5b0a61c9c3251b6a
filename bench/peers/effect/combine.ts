import { Effect, Queue, Stream } from "effect";
import type { Adapter } from "../../lib/contract.ts";
import { LIMIT, numbers, step, sumOf, WORKERS } from "../../scenarios/work.ts";

const stepped = (i: number): Effect.Effect<number> => Effect.promise(() => step(i));

export const combine: Record<string, Adapter> = {
  limit: async (n) => sumOf(await Effect.runPromise(Effect.forEach(numbers(n), stepped, { concurrency: LIMIT }))),

  map: (n) =>
    Effect.runPromise(
      Effect.gen(function* () {
        let sum = 0;
        const add = (value: number): Effect.Effect<void> => Effect.sync(() => void (sum += value));
        yield* Stream.fromIterable(numbers(n)).pipe(
          Stream.mapEffect(stepped, { concurrency: LIMIT }),
          Stream.runForEach(add),
        );
        return sum;
      }),
    ),

  race: (n) =>
    Effect.runPromise(
      Effect.gen(function* () {
        let sum = 0;
        for (let i = 0; i < n; i++) sum += yield* Effect.raceFirst(stepped(i), stepped(-1));
        return sum;
      }),
    ),

  queue: (n) =>
    Effect.runPromise(
      Effect.gen(function* () {
        const queue = yield* Queue.unbounded<number>();
        let sum = 0;
        let left = n;
        const work = Effect.gen(function* () {
          while (left-- > 0) {
            const value = yield* stepped(yield* Queue.take(queue));
            sum += value;
          }
        });
        for (let i = 0; i < n; i++) yield* Queue.offer(queue, i);
        yield* Effect.forEach(numbers(WORKERS), () => work, { concurrency: "unbounded", discard: true });
        return sum;
      }),
    ),
};
