/** The cancellations in force at a node, and how a new one is brought to a subtree. */
import { CancelledError, type CancelWhy } from "../errors.ts";
import type { Root } from "./root.ts";
import type { ScopeNode } from "./scope.ts";
import { scheduleAborts } from "./signal-bridge.ts";
import { successor, successorAfter } from "./subtree.ts";

/** The sum of the cancellations that a node can see. Shared by the nodes that see the same; never changed. */
export interface Force {
  /** The outermost cancelled scope that is visible, and its error. */
  readonly outermost: ScopeNode;
  readonly error: unknown;
  /** The depth of the innermost one. */
  readonly depth: number;
  /** When grace is over: from then on every checkpoint throws. */
  readonly cutoff: number;
}

/**
 * The cancellation of a scope. Its error is made when somebody first gets it: within `cancel()` if somebody waits; never if all
 * inside end before they come to a checkpoint, as the losers of many a race do. An error costs several microseconds.
 */
export class OwnForce implements Force {
  readonly outermost: ScopeNode;
  readonly depth: number;
  readonly cutoff: number;
  readonly #why: CancelWhy;
  readonly #reason: unknown;
  #error: CancelledError | undefined = undefined;

  constructor(outermost: ScopeNode, why: CancelWhy, reason: unknown, cutoff: number) {
    this.outermost = outermost;
    this.depth = outermost.depth;
    this.cutoff = cutoff;
    this.#why = why;
    this.#reason = reason;
  }

  get error(): CancelledError {
    return (this.#error ??= new CancelledError({ why: this.#why, reason: this.#reason, scope: this.outermost.path }));
  }
}

/** Brings `force`, at `now`, to every node below `start` that no shield hides; the shields are told what they hide. */
export function reach(start: ScopeNode, force: Force, now: number): void {
  scheduleAborts();
  for (let node: ScopeNode | undefined = start; node !== undefined;) {
    if (node !== start && node.hides) {
      node.hideBelow(force.cutoff);
      node = successorAfter(node, start);
    } else {
      node.receive(force, now);
      node = successor(node, start);
    }
  }
  summed = undefined;
}

/** Orders, before a wait is cut, a step that comes before the first waiter resumes and after listeners of signals. */
export function beginDelivery(root: Root): void {
  if (root.delivering) return;
  root.delivering = true;
  root.clock.inTurn(endDelivery, root);
}

function endDelivery(root: Root): void {
  void Promise.resolve(root).then(waitersResume);
}

/** The waiters of what was cut now resume. */
function waitersResume(root: Root): void {
  for (const node of root.justCut.splice(0)) node.waiterResumes();
  root.delivering = false;
}

/** The last two arguments and their sum: nodes of one subtree mostly ask for the same. */
let summed: [Force, Force, Force] | undefined;

/** Both together. */
export function sum(a: Force | undefined, b: Force): Force {
  if (a === undefined || a === b) return b;
  if (summed !== undefined && summed[0] === a && summed[1] === b) return summed[2];
  const outer = a.outermost.depth <= b.outermost.depth ? a : b;
  const result: Force = {
    outermost: outer.outermost,
    error: outer.error,
    depth: Math.max(a.depth, b.depth),
    cutoff: Math.min(a.cutoff, b.cutoff),
  };
  summed = [a, b, result];
  return result;
}

/** The same with another cut-off. */
export function withCutoff({ outermost, error, depth }: Force, cutoff: number): Force {
  return { outermost, error, depth, cutoff };
}
