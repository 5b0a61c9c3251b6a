import timersPromises from "node:timers/promises";
import { brief } from "../errors.ts";
import { iterated, waited, withSignal } from "./call.ts";
import { imported, type Ambient, type Family } from "./platform.ts";

function sleeping(name: string, place: number): Ambient {
  return (real, args) =>
    waited(
      () => `${name}(${name === "setImmediate" ? "" : brief(args[0])})`,
      (signal) => real(...withSignal(args, place, signal)) as Promise<unknown>,
    );
}

const setInterval: Ambient = (real, args) =>
  iterated(
    () => `setInterval(${brief(args[0])})`,
    (signal) => real(...withSignal(args, 2, signal)) as AsyncIterator<unknown>,
  );

const yielding: Ambient = (real, args) =>
  waited(
    () => "scheduler.yield()",
    () => real(...args) as Promise<unknown>,
  );

export const timerFamily: Family<typeof timersPromises> = {
  owner: timersPromises,
  functions: {
    setTimeout: sleeping("setTimeout", 2),
    setImmediate: sleeping("setImmediate", 1),
    setInterval,
  },
};

export const schedulerFamily: Family<typeof timersPromises.scheduler> = {
  owner: timersPromises.scheduler,
  functions: { wait: sleeping("scheduler.wait", 1), yield: yielding },
};

/**
 * `node:timers/promises`. Inside of a scope, a cancellation cuts what waits.
 *
 * Cancellation: Checkpoint, nothing lost.
 *
 * @example
 * ```ts
 * import { moveOnAfter } from "tasktree";
 * import { timers } from "tasktree/ambient";
 * import assert from "node:assert";
 * assert.equal(await moveOnAfter(10, () => timers.setTimeout(60_000, "late")), undefined);
 * ```
 */
export const timers: typeof import("node:timers/promises") = Object.create(imported(timerFamily), {
  scheduler: { value: imported(schedulerFamily), enumerable: true },
}) as never;
