import { checkFunction, checkName, within } from "./check.ts";
import { brief, DeadlockError, InvalidStateError, isObject, suppress, WorkCancelledError } from "../errors.ts";
import { combined, leavingWith, quiet, runBlock, inScope, type Result } from "./block.ts";
import { checkLiving, checkScopeOptions, settle, type CancelScopeOptions } from "./cancel-scope.ts";
import { refused } from "./checkpoint.ts";
import { failuresIn, isCancellation } from "./classify.ts";
import { currentFrame, here, inHostContext, type Locals } from "./current.ts";
import { ScopeNode, type Force, type Scope, type ScopeKind } from "./scope.ts";
import { TaskNode, type Task, type TaskMode } from "./task.ts";
import { Wait, WaitList } from "./wait-list.ts";
import type { Root } from "./root.ts";

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

export class GroupNode extends ScopeNode implements OpenTaskGroup {
  readonly #collect: boolean;
  /** Not bound to a block. */
  readonly #open: boolean;
  #failures: unknown[] = [];
  readonly #services = new Set<TaskNode>();
  #servicesStarted = 0;
  /** Attempts that failed and were awaited by nobody yet. */
  #unobserved: Set<TaskNode> | undefined = undefined;
  /** A task that keeps it open, while it closes. */
  #witness: TaskNode | undefined = undefined;
  /** What it rejects with, once that is settled. */
  #failure: { readonly thrown: unknown } | undefined = undefined;
  /** The block has ended, or never was. */
  #closing: Promise<void> | undefined = undefined;
  #quiet: (() => void) | undefined = undefined;
  #joiners: WaitList | undefined = undefined;
  #disposed = false;
  /** Whether somebody got its failure. */
  #delivered = false;
  /** Whether it refused a child after the cut-off: ends then as slowly as checkpoints throw, lest swallowing code spins. */
  #refusedLate = false;

  constructor(
    kind: ScopeKind,
    parent: ScopeNode | undefined,
    root: Root,
    locals: Locals | undefined,
    options: TaskGroupOptions,
    open: boolean,
  ) {
    super(kind, parent, root, locals, options.name, options);
    this.#collect = options.failures === "collect";
    this.#open = open;
  }

  // --- children

  spawn<T>(fn: () => T | PromiseLike<T>, options?: SpawnOptions): Task<T> {
    checkFunction("spawn", fn, this);
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    const task = this.#make(fn, options?.service === true ? "service" : "ordinary", options);
    task.run(fn, undefined);
    return task as Task as Task<T>;
  }

  trySpawn<T>(fn: () => T | PromiseLike<T>, options?: SpawnOptions): Task<T> | undefined {
    checkFunction("spawn", fn, this);
    return this.ended || this.freshlyCut ? undefined : this.spawn(fn, options);
  }

  attempt<T>(fn: () => T | PromiseLike<T>, options?: Omit<SpawnOptions, "service">): Task<T> {
    checkFunction("attempt", fn, this);
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    const task = this.#make(fn, "attempt", options);
    task.run(fn, undefined);
    return task as Task as Task<T>;
  }

  start<T = void>(fn: (started: (value: T) => void) => unknown, options?: SpawnOptions): Promise<T> {
    return quiet(async () => {
      checkFunction("start", fn, this);
      const node = here();
      const refusal = refused(node);
      if (refusal !== undefined) return refusal;
      const closed = this.#refusal();
      if (closed !== undefined) throw closed;
      return this.#start(fn, options, node);
    });
  }

