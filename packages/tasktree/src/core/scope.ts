/**
 * The tree of scopes, and how a cancellation travels on it (rules C1, C2, C5, C8, C9, C11 of DESIGN.md).
 *
 * A cancellation is pushed: `cancel()` walks the subtree once and leaves on every node a {@link Force}, the sum of all
 * cancellations which that node can see. So a checkpoint asks one field, and a new node takes its parent's. What differs
 * from node to node is how far it has been *told*: the depth of the innermost cancellation that a throw has delivered
 * there. A later cancellation is delivered again exactly when it is deeper than that.
 *
 * Nothing here recurses: trees of 100,000 nested scopes are walked by their own links.
 */
import type { CancelWhy } from "../errors.ts";
import { LinkedList, type Linked } from "../internal/linked-list.ts";
import { checkDeadline, checkMilliseconds } from "./check.ts";
import { Alarm, type AlarmOwner } from "./clock.ts";
import { Frame, implicitRoot, type Locals } from "./current.ts";
import { beginDelivery, OwnForce, reach, sum, withCutoff, type Force } from "./force.ts";
import type { Root } from "./root.ts";
import { ScopeSignal, scheduleAborts } from "./signal-bridge.ts";
import { successor } from "./subtree.ts";
import type { TaskNode } from "./task.ts";
import type { Wait, WaitList } from "./wait-list.ts";

/** A cancel boundary: everything that runs inside is cancelled with it. */
export interface Scope {
  readonly name: string;
  /** Where it stands on the tree: the names from the root, joined by "/". */
  readonly path: string;
  /** Whether it was itself cancelled: by `cancel()`, its deadline, its signal or a failure. Never goes back. */
  readonly cancelRequested: boolean;
  /** Whether its own deadline cancelled it. */
  readonly deadlineReached: boolean;
  /** Whether, on leaving, it has absorbed its cancellation. */
  readonly caught: boolean;
  /** Whether it, or a scope around it, was asked to finish what it has and take no more. */
  readonly draining: boolean;
  /** Absolute, in milliseconds on the run's clock; Infinity for none. Setting a time that has passed cancels at once. */
  deadline: number;
  /** Aborted when the scope is cancelled, before its waits resume, with the {@link CancelledError} as `reason`. */
  readonly signal: AbortSignal;
  /** Cancels everything inside. The first reason stays. Synchronous; cannot throw; runs no user code before it returns. */
  cancel(reason?: unknown): void;
  /** Tells everything inside to finish what it has (servers stop accepting), and cancels after `ms` milliseconds. */
  drain(ms: number): void;
  /** Waits until {@link draining}, or until the scope has ended. Cancellation: Checkpoint, nothing lost. */
  waitDraining(): Promise<void>;
}

/** What makes a name only when somebody wants to know it. */
export interface Named {
  readonly name: string;
}

const ended = 1;
const hides = 2;
const hidesSomething = 4;
const abandoned = 8;
const reached = 16;
const absorbed = 32;
const drained = 64;
const justCut = 128;
const unshieldable = 256;
const cutWithin = 512;
const handedOut = 1024;
const ownGrace = 2048;

/** In the bits above: which kind of scope, by its place in the list. */
const kindShift = 12;
const kindBits = 7 << kindShift;
const kinds = ["root", "group", "task", "scope", "shield"] as const;
export type ScopeKind = (typeof kinds)[number];

const kindFlags: Readonly<Record<ScopeKind, number>> = {
  root: 0,
  group: 1 << kindShift,
  task: 2 << kindShift,
  scope: 3 << kindShift,
  shield: 4 << kindShift,
};

/** What few nodes need: there may be a million tasks. */
interface Rare {
  own: OwnForce | undefined;
  grace: number | undefined;
  bornTold: number;
  shield: number | "until cut-off" | undefined;
  signal: ScopeSignal | undefined;
  lateSignal: ScopeSignal | undefined;
  unlinkSignal: (() => void) | undefined;
  drainWaits: WaitList | undefined;
  failures: unknown[] | undefined;
  /** How often a checkpoint has thrown here after the cut-off. */
  throws: number;
  /** Called when the last child has left. */
  childless: (() => void) | undefined;
}

