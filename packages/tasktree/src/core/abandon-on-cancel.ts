import { brief } from "../errors.ts";
import { refused } from "./checkpoint.ts";
import { bound, here } from "./current.ts";
import type { Root } from "./root.ts";
import type { ScopeNode } from "./scope.ts";
import { Wait } from "./wait-list.ts";

export interface AbandonOptions<T> {
  /** Gets the value that comes when nobody waits for it any more: close the connection, say. Called in the context of this call. */
  readonly onLate?: (value: T) => void;
}

const foreign = { describe: (): string => "a foreign promise" };

/**
 * Waits for a promise that knows nothing of tasktree. If this call is cancelled, it stops waiting; the foreign work goes
 * on, and is listed in reports until it settles. Its late value goes to `onLate`, or is dropped; its late error fails the
 * task that it belongs to, or else the root.
 *
 * Cancellation: Checkpoint, effects possible: what was started before this call is not undone.
 *
 * @throws {TypeError} If `promise` is not a promise.
 * @example
 * ```ts
 * import { abandonOnCancel } from "tasktree";
 * import assert from "node:assert";
 * assert.equal(await abandonOnCancel(Promise.resolve(42)), 42);
 * ```
 */
export function abandonOnCancel<T>(promise: PromiseLike<T>, options: AbandonOptions<T> = {}): Promise<T> {
  const node = here().handOut();
  if (typeof (promise as Partial<PromiseLike<T>> | undefined)?.then !== "function") {
    return Promise.reject(new TypeError(`Cannot wait in '${node.path}' for ${brief(promise)}: wanted a promise`));
  }
  const late = new LatePromise<T>(node, options.onLate === undefined ? undefined : bound(options.onLate));
  const refusal = refused(node);
  if (refusal !== undefined) {
    late.abandon();
    Promise.resolve(promise).then(late.value, late.error);
    return refusal;
  }
  const wait = new Wait(foreign, node);
  wait.onCut = (error) => {
    wait.onCut = undefined;
    late.abandon();
    wait.cut(error);
  };
  Promise.resolve(promise).then(
    (value) => (wait.node === undefined ? late.value(value) : wait.wake(value)),
    (error: unknown) => (wait.node === undefined ? late.error(error) : wait.fail(error)),
  );
  return wait.promise as Promise<T>;
}

/** What becomes of a foreign promise after its waiter has left. */
class LatePromise<T> {
  readonly #node: ScopeNode;
  readonly #root: Root;
  readonly #onLate: ((value: T) => void) | undefined;
  readonly #orphan: { readonly path: string; readonly since: number };

  constructor(node: ScopeNode, onLate: ((value: T) => void) | undefined) {
    this.#node = node;
    this.#root = node.root;
    this.#onLate = onLate;
    this.#orphan = { path: node.path, since: node.root.clock.now() };
  }

  abandon(): void {
    this.#root.orphans.add(this.#orphan);
    this.#root.instruments?.promiseAbandoned(this.#orphan.path, false);
  }

  readonly value = (value: T): void => {
    this.#settled();
    try {
      this.#onLate?.(value);
    } catch (error) {
      this.#root.lateFailure(error, this.#node);
    }
  };

  readonly error = (error: unknown): void => {
    this.#settled();
    this.#root.lateFailure(error, this.#node);
  };

  #settled(): void {
    this.#root.orphans.delete(this.#orphan);
    this.#root.instruments?.promiseAbandoned(this.#orphan.path, true);
  }
}
