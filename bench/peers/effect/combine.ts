import { Effect, Queue, Stream } from "effect";
import type { Adapter } from "../../lib/contract.ts";
import { generate, GENERATOR_LIMIT, LIMIT, numbers, step, sumOf, WORKERS } from "../../scenarios/work.ts";

const stepped = (i: number): Effect.Effect<number> => Effect.promise(() => step(i));

const limited: Adapter = async (n) =>
  sumOf(await Effect.runPromise(Effect.forEach(numbers(n), stepped, { concurrency: LIMIT })));

export const combine: Record<string, Adapter> = {
  limiter: limited,
  "limiter-million": limited,

  "map-range": limited,

  "map-generator": (n) =>
    Effect.runPromise(
      Effect.gen(function* () {
        let sum = 0;
        const add = (value: number): Effect.Effect<void> => Effect.sync(() => void (sum += value));
        yield* Stream.fromAsyncIterable(generate(n), (error) => error as Error).pipe(
          Stream.mapEffect(stepped, { concurrency: GENERATOR_LIMIT }),
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
