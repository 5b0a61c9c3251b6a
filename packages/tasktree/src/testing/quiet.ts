import { inHostContext } from "../core/current.ts";

/** So many turns of the event loop without a step of any task count as silence. */
const quietTurns = 3;

/** How many wait for silence on behalf of a test; while there are some, virtual time stands still. */
export const watchers = { count: 0 };

/** Calls `then` when `steps()` has not changed for some turns of the event loop; stops when `wanted()` is false. */
export function whenQuiet(steps: () => number, wanted: () => boolean, then: () => void): void {
  let last = steps();
  let turns = 0;
  const look = (): void => {
    if (!wanted()) return;
    const seen = steps();
    turns = seen === last ? turns + 1 : 0;
    last = seen;
    if (turns >= quietTurns) then();
    else again();
  };
  const again = (): void => {
    inHostContext(() => setImmediate(look));
  };
  again();
}
