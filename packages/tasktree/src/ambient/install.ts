/** Puts the ambient functions in the place of the platform's, while somebody wants that. */
import module from "node:module";
import { InvalidStateError } from "../errors.ts";
import { patch } from "../internal/patch.ts";
import { eventFamily } from "./events.ts";
import { fetchFamily } from "./fetch.ts";
import { callbackFileFamily, fileFamily } from "./files.ts";
import { nameFamily } from "./names.ts";
import { setLift } from "./on-top.ts";
import { replacement, type Family } from "./platform.ts";
import { processFamily } from "./processes.ts";
import { httpFamily, httpsFamily } from "./requests.ts";
import { streamFamily } from "./streams.ts";
import { schedulerFamily, timerFamily } from "./timers.ts";

const families: readonly Family[] = [
  fetchFamily,
  timerFamily,
  schedulerFamily,
  eventFamily,
  streamFamily,
  fileFamily,
  callbackFileFamily,
  processFamily,
  nameFamily,
  httpFamily,
  httpsFamily,
];

/** What `register()` gives: to be taken back once, by `using` or by hand. A second time does nothing. */
export interface Registration extends Disposable {
  unregister(): void;
}

let registrations = 0;
let takeBack: (() => void) | undefined;

/**
 * Puts the functions of this module in the place of the platform's, so that libraries which know nothing of tasktree obey
 * the scope around: the globals, and the built-in modules with their named imports. Sockets and WebSockets excepted, since
 * pools share them. Code outside of scopes sees no change. May be called often: it lasts until each call is taken back.
 *
 * What a library has kept of a built-in module before is the platform's: register first, best with
 * `node --import tasktree/ambient/register`.
 *
 * @throws {InvalidStateError} On Bun and Deno, where named imports of built-in modules cannot be made to follow.
 * @example
 * ```ts
 * import { moveOnAfter } from "tasktree";
 * import { register } from "tasktree/ambient";
 * import assert from "node:assert";
 * import { setTimeout } from "node:timers/promises";
 * using registration = register();
 * const value = await moveOnAfter(10, () => setTimeout(60_000, "late"));
 * assert.equal(value, undefined);
 * ```
 */
export function register(): Registration {
  const runtime = ["bun", "deno"].find((name) => process.versions[name] !== undefined);
  if (runtime !== undefined) {
    throw new InvalidStateError(
      `Cannot register tasktree/ambient on ${runtime}: named imports of built-in modules would not follow there; import what you call from tasktree/ambient`,
    );
  }
  if (registrations++ === 0) putInPlace();
  let registered = true;
  function unregister(): void {
    if (!registered) return;
    registered = false;
    if (--registrations === 0) remove();
  }
  return { unregister, [Symbol.dispose]: unregister };
}

function putInPlace(): void {
  const undo = families.flatMap((family) =>
    Object.keys(family.functions).map((name) =>
      patch(
        family.owner,
        name,
        replacement(family, name, () => registrations > 0),
      ),
    ),
  );
  module.syncBuiltinESMExports();
  takeBack = () => {
    for (const put of undo.toReversed()) put();
    module.syncBuiltinESMExports();
  };
  setLift(lift);
}

function remove(): void {
  takeBack?.();
  takeBack = undefined;
  setLift(undefined);
}

function lift<R>(change: () => R): R {
  remove();
  try {
    return change();
  } finally {
    putInPlace();
  }
}
