import { brief } from "../errors.ts";
import { isExpected, promiseTry, type Waitable } from "../lowlevel.ts";

/**
 * Runs `fn` while holding what `acquire` gives, or has made `given` be worth: what every `with` does.
 *
 * By hand what an async function and `quiet` would do: of those who stand in line there may be many, and each holds no more
 * meanwhile than its place, its promise and two closures.
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
  const threw = (error: unknown): never => {
    if (isExpected(error)) promise.catch(ignore);
    throw error;
  };
  const promise: Promise<T> = acquire(what).then((acquired) => use(fn, acquired ?? given, threw), threw);
  return promise;
}

function use<T>(
  fn: () => T | PromiseLike<T>,
  held: Disposable | undefined,
  threw: (error: unknown) => never,
): Promise<T> {
  return promiseTry(call<T>, fn).then(
    (value) => {
      held?.[Symbol.dispose]();
      return value;
    },
    (error: unknown) => {
      held?.[Symbol.dispose]();
      return threw(error);
    },
  );
}

function call<T>(fn: () => T | PromiseLike<T>): T | PromiseLike<T> {
  return fn();
}

function ignore(): void {}