  #start<T>(
    fn: (started: (value: T) => void) => unknown,
    options: SpawnOptions | undefined,
    node: ScopeNode,
  ): Promise<T> {
    const task = this.#make(fn, "starting", options);
    const wait = new Wait({ describe: () => `the start of task '${task.name}'`, holders: () => [task] }, node);
    let isStarted = false;
    let cut: { readonly error: unknown } | undefined;
    // A starter that is cancelled cancels the child, and still waits until that has ended.
    wait.onCut = (error) => {
      cut ??= { error };
      if (!reachedToo(task, node)) task.cancelAs("explicit", "its starter was cancelled");
    };
    task.onEnd((outcome) => {
      if (cut !== undefined && (isStarted || outcome.status !== "failed")) {
        wait.handled();
        wait.fail(cut.error);
      } else if (outcome.status === "ok") {
        wait.fail(new InvalidStateError(`Cannot start task '${task.path}': it ended without reporting to be started`));
      } else {
        wait.fail(outcome.error);
      }
    });
    task.run(fn, (value: T) => {
      if (isStarted) throw new InvalidStateError(`Cannot report task '${task.path}' as started: it has been`);
      isStarted = true;
      this.#started(task, options?.service === true);
      if (cut === undefined) wait.wake(value);
    });
    return wait.promise as Promise<T>;
  }

  /** A child, registered and not yet running. */
  #make(fn: { readonly name: string }, mode: TaskMode, options: SpawnOptions | undefined): TaskNode {
    const name = options?.name;
    if (name !== undefined) checkName(name, this);
    const task = new TaskNode(this, name, fn.name, currentFrame()?.locals, mode);
    if (mode === "service") this.#addService(task);
    return task;
  }

  /** A child that was being started has become an ordinary one. */
  #started(task: TaskNode, service: boolean): void {
    if (task.status !== "running") return;
    task.mode = service ? "service" : "ordinary";
    if (!service) return;
    this.#addService(task);
    task.hideUntilCutoff();
    this.childLeft();
  }

  #addService(task: TaskNode): void {
    this.#services.add(task);
    this.#servicesStarted++;
  }

  /** Why nothing can be spawned now. */
  #refusal(): unknown {
    if (this.ended) return new InvalidStateError(`Cannot spawn into group '${this.path}': it has ended`);
    if (!this.freshlyCut) return undefined;
    const node = here();
    const { error } = this.force!;
    if (!node.isInside(this))
      return new WorkCancelledError(`Cannot spawn into group '${this.path}': it was cancelled`, { cause: error });
    node.tell();
    this.#refusedLate = this.root.clock.now() >= this.force!.cutoff;
    return error;
  }

  childEnded(task: TaskNode, error: unknown): void {
    if (task.mode === "service") this.#services.delete(task);
    if (task.status === "failed" && task.mode !== "starting") {
      if (task.mode !== "attempt") this.fail(error, this.#collect);
      else if (!task.observed) (this.#unobserved ??= new Set()).add(task);
    }
    this.childLeft();
  }

  /** Somebody got the failure of an attempt after all. */
  observed(task: TaskNode): void {
    this.#unobserved?.delete(task);
  }

  override childLeft(): void {
    if (this.#ordinary > 0) {
      if (this.#quiet !== undefined && !this.#waitsForTask() && this.#hasNewcomer()) this.#quiet();
      return;
    }
    this.#quiet?.();
    if (this.#open && this.freshlyCut) this.#close();
  }

  /** How many children keep the group open. */
  get #ordinary(): number {
    return (this.children?.size ?? 0) - this.#services.size;
  }

  /** Whether one of those is a task, rather than a scope that somebody has left open. */
  #waitsForTask(): boolean {
    if (this.#witness?.ended === false && this.#witness.mode !== "service") return true;
    this.#witness = undefined;
    for (const child of this.children!) {
      if (!(child instanceof TaskNode) || child.mode === "service") continue;
      this.#witness = child;
      return true;
    }
    return false;
  }

  /** Whether something was opened in it since {@link #closeScopes}. */
  #hasNewcomer(): boolean {
    let child = this.children!.last;
    while (child?.kind === "task") child = child.prev;
    return child !== undefined && !child.freshlyCut;
  }

  #closeScopes(): void {
    for (const child of this.children!) if (child.kind !== "task") this.closeChild(child);
  }

  // --- failures

  override noteFailure(error: unknown): void {
    this.fail(error, false);
  }

  /** Records a failure; the first one cancels the rest, unless each is to be collected. */
  fail(error: unknown, collect: boolean): void {
    this.root.report(error, this);
    const primary = this.#failures[0];
    if (this.#failures.length === 0 || this.#collect || !isObject(primary)) {
      if (!isObject(error) || !this.#failures.includes(error)) this.#failures.push(error);
    } else if (suppress(primary, error)) {
      this.root.instruments?.failureSuppressed(error, primary, this);
    }
    if (!collect) this.cancelAs("sibling failed", error);
  }

  // --- the end

  /** Waits for everybody, then gives the block's value or throws (rule K12). */
  async finish<T>(result: Result<T>): Promise<T> {
    const cut = !result.ok && isCancellation(result.error, this);
    if (!result.ok && !cut) for (const failure of failuresIn(result.error, this)) this.fail(failure, false);
    // Asked anew after each wait: somebody may have spawned while it was being told that all have ended.
    for (let closing = this.#closeAll(); closing !== undefined; closing = this.#closeAll()) await closing;
    this.#failUnobserved();
    this.end();
    const error = this.#verdict(cut);
    if (error !== undefined) throw leavingWith(this, error.thrown);
    return (result as { value: T }).value;
  }

  /** What the group rejects with, boxed since anything may be thrown. */
  #verdict(cut: boolean): { readonly thrown: unknown } | undefined {
    if (this.#failures.length > 0) return { thrown: this.failure };
    if (this.cutFromOutside) return { thrown: this.force!.error };
    this.caught = this.own !== undefined;
    if (!cut) return undefined;
    if (this.own === undefined) return { thrown: this.force!.error };
    return { thrown: new WorkCancelledError(`Group '${this.path}' was cancelled`, { cause: this.own.error }) };
  }

  /** Its failures as one error. */
  get failure(): unknown {
    if (this.#failure !== undefined) return this.#failure.thrown;
    const failures = this.#failures;
    const thrown = this.#collect
      ? new AggregateError(failures, `${failures.length} failures in group '${this.path}'`)
      : combined(failures, this);
    if (this.ended) this.#failure = { thrown };
    return thrown;
  }

  get failed(): boolean {
    return this.#failures.length > 0;
  }

  /** Ends what is left behind by the block, waits for the children, then ends the services, last started first. */
  #closeAll(): Promise<void> | undefined {
    return this.children?.first === undefined && !this.#refusedLate ? undefined : this.#waitForAll();
  }

  async #waitForAll(): Promise<void> {
    if (this.children !== undefined) this.#closeScopes();
    for (;;) {
      if (this.#ordinary > 0) {
        if (!this.#waitsForTask()) this.#closeScopes();
        await new Promise<void>((resolve) => (this.#quiet = resolve));
      } else if (this.#services.size > 0) {
        await this.#endServices();
      } else {
        break;
      }
    }
    const refusedLate = this.#refusedLate;
    this.#refusedLate = false;
    if (refusedLate) await refused(this)?.catch(ignore);
  }

  /** Last started first; returns early when somebody was spawned meanwhile. */
  async #endServices(): Promise<void> {
    const started = this.#servicesStarted;
    for (const service of [...this.#services].toReversed()) {
      if (!this.#services.has(service)) continue;
      await this.#endService(service);
      if (this.#ordinary > 0 || this.#servicesStarted !== started) return;
    }
  }

  async #endService(service: TaskNode): Promise<void> {
    const over = ended(service);
    service.cancelAs("parent", "its group has ended");
    await over;
  }

  #failUnobserved(): void {
    for (const task of this.#unobserved ?? []) this.fail(task.error, true);
    this.#unobserved = undefined;
  }

  /** The end of a root, whose block is its first task: waits for that, then closes what is left. */
  async finishRoot(main: Task): Promise<void> {
    await ended(main);
    do {
      await this.#closeAll();
      await turnOfTheLoop();
    } while (this.children?.first !== undefined);
    this.#failUnobserved();
    this.caught = this.own !== undefined && !this.failed;
    this.end();
  }

  // --- open groups

  override receive(force: Force): void {
    super.receive(force);
    if (this.#open) void Promise.resolve().then(() => this.childLeft());
  }

  join(): Promise<void> {
    return quiet(async () => {
      this.#checkOutside("join");
      const refusal = refused();
      if (refusal !== undefined) await refusal;
      if (!this.ended) {
        const joined = (this.#joiners ??= new WaitList(this)).wait();
        this.#close();
        await joined;
      }
      this.#throwVerdict();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#checkOutside("dispose of");
    this.#disposed = true;
    // What is being cancelled already is not told anew: that would cut its cleanup.
    if (!this.freshlyCut) this.cancelAs("explicit", "disposed");
    this.#close();
    await this.#closing;
    if (!this.#delivered && this.failed) this.#throwVerdict();
  }

  #checkOutside(what: string): void {
    const node = here();
    if (this.ended || !node.isInside(this)) return;
    throw new DeadlockError(
      `Cannot ${what} group '${this.path}' from '${node.path}' inside it: neither could ever end`,
    );
  }

  #throwVerdict(): void {
    this.#delivered = true;
    if (this.failed) throw this.failure;
    if (!this.cutFromOutside) return;
    const { error, outermost } = this.force!;
    throw here().isInside(outermost)
      ? error
      : new WorkCancelledError(`Group '${this.path}' was cancelled`, { cause: error });
  }

  /** Begins the end of an open group. */
  #close(): void {
    this.#closing ??= this.#closeOpen();
  }

  async #closeOpen(): Promise<void> {
    do await this.#closeAll();
    while (this.children?.first !== undefined);
    this.#failUnobserved();
    this.caught = this.own !== undefined && !this.failed;
    this.end();
    const awaited = this.#disposed || (this.#joiners?.size ?? 0) > 0;
    this.#joiners?.wakeAll();
    if (this.failed && !awaited) this.root.lateFailure(this.failure, this.parent, true);
  }

  describe(): string {
    return `group '${this.path}'`;
  }
}

function ignore(): void {}

/** Whether the cancellation that has reached `node` also reaches `task`, which is to be told by that one then. */
function reachedToo(task: TaskNode, node: ScopeNode): boolean {
  const { outermost } = node.force!;
  for (let at: ScopeNode | undefined = task; at !== undefined; at = at.parent) {
    if (at === outermost) return true;
    if (at.hides) return false;
  }
  return false;
}

/** Runtimes report a rejection when the step it happened in is over: the tree that it belongs to must still be there. */
function turnOfTheLoop(): Promise<unknown> {
  return new Promise((resolve) => {
    inHostContext(() => setImmediate(resolve));
  });
}

function ended(task: Task): Promise<void> {
  return new Promise((resolve) => {
    task.onEnd(() => resolve());
  });
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
  return inScope(
    () => {
      checkFunction("open a task group", fn, here());
      return openGroup(here(), options, false);
    },
    async (group) => group.finish(await runBlock(group, fn)),
  );
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
  const { parent } = options;
  if (parent !== undefined && parent !== "scope" && parent !== "root") {
    throw new TypeError(`Cannot use ${brief(parent)} as parent${within(here())}: wanted "scope" or "root"`);
  }
  const group = openGroup(parent === "root" ? here().root.node : here(), options, true);
  // Where everything is cancelled nobody can be spawned, and nothing will be told: it has ended soon.
  if (group.freshlyCut) void Promise.resolve().then(() => group.childLeft());
  return group;
}

function openGroup(parent: ScopeNode, options: TaskGroupOptions, open: boolean): GroupNode {
  checkScopeOptions(options, parent);
  const { failures } = options;
  if (failures !== undefined && failures !== "cancel" && failures !== "collect") {
    throw new TypeError(`Cannot use ${brief(failures)} as failures${within(parent)}: wanted "cancel" or "collect"`);
  }
  checkLiving("open a group", parent);
  return settle(new GroupNode("group", parent, parent.root, currentFrame()?.locals, options, open), options);
}
