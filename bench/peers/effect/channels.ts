import { Cause, Effect, Queue } from "effect";
import type { Adapter } from "../../lib/contract.ts";
import { deal, numbers, WORKERS } from "../../scenarios/work.ts";

const unbounded = { concurrency: "unbounded", discard: true } as const;

function produce(queue: Queue.Enqueue<number, Cause.Done>, [from, to]: [number, number]): Effect.Effect<void> {
  return Effect.gen(function* () {
    for (let i = from; i < to; i++) yield* Queue.offer(queue, i);
  });
}

type Consume = (queue: Queue.Dequeue<number, Cause.Done>, add: (item: number) => void) => Effect.Effect<void>;

const takeAll: Consume = (queue, add) =>
  Effect.gen(function* () {
    for (;;) for (const item of yield* Queue.takeAll(queue)) add(item);
  }).pipe(Effect.catchIf(Cause.isDone, () => Effect.void));

const takeOne: Consume = (queue, add) =>
  Effect.gen(function* () {
    for (;;) add(yield* Queue.take(queue));
  }).pipe(Effect.catchIf(Cause.isDone, () => Effect.void));

function handOver(consume: Consume, capacity: number, sides: number): Adapter {
  return (n) =>
    Effect.runPromise(
      Effect.gen(function* () {
        const queue = yield* Queue.bounded<number, Cause.Done>(capacity);
        let sum = 0;
        const add = (item: number): void => void (sum += item);
        const producers = Effect.forEach(deal(n, sides), (share) => produce(queue, share), unbounded);
        yield* Effect.all(
          [
            Effect.andThen(producers, Queue.end(queue)),
            Effect.forEach(numbers(sides), () => consume(queue, add), unbounded),
          ],
          unbounded,
        );
        return sum;
      }),
    );
}

function channelsWith(consume: Consume): Record<string, Adapter> {
  return {
    "channel-0": handOver(consume, 0, 1),
    "channel-1": handOver(consume, 1, 1),
    "channel-100": handOver(consume, 100, 1),
    "channel-10x10-0": handOver(consume, 0, WORKERS),
    "channel-10x10-1": handOver(consume, 1, WORKERS),
    "channel-10x10-100": handOver(consume, 100, WORKERS),
  };
}

export const oneAtATime: Record<string, Adapter> = channelsWith(takeOne);

export const channels: Record<string, Adapter> = {
  ...channelsWith(takeAll),

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
