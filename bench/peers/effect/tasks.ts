import { Effect, Fiber } from "effect";
import type { Adapter } from "../../lib/contract.ts";
import { BATCH, sleepMs, step, TIMEOUT_MS } from "../../scenarios/work.ts";

/** It lets timers ring while it starts tasks: the first would wake before the last is asleep, and memory is looked at. */
const STRETCH = 30;

const startNow = { startImmediately: true } as const;

/** Starts `n` fibers at once, and awaits their results. */
function atOnce(task: (i: number) => Effect.Effect<number>): Adapter {
  return (n) =>
    Effect.runPromise(
      Effect.gen(function* () {
        let sum = 0;
        const fibers: Fiber.Fiber<number>[] = [];
        for (let i = 0; i < n; i++) fibers.push(yield* Effect.forkChild(task(i), startNow));
        for (const value of yield* Fiber.joinAll(fibers)) sum += value;
        return sum;
      }),
    );
}

function tree(leaf: (i: number) => Effect.Effect<number>, from: number, to: number): Effect.Effect<number> {
  if (to - from === 1) return leaf(from);
  const middle = (from + to) >>> 1;
  const both = [Effect.suspend(() => tree(leaf, from, middle)), Effect.suspend(() => tree(leaf, middle, to))] as const;
  return Effect.map(Effect.all(both, { concurrency: "unbounded" }), ([left, right]) => left + right);
}

function chain(leaf: (i: number) => Effect.Effect<number>, from: number, to: number): Effect.Effect<number> {
  return Effect.gen(function* () {
    const value = yield* leaf(from);
    if (to - from === 1) return value;
    const child = yield* Effect.forkChild(chain(leaf, from + 1, to), startNow);
    return value + (yield* Fiber.join(child));
  });
}

/** How the tasks themselves are written: with combinators, or as generators. What starts them is the same. */
export type Tasks = {
  ready: (i: number) => Effect.Effect<number>;
  stepped: (i: number) => Effect.Effect<number>;
  then: (i: number, before: Effect.Effect<unknown>, tell: (i: number) => void) => Effect.Effect<void>;
};

export const combinators: Tasks = {
  ready: (i) => Effect.sync(() => i),
  stepped: (i) => Effect.promise(() => step(i)),
  then: (i, before, tell) => Effect.map(before, () => tell(i)),
};

export const generators: Tasks = {
  ready: (i) =>
    Effect.gen(function* () {
      return yield* Effect.succeed(i);
    }),
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

export function tasksAs({ ready, stepped, then }: Tasks): Record<string, Adapter> {
  const sleepers: Adapter = (n, _begin, look) =>
    Effect.runPromise(
      Effect.gen(function* () {
        let sum = 0;
        const factor = look.recording ? STRETCH : 1;
        const sleeper = (i: number): Effect.Effect<void> =>
          then(i, Effect.sleep(sleepMs(i) * factor), (value) => void (sum += value));
        const fibers: Fiber.Fiber<void>[] = [];
        for (let i = 0; i < n; i++) fibers.push(yield* Effect.forkChild(sleeper(i), startNow));
        look();
        yield* Fiber.joinAll(fibers);
        return sum;
      }),
    );

  return {
    "spawn-ready": atOnce(ready),
    "spawn-ready-million": atOnce(ready),
    "spawn-suspend": atOnce(stepped),
    "spawn-suspend-million": atOnce(stepped),

    "spawn-one": (n) =>
      Effect.runPromise(
        Effect.gen(function* () {
          let sum = 0;
          for (let i = 0; i < n; i++) sum += yield* Fiber.join(yield* Effect.forkChild(stepped(i), startNow));
          return sum;
        }),
      ),

    "group-open": (n) =>
      Effect.runPromise(
        Effect.gen(function* () {
          let sum = 0;
          const group = (i: number): Effect.Effect<number> =>
            Effect.scoped(Effect.flatMap(Effect.forkScoped(stepped(i), startNow), Fiber.join));
          for (let i = 0; i < n; i++) sum += yield* group(i);
          return sum;
        }),
      ),

    tree: (n) => Effect.runPromise(tree(stepped, 0, n)),

    chain: (n) =>
      Effect.runPromise(
        Effect.gen(function* () {
          let sum = 0;
          for (let first = 0; first < n; first += BATCH) {
            sum += yield* Fiber.join(yield* Effect.forkChild(chain(stepped, first, first + BATCH)));
          }
          return sum;
        }),
      ),

    "spawn-join": (n) =>
      Effect.runPromise(
        Effect.gen(function* () {
          let sum = 0;
          for (let first = 0; first < n; first += BATCH) {
            const fibers: Fiber.Fiber<number>[] = [];
            for (let i = first; i < first + BATCH; i++) {
              fibers.push(yield* Effect.forkChild(stepped(i), startNow));
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

    sleepers,
    "sleepers-million": sleepers,

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
          for (let i = 0; i < n; i++) yield* Effect.forkChild(wait, startNow);
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
