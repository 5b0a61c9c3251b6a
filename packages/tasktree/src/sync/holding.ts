import { brief } from "../errors.ts";
import { quiet, type Waitable } from "../lowlevel.ts";

/** Runs `fn` while holding what `acquire` gives: what every `with` does. */
export function holding<T>(
  what: Waitable,
  fn: () => T | PromiseLike<T>,
  acquire: () => Promise<Disposable>,
): Promise<T> {
  return quiet(async () => {
    if (typeof fn !== "function")
      throw new TypeError(`Cannot run with ${what.describe()}: ${brief(fn)} is not a function`);
    const held = await acquire();
    try {
      return await fn();
    } finally {
      held[Symbol.dispose]();
    }
  });
}
