/** Groups as users open them (rules K1 to K16). */
import { brief } from "../errors.ts";
import { inScope } from "./block.ts";
import { checkLiving, checkScopeOptions, settle, type CancelScopeOptions } from "./cancel-scope.ts";
import { checkFunction, checkOptions, within } from "./check.ts";
import { currentFrame, here, type Locals } from "./current.ts";
import { GroupNode } from "./group.ts";
import type { Scope, ScopeNode } from "./scope.ts";
import type { Task } from "./task.ts";

export interface TaskGroupOptions extends CancelScopeOptions {
  /** "cancel" (default): the first failure cancels the rest. "collect": a failing child leaves its siblings alone. */
  readonly failures?: "cancel" | "collect";
}

export interface SpawnOptions {
  /** For reports and errors; default: the function's name and a number. */
  readonly name?: string;
  /** A service does not keep its group open: it is cancelled when all others have ended, services last started first. */
  readonly service?: boolean;
}

/** A scope whose children all end before it does. */
export interface TaskGroup extends Scope {
  /**
   * Starts `fn` as a child: calls it before returning. Its failure fails the group; what it throws synchronously too.
   *
   * @throws {TypeError} If `fn` is not a function (a promise, say, which has already started).
   * @throws {CancelledError} If the group was cancelled and the caller is inside it; `fn` is not called.
   * @throws {WorkCancelledError} If the group was cancelled and the caller is not inside it; `fn` is not called.
   * @throws {InvalidStateError} If the group has ended.
   */
  spawn<T>(fn: () => T | PromiseLike<T>, options?: SpawnOptions): Task<T>;
  /** As {@link spawn}, but undefined where the group was cancelled or has ended: for event handlers. */
  trySpawn<T>(fn: () => T | PromiseLike<T>, options?: SpawnOptions): Task<T> | undefined;
  /** As {@link spawn}, but a failure goes to whoever awaits the task; if nobody has when the group ends, it fails the group. */
  attempt<T>(fn: () => T | PromiseLike<T>, options?: Omit<SpawnOptions, "service">): Task<T>;
  /**
   * Starts a child and waits until it calls `started(value)`; gives that value. What ends the child before that rejects
   * this call and leaves the group alone.
   *
   * Cancellation: Checkpoint, effects possible: if this call is cancelled, so is the child, and it has ended before this
   * rejects.
   *
   * @throws {InvalidStateError} If the child returned without calling `started`, or the group has ended.
   */
  start<T = void>(fn: (started: (value: T) => void) => unknown, options?: SpawnOptions): Promise<T>;
}

/** A group that is not bound to a block: for classes and frameworks. */
export interface OpenTaskGroup extends TaskGroup, AsyncDisposable {
  /**
   * Waits until every child has ended, then the group has ended; rejects with its failure. May be called often.
   *
   * Cancellation: Checkpoint, nothing lost: if this call is cancelled, the group goes on, and ends with its
   * last child.
   */
  join(): Promise<void>;
  /** Cancels what was not joined, and waits. Not a checkpoint, and never cut. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface OpenTaskGroupOptions extends TaskGroupOptions {
  /** "scope" (default): ends with the scope that opened it. "root": ends with the run. */
  readonly parent?: "scope" | "root";
}

/**
 * Runs `fn` with a group of its own, and waits for every child, however the block ends.
 *
 * The first failure, of the block or of a child, cancels the rest; when all have ended, the group rejects with that very
 * error, later ones listed on it (see `suppressedErrors`). A block that returns does not cancel its children.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled, so are block and children, and all have ended
 * before it rejects.
 *
 * @throws {WorkCancelledError} If only the group itself was cancelled, and the block was cut by that.
 * @throws {AggregateError} Of all failures, with `failures: "collect"`.
 * @example
 * ```ts
 * import { sleep, withTaskGroup } from "tasktree";
 * import assert from "node:assert";
 * const seen: string[] = [];
 * await withTaskGroup(async (group) => {
 *   group.spawn(async () => {
 *     await sleep(5);
 *     seen.push("child");
 *   });
 *   seen.push("block");
 * });
 * assert.deepEqual(seen, ["block", "child"]);
 * ```
 */
export function withTaskGroup<T>(
  fn: (group: TaskGroup) => T | PromiseLike<T>,
  options: TaskGroupOptions = {},
): Promise<T> {
  return inScope(openBlockGroup, fn, options);
}

function openBlockGroup(
  parent: ScopeNode,
  locals: Locals | undefined,
  fn: unknown,
  options: TaskGroupOptions,
): GroupNode {
  checkFunction("open a task group", fn, parent);
  return openGroup(parent, locals, options, false);
}

/**
 * Opens a group that no block bounds: it belongs to the scope that opens it, or to the root, and never changes the ambient
 * scope. An owner that ends first cancels it and waits. A failure nobody joins for fails the owner's task.
 *
 * @example
 * ```ts
 * import { openTaskGroup, sleep } from "tasktree";
 * await using group = openTaskGroup();
 * group.spawn(() => sleep(5));
 * await group.join();
 * ```
 */
export function openTaskGroup(options: OpenTaskGroupOptions = {}): OpenTaskGroup {
  checkOptions("open a group", options, here());
  const { parent } = options;
  if (parent !== undefined && parent !== "scope" && parent !== "root") {
    throw new TypeError(`Cannot use ${brief(parent)} as parent${within(here())}: wanted "scope" or "root"`);
  }
  const group = openGroup(parent === "root" ? here().root.node : here(), currentFrame()?.locals, options, true);
  // Where everything is cancelled nobody can be spawned, and nothing will be told: it has ended soon.
  if (group.freshlyCut) void Promise.resolve().then(() => group.childLeft());
  return group;
}

function openGroup(parent: ScopeNode, locals: Locals | undefined, options: TaskGroupOptions, open: boolean): GroupNode {
  checkScopeOptions(options, parent);
  const { failures } = options;
  if (failures !== undefined && failures !== "cancel" && failures !== "collect") {
    throw new TypeError(`Cannot use ${brief(failures)} as failures${within(parent)}: wanted "cancel" or "collect"`);
  }
  checkLiving("open a group", parent);
  return settle(new GroupNode("group", parent, parent.root, locals, options, open), options);
}
