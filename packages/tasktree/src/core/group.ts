/** The node of a group: its children, its failures, and its end (rules K1 to K16). */
import { checkFunction, checkName, checkOptions, nameOfFunction } from "./check.ts";
import { DeadlockError, InvalidStateError, isObject, suppress, WorkCancelledError } from "../errors.ts";
import { combined, leavingWith, pauseAfter, promiseOf, quiet } from "./block.ts";
import { refused } from "./checkpoint.ts";
import { failuresIn, isCancellation } from "./classify.ts";
import type { Child } from "./child.ts";
import { currentFrame, enter, here, inHostContext, type Locals } from "./current.ts";
import { watchEnd } from "./end-watcher.ts";
import type { Force } from "./force.ts";
import type { Root } from "./root.ts";
import { ScopeNode, type ScopeKind } from "./scope.ts";
import { startTask } from "./start.ts";
import type { OpenTaskGroup, SpawnOptions, TaskGroup, TaskGroupOptions } from "./task-group.ts";
import { TaskNode, type Task, type TaskMode } from "./task.ts";
import { WaitList } from "./wait-list.ts";

/** Most groups have no failures and no services: an array and a set less for each. */
const none: unknown[] = [];

export class GroupNode extends ScopeNode implements OpenTaskGroup {
  readonly #collect: boolean;
  /** Not bound to a block. */
  readonly #open: boolean;
  #failures: unknown[] = none;
  /** How many tasks run that are no services. */
  #tasks = 0;
  #services: Set<TaskNode> | undefined = undefined;
  /** Counts those ever added: shows whether one came meanwhile. */
  #servicesAdded = 0;
  /** Attempts that failed and were awaited by nobody yet. */
  #unobserved: Set<TaskNode> | undefined = undefined;
  /** What it rejects with, once that is settled. */
  #failure: { readonly thrown: unknown } | undefined = undefined;
  /** The block has ended, or never was. */
  #closing: Promise<void> | undefined = undefined;
  /** Called, while it closes, when nobody but services is left. */
  #onlyServices: (() => void) | undefined = undefined;
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
    const task = this.make(fn, options?.service === true ? "service" : "ordinary", options);
    task.run(fn, undefined);
    return task as Task as Task<T>;
  }

  /** As {@link spawn}, of an object: no closure, no options and no name are made for it. */
  spawnChild(child: Child): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    const task = new TaskNode(this, child, "", currentFrame()?.locals, "ordinary");
    this.#tasks++;
    watchEnd(task, child);
    task.run(runChild, child);
  }

  trySpawn<T>(fn: () => T | PromiseLike<T>, options?: SpawnOptions): Task<T> | undefined {
    checkFunction("spawn", fn, this);
    return this.ended || this.freshlyCut ? undefined : this.spawn(fn, options);
  }

  attempt<T>(fn: () => T | PromiseLike<T>, options?: Omit<SpawnOptions, "service">): Task<T> {
    checkFunction("attempt", fn, this);
    const refusal = this.#refusal();
    if (refusal !== undefined) throw refusal;
    const task = this.make(fn, "attempt", options);
    task.run(fn, undefined);
    return task as Task as Task<T>;
  }

  start<T = void>(fn: (started: (value: T) => void) => unknown, options?: SpawnOptions): Promise<T> {
    let child: TaskNode | undefined;
    const promise = quiet(async () => {
      checkFunction("start", fn, this);
      const node = here();
      const refusal = refused(node);
      if (refusal !== undefined) return refusal;
      const closed = this.#refusal();
      if (closed !== undefined) throw closed;
      const isService = options?.service === true; // before there is a child: it may throw
      child = this.make(fn, "starting", options);
      return startTask(child, fn, isService, node);
    });
    child?.onEnd(({ status }) => {
      if (status === "cancelled") promise.catch(ignore);
    });
    return promise;
  }

  /** A child, registered and not yet running. */
  make(fn: { readonly name: string }, mode: TaskMode, options: SpawnOptions | undefined): TaskNode {
    if (options !== undefined) checkOptions("start a task", options, this);
    const name = options?.name;
    if (name !== undefined) checkName(name, this);
    const task = new TaskNode(this, name, nameOfFunction(fn), currentFrame()?.locals, mode);
    if (mode === "service") this.#addService(task);
    else this.#tasks++;
    return task;
  }

  /** A child that was being started has become an ordinary one. */
  hasStarted(task: TaskNode, service: boolean): void {
    if (task.status !== "running") return;
    task.mode = service ? "service" : "ordinary";
    if (!service) return;
    this.#tasks--;
    this.#addService(task);
    task.hideUntilCutoff();
    this.childLeft();
  }

  #addService(task: TaskNode): void {
    (this.#services ??= new Set()).add(task);
    this.#servicesAdded++;
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

  /** @param joined Whether somebody waits for it, and is told of its failure. */
  childEnded(task: TaskNode, error: unknown, joined: boolean): void {
    if (task.mode === "service") this.#services!.delete(task);
    else this.#tasks--;
    if (task.status === "failed" && task.mode !== "starting") {
      if (task.mode !== "attempt") this.fail(error, this.#collect);
      else if (!joined) (this.#unobserved ??= new Set()).add(task);
    }
    this.childLeft();
  }

  /** Somebody got the failure of an attempt after all. */
  observed(task: TaskNode): void {
    this.#unobserved?.delete(task);
  }

  override childLeft(): void {
    if (this.#tasks > 0) return;
    if (this.#ordinary > 0) {
      if (this.#onlyServices !== undefined) this.closeNewcomers();
    } else if (this.#onlyServices !== undefined) {
      this.#onlyServices();
    } else if (this.#open && this.freshlyCut) {
      this.#close();
    }
  }

  /** How many children keep the group open: its tasks, and scopes that somebody has left open. */
  get #ordinary(): number {
    return (this.children?.size ?? 0) - (this.#services?.size ?? 0);
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
      if (this.#failures === none) this.#failures = [];
      if (!isObject(error) || !this.#failures.includes(error)) this.#failures.push(error);
    } else if (suppress(primary, error)) {
      this.root.instruments?.failureSuppressed(error, primary, this);
    }
    if (!collect) this.cancelAs("sibling failed", error);
  }

  // --- the end

  run<T>(fn: (group: TaskGroup) => T | PromiseLike<T>): Promise<T> {
    const promise = this.#runBlock(fn);
    this.handle = promise;
    return promise;
  }

  /**
   * Runs its block, waits for everybody, then gives the block's value or throws (rule K12).
   *
   * One function: each async one more costs as much as starting a child.
   */
  async #runBlock<T>(fn: (group: TaskGroup) => T | PromiseLike<T>): Promise<T> {
    let ok = true;
    let value: unknown;
    try {
      value = await enter(this.frame, callBlock, fn as (group: TaskGroup) => unknown, this);
    } catch (error) {
      ok = false;
      value = error;
    }
    const pause = pauseAfter(this);
    if (pause !== undefined) await pause;
    const cut = !ok && isCancellation(value, this);
    if (!ok && !cut) for (const failure of failuresIn(value, this)) this.fail(failure, false);
    // Asked anew after each wait: somebody may have spawned while it was being told that all have ended.
    for (let closing = this.#closeAll(); closing !== undefined; closing = this.#closeAll()) await closing;
    this.#failUnobserved();
    this.end();
    const error = this.#verdict(cut);
    if (error !== undefined) throw leavingWith(this, error.thrown);
    return value as T;
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

  /**
   * What the end of the group has to wait for next, or undefined: the children, having closed what the block has left
   * behind; then the services, which are ended last started first.
   */
  #closeAll(): Promise<unknown> | undefined {
    if (this.#ordinary > 0) {
      this.#closeScopes();
      if (this.#tasks === 0) this.closeNewcomers();
      return new Promise<void>((resolve) => (this.#onlyServices = resolve));
    }
    if (this.#services !== undefined && this.#services.size > 0) return this.#endServices(this.#services);
    const refusedLate = this.#refusedLate;
    this.#refusedLate = false;
    return refusedLate ? refused(this)?.catch(ignore) : undefined;
  }

  /** Waits for all of that. */
  async #allClosed(): Promise<void> {
    for (let next = this.#closeAll(); next !== undefined; next = this.#closeAll()) await next;
  }

  /** Closes what the block has opened and left open; tasks it waits for. */
  #closeScopes(): void {
    if (this.#ordinary === this.#tasks) return;
    for (const child of this.children!) if (child.kind !== "task") this.closeChild(child);
  }

  /** Last started first; returns early when somebody was spawned meanwhile. */
  async #endServices(services: ReadonlySet<TaskNode>): Promise<void> {
    const added = this.#servicesAdded;
    for (const service of [...services].toReversed()) {
      if (!services.has(service)) continue;
      await this.#endService(service);
      if (this.#ordinary > 0 || this.#servicesAdded !== added) return;
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
      await this.#allClosed();
      await turnOfTheLoop();
    } while (this.children?.first !== undefined);
    this.#failUnobserved();
    this.caught = this.own !== undefined && !this.failed;
    this.end();
  }

  // --- open groups

  override receive(force: Force, now: number): void {
    super.receive(force, now);
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
    do await this.#allClosed();
    while (this.children?.first !== undefined);
    this.#failUnobserved();
    this.caught = this.own !== undefined && !this.failed;
    this.end();
    const awaited = this.#disposed || (this.#joiners?.size ?? 0) > 0;
    this.#joiners?.wakeAll();
    if (this.failed && !awaited) this.root.lateFailure(this.failure, this.parent, { known: true });
  }

  describe(): string {
    return `group '${this.path}'`;
  }
}

function ignore(): void {}

function callBlock(fn: (group: TaskGroup) => unknown, group: GroupNode): unknown {
  const given = fn(group);
  return promiseOf(given) ?? (isObject(given) ? new Promise((resolve) => resolve(given)) : given);
}

function runChild(child: Child): unknown {
  return child.run();
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
