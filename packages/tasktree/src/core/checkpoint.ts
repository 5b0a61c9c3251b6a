/** What every checkpoint does on entry, and when it need not wait (rules C2, C2b, C3, F2). */
import { here, implicitRoot } from "./current.ts";
import type { Force } from "./force.ts";
import type { ScopeNode } from "./scope.ts";
import { Wait } from "./wait-list.ts";

/** After this the throws of a task that swallows cancellation come no more slowly, in milliseconds. */
const slowestThrow = 1000;

function ignore(): void {}

/**
 * The rejected promise with which a checkpoint must answer here, before it has had any effect; undefined if it may go on.
 *
 * @example
 * ```ts
 * import { refused, passed } from "tasktree/lowlevel";
 * let count = 0;
 * function next(): Promise<number> {
 *   return refused() ?? passed(++count);
 * }
 * ```
 */
export function refused(node: ScopeNode = here()): Promise<never> | undefined {
  return node.force === undefined ? undefined : refuse(node, node.force, false);
}

/** As {@link refused}, for calls that take in new work (`receive`, `take`, `accept`): cleanup may talk, but takes none. */
export function refusedIntake(node: ScopeNode = here()): Promise<never> | undefined {
  return node.force === undefined ? undefined : refuse(node, node.force, true);
}

function refuse(node: ScopeNode, force: Force, intake: boolean): Promise<never> | undefined {
  if (node.told < force.depth) {
    node.tell();
    if (node.root.clock.now() < force.cutoff) return rejected(node, force.error);
  }
  if (node.unwinding && !node.ended)
    return intake && node.bornTold < force.depth ? rejected(node, force.error) : undefined;
  return rejectedLater(node, force.error);
}

function rejected(node: ScopeNode, error: unknown): Promise<never> {
  const { clock } = node.root;
  const promise = new Promise<never>((_, reject) => {
    clock.inTurn(reject, error);
  });
  promise.catch(ignore);
  return promise;
}

/** The k-th throw after the cut-off takes 2^k ms: code that swallows cancellation can neither go on nor spin. */
function rejectedLater(node: ScopeNode, error: unknown): Promise<never> {
  const delay = Math.min(2 ** node.countThrow(), slowestThrow);
  const promise = rest(node, delay).then(() => {
    throw error;
  });
  promise.catch(ignore);
  return promise;
}

/** A pause that nothing cuts. */
function rest(node: ScopeNode, ms: number): Promise<unknown> {
  const { clock } = node.root;
  const wait = new Wait(undefined, implicitRoot());
  clock.sleep(wait, clock.now() + ms);
  return wait.promise;
}

const done: Promise<void> = Promise.resolve();

/** A fulfilled promise for a checkpoint that need not wait; it lets others have their turn when the time for that has come. */
export function passed(): Promise<void>;
export function passed<T>(value: T): Promise<T>;
export function passed<T>(value: T, node: ScopeNode): Promise<T>;
export function passed<T>(value?: T, node: ScopeNode = here()): Promise<T | void> {
  const { clock } = node.root;
  if (clock.turnIsOver()) {
    return new Promise((resolve) => {
      clock.inTurn(resolve, value);
    });
  }
  return value === undefined ? done : Promise.resolve(value);
}

/**
 * A place where a cancelled scope stops, and where other tasks, and in their time timers and I/O, get a turn.
 *
 * Cancellation: Checkpoint, nothing lost.
 *
 * @example In a long computation
 * ```ts
 * import { checkpoint } from "tasktree";
 * let sum = 0;
 * for (let i = 0; i < 10_000; i++) {
 *   sum += i;
 *   if (i % 100 === 0) await checkpoint();
 * }
 * ```
 */
export function checkpoint(): Promise<void> {
  const node = here();
  return refused(node) ?? passed(undefined, node);
}
