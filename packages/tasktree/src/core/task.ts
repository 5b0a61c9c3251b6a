import { checkFunction } from "./check.ts";
import type { Choice, Selectable } from "./choice.ts";
import { DeadlockError, WorkCancelledError } from "../errors.ts";
import { combined, leavingWith, promiseOf } from "./block.ts";
import { refused, passed } from "./checkpoint.ts";
import { failuresIn, isCancellation } from "./classify.ts";
import { bound, currentFrame, enter, here, type Locals } from "./current.ts";
import { tellEnd, type EndWatcher } from "./end-watcher.ts";
import type { GroupNode } from "./group.ts";
import { ScopeNode, type Named } from "./scope.ts";
import { linesAreWatched, rememberSite, Wait, WaitList, type Waitable } from "./wait-list.ts";

/** How a task ended. */
export type Outcome<T> =
  | { readonly status: "ok"; readonly value: T }
  | { readonly status: "failed"; readonly error: unknown }
  | { readonly status: "cancelled"; readonly error: WorkCancelledError };

/**
 * A running function that belongs to a group. Awaiting it is optional: its failure reaches the group either way.
 *
 * `await task` gives its value, or throws its error; if it was cancelled, a {@link WorkCancelledError}.
 */
export interface Task<T = unknown> extends PromiseLike<T>, Selectable<T> {
  readonly name: string;
  /** The names from the root, joined by "/". */
  readonly path: string;
  readonly status: "running" | Outcome<T>["status"];
  /** Cancels this task alone: its group does not fail. */
  cancel(reason?: unknown): void;
  /** Waits for the end and never rejects with the task's error. Cancellation: Checkpoint, nothing lost; the task goes on. */
  outcome(): Promise<Outcome<T>>;
  /** Calls `fn` when the task has ended, in the context of this call; soon if it has. */
  onEnd(fn: (outcome: Outcome<T>) => void): void;
}

export type TaskMode = "ordinary" | "service" | "attempt" | "starting";

/** What a joiner that wants the outcome as data brings to its wait. */
const asOutcome: unique symbol = Symbol("outcome");

function ignore(): void {}

const service = { shield: "until cut-off" } as const;

// The one class besides errors that extends another: a task and its scope are one object, since there may be millions.
export class TaskNode<T = unknown> extends ScopeNode implements Task<T>, Waitable {
  /** Makes the name of its function unique; 0 for a task that was given a name. */
  #id: number;
  mode: TaskMode;
  status: Task<T>["status"] = "running";
  /** The value, or the error. */
  #result: unknown = undefined;
  #joiners: WaitList<unknown, symbol | undefined> | undefined = undefined;
  #onEnd: ((outcome: Outcome<T>) => void)[] | undefined = undefined;
  /** The first of those who watch for its end. */
  endWatcher: EndWatcher | undefined = undefined;

  constructor(
    group: GroupNode,
    name: string | Named | undefined,
    fnName: string,
    locals: Locals | undefined,
    mode: TaskMode,
  ) {
    super("task", group, group.root, locals, name ?? fnName, mode === "service" ? service : undefined);
    this.#id = name === undefined ? group.root.nextTaskId++ : 0;
    this.mode = mode;
    if (this.root.debug) rememberSite(this);
  }

  override get name(): string {
    return this.#id === 0 ? super.name : `${super.name === "" ? "task" : super.name}-${this.#id}`;
  }

