import eventsModule from "node:events";
import { iterated, waited, withSignal } from "./call.ts";
import { imported, type Ambient, type Family } from "./platform.ts";

const once: Ambient = (real, args) =>
  waited(
    () => `event '${String(args[1])}'`,
    (signal) => real(...withSignal(args, 2, signal)) as Promise<unknown>,
  );

const on: Ambient = (real, args) =>
  iterated(
    () => `event '${String(args[1])}'`,
    (signal) => real(...withSignal(args, 2, signal)) as AsyncIterator<unknown>,
  );

export const eventFamily: Family<typeof eventsModule> = { owner: eventsModule, functions: { once, on } };

/**
 * `once` and `on` of `node:events`. Inside of a scope, a cancellation cuts what waits.
 *
 * Cancellation: Checkpoint, nothing lost: an event that came before is given.
 *
 * @example
 * ```ts
 * import { moveOnAfter } from "tasktree";
 * import { events } from "tasktree/ambient";
 * import assert from "node:assert";
 * import { EventEmitter } from "node:events";
 * assert.equal(await moveOnAfter(10, () => events.once(new EventEmitter(), "never")), undefined);
 * ```
 */
export const events: Pick<typeof import("node:events"), "once" | "on"> = imported(eventFamily);
