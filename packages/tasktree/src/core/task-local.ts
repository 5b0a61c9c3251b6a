import { checkFunction, checkOptions } from "./check.ts";
import { currentFrame, enter, Frame, here } from "./current.ts";

export interface TaskLocalOptions<T> {
  /** What `get()` gives where nothing was set. */
  readonly default?: T;
  readonly name?: string;
}

/**
 * A value that belongs to the running code and everything it calls, awaits or spawns: a request's id, a user, a logger.
 *
 * Children inherit the values of whoever spawned them.
 *
 * @example
 * ```ts
 * import { TaskLocal } from "tasktree";
 * import assert from "node:assert";
 * const user = new TaskLocal({ default: "nobody" });
 * await user.run("ada", async () => {
 *   await null;
 *   assert.equal(user.get(), "ada");
 * });
 * assert.equal(user.get(), "nobody");
 * ```
 */
export class TaskLocal<T> {
  readonly name: string;
  readonly #default: T | undefined;

  constructor(options: TaskLocalOptions<T> & { readonly default: T });
  constructor(
    ...options: undefined extends T
      ? [options?: TaskLocalOptions<T>]
      : [options: TaskLocalOptions<T> & { readonly default: T }]
  );
  constructor(options: TaskLocalOptions<T> = {}) {
    checkOptions("make a task local", options);
    this.name = options.name ?? "task local";
    this.#default = options.default;
  }

  /** The value here. Not a checkpoint. */
  get(): T {
    for (let at = currentFrame()?.locals; at !== undefined; at = at.outer) if (at.key === this) return at.value as T;
    return this.#default as T;
  }

  /** Calls `fn` with `value` in place, also in what it awaits and spawns. */
  run<R>(value: T, fn: () => R): R {
    const frame = currentFrame();
    const node = frame?.node ?? here();
    checkFunction("run with a task local", fn, node);
    const inner = new Frame(node, { key: this, value, outer: frame?.locals }, frame?.turn);
    return enter(inner, fn as (a: undefined, b: undefined) => R, undefined, undefined);
  }
}
