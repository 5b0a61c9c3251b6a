import { Cause, Effect, Queue } from "effect";
import type { Adapter } from "../../lib/contract.ts";
import { deal, numbers, WORKERS } from "../../scenarios/work.ts";

const unbounded = { concurrency: "unbounded", discard: true } as const;

function produce(queue: Queue.Enqueue<number, Cause.Done>, [from, to]: [number, number]): Effect.Effect<void> {
  return Effect.gen(function* () {
    for (let i = from; i < to; i++) yield* Queue.offer(queue, i);
  });
}

function handOver(capacity: number, sides: number): Adapter {
  return (n) =>
    Effect.runPromise(
      Effect.gen(function* () {
        const queue = yield* Queue.bounded<number, Cause.Done>(capacity);
        let sum = 0;
        const consume = Effect.gen(function* () {
          for (;;) for (const item of yield* Queue.takeAll(queue)) sum += item;
        }).pipe(Effect.catchIf(Cause.isDone, () => Effect.void));
        const producers = Effect.forEach(deal(n, sides), (share) => produce(queue, share), unbounded);
        yield* Effect.all(
          [Effect.andThen(producers, Queue.end(queue)), Effect.forEach(numbers(sides), () => consume, unbounded)],
          unbounded,
        );
        return sum;
      }),
    );
}

export const channels: Record<string, Adapter> = {
  "channel-0": handOver(0, 1),
  "channel-100": handOver(100, 1),
  "channel-10x10": handOver(100, WORKERS),

  select: (n) =>
    Effect.runPromise(
      Effect.gen(function* () {
        const [a, b] = [yield* Queue.bounded<number, Cause.Done>(100), yield* Queue.bounded<number, Cause.Done>(100)];
        let sum = 0;
        const consume = Effect.gen(function* () {
          for (let i = 0; i < n; i++) sum += yield* Effect.raceFirst(Queue.take(a), Queue.take(b));
        }).pipe(Effect.catchIf(Cause.isDone, () => Effect.void));
        const [first, second] = deal(n, 2);
        yield* Effect.all([produce(a, first!), produce(b, second!), consume], unbounded);
        return sum;
      }),
    ),
};