  /** Lets it go on as another task of its group, if nobody could tell: see `Turns`. */
  renew(name: string | Named | undefined): boolean {
    if (!this.pristine || this.endWatcher !== undefined || this.mode !== "ordinary") return false;
    if (this.root.instruments !== undefined || this.root.debug) return false;
    if (name !== undefined) this.label = name;
    else if (this.#id !== 0) this.#id = this.root.nextTaskId++;
    return true;
  }

  get group(): GroupNode {
    return this.parent as GroupNode;
  }

  describe(): string {
    return `task '${this.name}'`;
  }

  holders(): Iterable<Task> {
    return [this];
  }

  /** Calls `fn` in the task's context; its end is the task's. */
  run<A>(fn: (arg: A) => unknown, arg: A): void {
    this.root.clock.steps++;
    this.root.instruments?.taskSpawned(this);
    enter(this.frame, call, fn, arg);
  }

  // --- for those who wait

  then<A = T, B = never>(
    onValue?: ((value: T) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    const node = here();
    const { promise, wait, known } = this.#join(node, undefined);
    const derived = promise.then(onValue as (value: unknown) => A, onError);
    if (typeof onError === "function") return derived;
    // Without a handler of its own, what goes through `derived` is an error that the group has.
    if (wait !== undefined) wait.promise = derived;
    else if (known === true) derived.catch(ignore);
    return derived;
  }

  outcome(): Promise<Outcome<T>> {
    return this.#join(here(), asOutcome).promise as Promise<Outcome<T>>;
  }

  choice(): Choice<T> {
    return { poll: () => this.#poll(), line: (this.#joiners ??= new WaitList(this)) };
  }

  #poll(): { readonly value: T } | undefined {
    if (this.status !== "running") {
      if (this.mode === "attempt") this.group.observed(this as TaskNode);
      if (this.status === "ok") return { value: this.#result as T };
      throw this.error;
    }
    const node = here();
    if (node.isInside(this)) throw this.#selfAwait(node);
    return undefined;
  }

  onEnd(fn: (outcome: Outcome<T>) => void): void {
    checkFunction("tell the end of a task", fn, this);
    const told = bound(fn);
    if (this.status === "running") (this.#onEnd ??= []).push(told);
    else queueMicrotask(() => told(this.outcomeNow()));
  }

  #join(node: ScopeNode, as: symbol | undefined): { promise: Promise<unknown>; wait?: Wait; known?: boolean } {
    const refusal = refused(node);
    if (refusal !== undefined) return { promise: refusal, known: true };
    if (this.status !== "running") return { promise: this.#ended(node, as), known: this.#known };
    if (node.isInside(this)) return { promise: handled(Promise.reject(this.#selfAwait(node))) };
    const wait = new Wait(this, node, as);
    (this.#joiners ??= new WaitList(this)).add(wait);
    return { promise: wait.promise, wait };
  }

  #ended(node: ScopeNode, as: symbol | undefined): Promise<unknown> {
    if (this.mode === "attempt") this.group.observed(this as TaskNode);
    if (as === asOutcome) return passed<unknown>(this.outcomeNow(), node);
    if (this.status === "ok") return passed(this.#result, node);
    return handled(passed(undefined, node).then(() => Promise.reject(this.error)));
  }

  #selfAwait(node: ScopeNode): DeadlockError {
    const by = node.task === (this as TaskNode) ? "itself" : `'${node.path}' inside it`;
    return new DeadlockError(`Cannot await task '${this.path}' from ${by}: neither could ever end`);
  }

  // --- the end

  /** Its function has returned or thrown. */
  finish(ok: boolean, value: unknown): void {
    const left = this.closeChildren();
    if (left === undefined) this.#conclude(ok, value);
    else void left.then(() => this.finish(ok, value));
  }

  #conclude(ok: boolean, value: unknown): void {
    if (this.status !== "running") {
      if (!ok && !isCancellation(value, this)) this.root.lateFailure(value, this);
      return;
    }
    let failures = this.takeFailures();
    if (!ok && !isCancellation(value, this)) failures = [...(failures ?? []), ...failuresIn(value, this)];
    if (failures !== undefined) this.settle("failed", combined(failures, this));
    else if (ok) this.settle("ok", value);
    else this.settle("cancelled", undefined);
  }

  settle(status: Outcome<T>["status"], result: unknown): void {
    this.status = status;
    this.#result = result;
    const joined = this.#joiners !== undefined && this.#joiners.size > 0;
    if (joined) this.#wakeJoiners();
    this.end();
    this.root.clock.steps++;
    this.root.instruments?.taskEnded(this, this.outcomeNow());
    if (this.endWatcher !== undefined) tellEnd(this as TaskNode);
    if (typeof this.label === "object") this.#forgetNamed(this.label);
    const callbacks = this.#onEnd;
    this.#onEnd = this.#joiners = undefined;
    if (callbacks !== undefined) for (const told of callbacks) this.#call(told);
    this.group.childEnded(this as TaskNode, this.#result, joined);
  }

  /** An ended task holds nothing of what it was made from; its name is made only if somebody may ask for it. */
  #forgetNamed(named: Named): void {
    const isPrivate = !this.isHandedOut && this.root.instruments === undefined && !linesAreWatched();
    const nobodyAsks = this.status === "ok" && isPrivate;
    this.label = nobodyAsks ? undefined : named.name;
  }

  #wakeJoiners(): void {
    const line = this.#joiners!.waits;
    // From the front each time: one that stands here twice leaves both places at once.
    for (let wait = line.first; wait !== undefined; wait = line.first) {
      if (wait.payload === asOutcome) wait.wake(this.outcomeNow());
      else if (this.status === "ok") wait.wake(this.#result);
      else {
        if (this.#known) wait.handled();
        wait.fail(this.error);
      }
    }
  }

  #call(told: (outcome: Outcome<T>) => void): void {
    try {
      told(this.outcomeNow());
    } catch (error) {
      this.root.lateFailure(error, this.group);
    }
  }

  /** How it has ended. */
  outcomeNow(): Outcome<T> {
    if (this.status === "ok") return { status: "ok", value: this.#result as T };
    if (this.status === "failed") return { status: "failed", error: this.#result };
    return { status: "cancelled", error: this.error as WorkCancelledError };
  }

  /** Whether its error reaches somebody without an awaiter; that of an attempt is theirs to handle. */
  get #known(): boolean {
    return this.status === "cancelled" || (this.status === "failed" && this.mode !== "attempt");
  }

  /** What awaiting it throws; for a cancelled one made when first asked for. */
  get error(): unknown {
    if (this.status === "cancelled") {
      this.#result ??= new WorkCancelledError(`Task '${this.path}' was cancelled`, { cause: this.force?.error });
    }
    return this.#result;
  }

  /** Stops waiting for it: it counts as failed with `error`, and its later calls throw that. */
  giveUp(error: unknown): void {
    this.abandon(error);
    this.settle("failed", leavingWith(this, error));
  }
}

function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

function call<A>(fn: (arg: A) => unknown, arg: A): void {
  let returned: unknown;
  let promise: Promise<unknown> | undefined;
  try {
    returned = fn(arg);
    promise = promiseOf(returned);
  } catch (error) {
    failed(error);
    return;
  }
  if (promise === undefined) succeeded(returned);
  else promise.then(succeeded, failed);
}

// Called in the task's context, since reactions run in the context in which they were registered: no closure per task.
function succeeded(value: unknown): void {
  (currentFrame()!.node as TaskNode).finish(true, value);
}

function failed(error: unknown): void {
  (currentFrame()!.node as TaskNode).finish(false, error);
}