/** What a scope has alarms for. */
type Due = "deadline" | "cutoff" | "shieldEnd" | "drainEnd";

/** One of a scope's alarms; they are a list through their own fields, since most scopes have one or none. */
class ScopeAlarm extends Alarm {
  readonly due: Due;
  readonly other: ScopeAlarm | undefined;

  constructor(owner: AlarmOwner, due: Due, other: ScopeAlarm | undefined) {
    super(owner);
    this.due = due;
    this.other = other;
  }
}

export interface ScopeSettings {
  readonly grace?: number | undefined;
  /** Hides outer cancellations: for so many milliseconds of them, or (a service) until their cut-off. */
  readonly shield?: number | "until cut-off" | undefined;
}

export class ScopeNode implements Linked<ScopeNode>, AlarmOwner, Scope {
  prev: ScopeNode | undefined = undefined;
  next: ScopeNode | undefined = undefined;
  list: LinkedList<ScopeNode> | undefined = undefined;
  readonly parent: ScopeNode | undefined;
  readonly root: Root;
  /** How its code finds it. */
  readonly frame: Frame;
  readonly depth: number;
  label: string | Named | undefined;
  children: LinkedList<ScopeNode> | undefined = undefined;
  /** The sum of the cancellations that it sees. */
  force: Force | undefined = undefined;
  /** The depth of the innermost cancellation delivered here; -1 for none. */
  told = -1;
  /** The newest wait in progress. */
  waits: Wait | undefined = undefined;
  /** The promise of the call that opened it, to be kept from being reported when a cancellation rejects it. */
  handle: Promise<unknown> | undefined = undefined;
  #flags = 0;
  #alarms: ScopeAlarm | undefined = undefined;
  #rare: Rare | undefined = undefined;

