import { brief } from "../errors.ts";
import { isExpected, type Waitable } from "../lowlevel.ts";

/**
 * Runs `fn` while holding what `acquire` gives, or has made `given` be worth: what every `with` does.
 *
 * By hand what `quiet` would do with two closures and a promise more: of those who stand in line there may be many.
 */
export function holding<W extends Waitable, T>(
  what: W,
  fn: () => T | PromiseLike<T>,
  acquire: (what: W) => Promise<Disposable | void>,
  given?: Disposable,
): Promise<T> {
  if (typeof fn !== "function") {
    return Promise.reject(new TypeError(`Cannot run with ${what.describe()}: ${brief(fn)} is not a function`));
  }
  const handle: Handle = { promise: undefined };
  return (handle.promise = hold(fn, acquire(what), given, handle));
}

/** The promise that an async function of ours has given out. */
interface Handle {
  promise: Promise<unknown> | undefined;
}

async function hold<T>(
  fn: () => T | PromiseLike<T>,
  acquired: Promise<Disposable | void>,
  given: Disposable | undefined,
  handle: Handle,
): Promise<T> {
  let held: Disposable | undefined;
  try {
    held = (await acquired) ?? given;
    return await fn();
  } catch (error) {
    if (isExpected(error)) handle.promise!.catch(ignore);
    throw error;
  } finally {
    held?.[Symbol.dispose]();
  }
}

function ignore(): void {}