  constructor(
    kind: ScopeKind,
    parent: ScopeNode | undefined,
    root: Root,
    locals: Locals | undefined,
    label: string | Named | undefined,
    settings?: ScopeSettings,
  ) {
    this.parent = parent;
    this.root = root;
    this.frame = new Frame(this, locals);
    this.label = label;
    this.#flags = kindFlags[kind];
    if (parent === undefined) {
      this.depth = 0;
      return;
    }
    this.depth = parent.depth + 1;
    parent.#flags |= handedOut;
    (parent.children ??= new LinkedList()).push(this);
    this.#flags |= parent.#flags & (hidesSomething | drained | abandoned | unshieldable | ownGrace);
    if (settings?.grace !== undefined) {
      this.#flags |= ownGrace;
      this.#need().grace = settings.grace;
    }
    if (settings?.shield !== undefined && (this.#flags & unshieldable) === 0) {
      this.#hide(settings.shield);
    } else if (parent.force !== undefined) {
      this.force = parent.force;
      if (parent.told >= parent.force.depth) this.#need().bornTold = this.told = parent.told;
    }
  }

  get kind(): ScopeKind {
    return kinds[(this.#flags & kindBits) >> kindShift]!;
  }

  /** How long its code may go on after a cancellation, in milliseconds: as the nearest one around says. */
  get grace(): number {
    if ((this.#flags & ownGrace) === 0) return this.root.grace;
    let node: ScopeNode = this;
    while (node.#rare?.grace === undefined) node = node.parent!;
    return node.#rare.grace;
  }

  /** The cancellation of this very scope. */
  get own(): OwnForce | undefined {
    return this.#rare?.own;
  }

  /** The depth of the innermost cancellation that had been delivered where it was opened; -1 for none. */
  get bornTold(): number {
    return this.#rare?.bornTold ?? -1;
  }

  get name(): string {
    const { label = this.kind } = this;
    return typeof label === "string" ? label : label.name;
  }

  /** The names on the way from the root; those of unnamed scopes and groups are left out. */
  get path(): string {
    const names: string[] = [];
    let climbed = 0;
    for (let node: ScopeNode | undefined = this; node !== undefined; node = node.parent) {
      if (node === this || (node.kind !== "root" && (node.kind === "task" || node.label !== undefined)))
        names.push(node.name);
      if (++climbed === 64 && node.parent !== undefined) {
        names.push("…");
        break;
      }
    }
    return names.toReversed().join("/");
  }

  /** The nearest enclosing task, itself included. */
  get task(): TaskNode | undefined {
    for (let node: ScopeNode | undefined = this; node !== undefined; node = node.parent) {
      if ((node.#flags & kindBits) === kindFlags.task) return node as unknown as TaskNode;
    }
    return undefined;
  }

  isInside(other: ScopeNode): boolean {
    let node: ScopeNode | undefined = this;
    while (node !== undefined && node.depth > other.depth) node = node.parent;
    return node === other;
  }

  // --- state

  get ended(): boolean {
    return (this.#flags & ended) !== 0;
  }

  get abandoned(): boolean {
    return (this.#flags & abandoned) !== 0;
  }

  get hides(): boolean {
    return (this.#flags & hides) !== 0;
  }

  /** When it stops to hide what it hides; Infinity if it never does, or hides nothing yet. */
  get shieldEnd(): number {
    return this.#alarm("shieldEnd")?.deadline ?? Infinity;
  }

  get cancelRequested(): boolean {
    return this.own !== undefined;
  }

  get deadlineReached(): boolean {
    return (this.#flags & reached) !== 0;
  }

  get caught(): boolean {
    return (this.#flags & absorbed) !== 0;
  }

  set caught(value: boolean) {
    if (value) this.#flags |= absorbed;
  }

  get draining(): boolean {
    return (this.#flags & drained) !== 0;
  }

  /** Whether it is on its way out, and its checkpoints work until the cut-off. */
  get unwinding(): boolean {
    return this.force !== undefined && this.told >= this.force.depth && this.root.clock.now() < this.force.cutoff;
  }

  /** Whether a cancellation is in force that was not yet when it was opened, or whose grace is over. */
  get freshlyCut(): boolean {
    const force = this.force;
    return force !== undefined && (force.depth > this.bornTold || this.root.clock.now() >= force.cutoff);
  }

  /** Whether a throw has delivered a cancellation that reaches this scope, here or to something inside. */
  get wasCut(): boolean {
    return (this.#flags & cutWithin) !== 0;
  }

  /** Whether a scope around it is cancelled, visibly and since it was opened: what it has is not wanted any more. */
  get cutFromOutside(): boolean {
    // Its own cancellation makes nothing new of that under which it was opened.
    const outer = this.own === undefined ? this.force : this.parent?.force;
    if (outer === undefined || outer.outermost === this) return false;
    return outer.depth > this.bornTold || this.root.clock.now() >= outer.cutoff;
  }

  /** Somebody has it now, or a place in it, and may look at it or cancel it at any time. */
  handOut(): this {
    this.#flags |= handedOut;
    return this;
  }

  get isHandedOut(): boolean {
    return (this.#flags & handedOut) !== 0;
  }

  /** Whether nobody has it, nothing runs in it, and nothing was done to it: who comes next would not find a trace. */
  get pristine(): boolean {
    return (
      !this.isHandedOut &&
      this.force === undefined &&
      this.waits === undefined &&
      this.#alarms === undefined &&
      this.#rare === undefined
    );
  }

  // --- cancelling

  cancel(reason?: unknown): void {
    this.cancelAs("explicit", reason);
  }

  cancelAs(why: CancelWhy, reason?: unknown): void {
    // The root of what runs outside of any run is nobody's to cancel.
    if (this.own !== undefined || this.ended || (this.parent === undefined && this.root.implicit)) return;
    const now = this.root.clock.now();
    const cutoff = now + this.grace;
    const own = (this.#need().own = new OwnForce(this, why, reason, cutoff));
    this.root.clock.steps++;
    this.root.instruments?.scopeCancelled(this, own.error);
    reach(this, own, now);
    if (cutoff === Infinity) return;
    this.root.clock.set(this.#alarmFor("cutoff"), cutoff);
  }

  /** A failure that no block or child threw: of an abort listener, of a promise nobody awaited. */
  noteFailure(error: unknown): void {
    this.root.report(error, this);
    (this.#need().failures ??= []).push(error);
    this.cancelAs("sibling failed", error);
  }

  /** Whether it was told of its own cancellation and went on as if nothing had been. */
  get swallowed(): boolean {
    return this.own !== undefined && this.told >= this.depth && this.bornTold < this.depth;
  }

  /** What {@link noteFailure} has noted; undefined for nothing. */
  takeFailures(): unknown[] | undefined {
    const rare = this.#rare;
    const failures = rare?.failures;
    if (failures !== undefined) rare!.failures = undefined;
    return failures;
  }

  /** Counts a throw after the cut-off. */
  countThrow(): number {
    return ++this.#need().throws;
  }

  /** A throw has delivered what is in force. */
  tell(): void {
    if (this.force === undefined || this.told >= this.force.depth) return;
    this.told = this.force.depth;
    // Up to the first that knows: each node is marked once, however deep the tree.
    for (let node: ScopeNode = this; node.force !== undefined && !node.wasCut && node.parent !== undefined;) {
      node.#flags |= cutWithin;
      node = node.parent;
    }
  }

  /** Adds `force` to what is in force here, and delivers it if it is news. */
  receive(force: Force, now: number): void {
    if (this.abandoned) return;
    this.force = sum(this.force, force);
    const news = force.depth > this.told;
    const late = this.force.cutoff <= now;
    if (!news && !late) return;
    this.#rare?.signal?.abort(this.force.error);
    this.#rare?.lateSignal?.abort(this.force.error);
    if (this.waits !== undefined) beginDelivery(this.root);
    if (this.#cutWaits(late)) this.#markCut();
    if ((this.#flags & justCut) !== 0) this.tell();
  }

  /** Until the waiter resumes, what is cancelled too is covered by the same throw. */
  #markCut(): void {
    if ((this.#flags & justCut) !== 0) return;
    this.#flags |= justCut;
    this.root.justCut.push(this);
  }

  /** What was cut here resumes: what comes now is another delivery. */
  waiterResumes(): void {
    this.#flags &= ~justCut;
  }

  /** Cuts what waits here; tells whether anything did. Cleanup that may finish its wait is cut at the cut-off alone. */
  #cutWaits(late: boolean): boolean {
    let cut = false;
    for (let wait = this.waits; wait !== undefined;) {
      const older: Wait | undefined = wait.older;
      if (late || !wait.exempt) {
        cut = true;
        wait.cut(this.force!.error);
      }
      // Where the owner of its line has woken the older one too, that leads nowhere: begin anew, what was cut is gone.
      wait = older === undefined || older.node === this ? older : this.waits;
    }
    return cut;
  }

  ring({ due }: ScopeAlarm): void {
    if (due === "deadline") {
      this.#reachDeadline();
    } else if (due === "drainEnd") {
      this.#drainIsOver();
    } else if (due === "shieldEnd") {
      this.dissolve();
    } else {
      reach(this, this.own!, this.root.clock.now());
      this.root.graceIsOver(this);
    }
  }

  #alarm(due: Due): ScopeAlarm | undefined {
    let alarm = this.#alarms;
    while (alarm !== undefined && alarm.due !== due) alarm = alarm.other;
    return alarm;
  }

  #alarmFor(due: Due): ScopeAlarm {
    return this.#alarm(due) ?? (this.#alarms = new ScopeAlarm(this, due, this.#alarms));
  }

  // --- deadlines

  get deadline(): number {
    return this.#alarm("deadline")?.deadline ?? Infinity;
  }

  set deadline(deadline: number) {
    checkDeadline(deadline, this);
    if (!this.ended) this.setDeadline(deadline, this.root.clock.now());
  }

  /** Where the time is known: a look at the clock is a part of what a timeout costs. */
  setDeadline(deadline: number, now: number): void {
    const alarm = this.#alarmFor("deadline");
    if (deadline > now) {
      this.root.clock.set(alarm, deadline);
    } else {
      this.root.clock.clear(alarm);
      alarm.deadline = deadline;
      this.#reachDeadline();
    }
  }

  #reachDeadline(): void {
    if (this.own !== undefined || this.ended) return;
    this.#flags |= reached;
    this.cancelAs("deadline");
  }

  // --- shields

  #hide(shield: number | "until cut-off"): void {
    this.#flags |= hides;
    this.#need().shield = shield;
    const outer = this.parent!.force;
    if (outer !== undefined || (shield !== "until cut-off" && (this.#flags & hidesSomething) !== 0))
      this.#hidden(outer?.cutoff ?? Infinity);
  }

  /** For a task that has become a service: hides outer cancellations from now on, unless one has reached it. */
  hideUntilCutoff(): void {
    if (this.force === undefined && (this.#flags & unshieldable) === 0) this.#hide("until cut-off");
  }

  /** Something is hidden here; the shield's time begins, unless it has. */
  #hidden(cutoff: number): void {
    this.#flags |= hidesSomething;
    if (!this.hides) return;
    const rare = this.#rare!;
    const { clock } = this.root;
    const end = rare.shield === "until cut-off" ? cutoff : clock.now() + rare.shield!;
    if (this.shieldEnd <= end) return;
    if (end > clock.now()) clock.set(this.#alarmFor("shieldEnd"), end);
    else this.dissolve();
  }

  /** Tells this shield, and those inside, what they hide. A service inside another shield is not concerned. */
  hideBelow(cutoff: number): void {
    this.#hidden(cutoff);
    for (let node = successor(this, this); node !== undefined; node = successor(node, this)) {
      if (node.#rare?.shield === "until cut-off") node.#flags |= hidesSomething;
      else node.#hidden(cutoff);
    }
  }

  /** Ends a shield and those inside, also later ones: what was hidden is delivered, and the grace for that is over. */
  dissolve(): void {
    if (!this.hides) return;
    this.#flags &= ~hides;
    if (!this.#isService) this.#endShieldsBelow();
    let force: Force | undefined;
    for (let node = this.parent; node !== undefined; node = node.parent) {
      if (node.own !== undefined) force = sum(force, node.own);
      // What a service around hides until the cut-off stays hidden from its own shields.
      if (node.hides && node.#isService) break;
    }
    if (force === undefined) return;
    const now = this.root.clock.now();
    reach(this, withCutoff(force, Math.min(force.cutoff, now)), now);
  }

  get #isService(): boolean {
    return this.#rare?.shield === "until cut-off";
  }

  #endShieldsBelow(): void {
    for (let node: ScopeNode | undefined = this; node !== undefined; node = successor(node, this)) {
      node.#flags |= unshieldable;
      if (!node.#isService) node.#flags &= ~hides;
    }
  }

  // --- draining

  drain(ms: number): void {
    checkMilliseconds("drain", ms, this);
    if (this.ended || this.own !== undefined || (this.parent === undefined && this.root.implicit)) return;
    for (let node: ScopeNode | undefined = this; node !== undefined; node = successor(node, this)) {
      node.#flags |= drained;
      node.#rare?.drainWaits?.wakeAll();
    }
    if (ms <= 0) return this.#drainIsOver();
    const alarm = this.#alarmFor("drainEnd");
    const end = this.root.clock.now() + ms;
    // A second call may shorten the time that the first has given, not lengthen it.
    if (end < alarm.deadline) this.root.clock.set(alarm, end);
  }

  #drainIsOver(): void {
    this.cancelAs(this.parent === undefined ? "shutdown" : "explicit");
  }

  waitDraining(): Promise<void> {
    return this.root.waitDraining(this);
  }

  /** Who waits for a `drain()` here. */
  get drainWaits(): WaitList | undefined {
    return this.#rare?.drainWaits;
  }

  set drainWaits(waits: WaitList | undefined) {
    this.#need().drainWaits = waits;
  }

  // --- signals

  get signal(): AbortSignal {
    const rare = this.#need();
    if (rare.signal === undefined) {
      rare.signal = new ScopeSignal(this);
      if (this.freshlyCut) rare.signal.abortNow(this.force!.error);
    }
    return rare.signal.signal;
  }

  /** The signal for what is started now: while unwinding one that aborts at the cut-off. */
  get workSignal(): AbortSignal {
    if (!this.unwinding) return this.signal;
    const rare = this.#need();
    if (rare.lateSignal === undefined || !rare.lateSignal.open) rare.lateSignal = new ScopeSignal(this);
    return rare.lateSignal.signal;
  }

  /** Keeps what undoes the link to a foreign signal. */
  linked(unlink: () => void): void {
    this.#need().unlinkSignal = unlink;
  }

  // --- ending

  /** Cancels and awaits what was opened inside and is still there; undefined where there is nothing. */
  closeChildren(): Promise<void> | undefined {
    const children = this.children;
    if (children === undefined || children.first === undefined) return undefined;
    for (const child of children) this.closeChild(child);
    return new Promise((resolve) => {
      this.#need().childless = resolve;
    });
  }

  closeChild(child: ScopeNode): void {
    if (child.freshlyCut) return; // told anew, its cleanup would be cut
    const message = `'${this.path}' ended before '${child.path}', which was opened inside and not awaited: it is cancelled`;
    this.root.instruments?.warning(message, child);
    child.cancelAs("parent", "the scope around it has ended");
  }

  /** Takes the node off the tree. Waits that somebody left behind go on in the scope around. */
  end(): void {
    this.#flags |= ended;
    const rare = this.#rare;
    this.#clearAlarms();
    if (rare !== undefined) {
      rare.unlinkSignal?.();
      rare.signal?.close();
      rare.lateSignal?.close();
      rare.drainWaits?.wakeAll();
    }
    const parent = this.parent;
    if (parent === undefined) return;
    if (this.waits !== undefined) this.#leaveWaits(parent.living());
    this.list?.remove(this);
    parent.childLeft();
  }

  #clearAlarms(): void {
    for (let alarm = this.#alarms; alarm !== undefined; alarm = alarm.other) this.root.clock.clear(alarm);
  }

  /** A child has left the tree. */
  childLeft(): void {
    const childless = this.#rare?.childless;
    if (childless === undefined) return;
    if (this.children!.size === 0) childless();
    else this.closeNewcomers();
  }

  /** Closes what code that was left behind has opened since the others were closed. Tasks are waited for. */
  closeNewcomers(): void {
    const newcomers: ScopeNode[] = [];
    for (let child = this.children!.last; child !== undefined; child = child.prev) {
      if (child.kind === "task") continue;
      if (child.freshlyCut) break;
      newcomers.push(child);
    }
    for (const child of newcomers.toReversed()) this.closeChild(child);
  }

  #leaveWaits(heir: ScopeNode): void {
    for (let wait = this.waits; wait !== undefined; wait = this.waits) {
      const cut = this.force !== undefined && this.root.clock.now() >= this.force.cutoff;
      wait.leave();
      wait.enter(heir);
      if (cut) wait.cut(this.force!.error);
    }
  }

  /** Who counts for code that this ended scope has left behind. */
  heir(): ScopeNode {
    const heir = this.living();
    this.root.instruments?.warning(
      `Code of '${this.path}' runs on after its end: it counts as part of '${heir.path}'`,
      this,
    );
    return heir;
  }

  /** Itself, or the nearest ancestor that has not ended. */
  living(): ScopeNode {
    let node: ScopeNode = this;
    while (node.ended && node.parent !== undefined) node = node.parent;
    return node.ended ? implicitRoot() : node;
  }

  /** Gives up this node and everything inside: its checkpoints throw `error` from now on. */
  abandon(error: unknown): void {
    scheduleAborts();
    const force: Force = { outermost: this, error, depth: Infinity, cutoff: -Infinity };
    for (let node: ScopeNode | undefined = this; node !== undefined; node = successor(node, this)) {
      node.#flags = (node.#flags | abandoned | unshieldable) & ~hides;
      node.force = force;
      node.#rare?.signal?.abort(error);
      node.#rare?.lateSignal?.abort(error);
      node.#cutWaits(true);
      node.#clearAlarms();
    }
  }

  #need(): Rare {
    return (this.#rare ??= {
      own: undefined,
      grace: undefined,
      bornTold: -1,
      shield: undefined,
      signal: undefined,
      lateSignal: undefined,
      unlinkSignal: undefined,
      drainWaits: undefined,
      failures: undefined,
      throws: 0,
      childless: undefined,
    });
  }
}
