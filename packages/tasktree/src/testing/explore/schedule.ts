/** One schedule: a run of the program in which nothing goes on unless a strategy has chosen it. */
import { Alarm, type Clock, type ClockDriver } from "../../core/clock.ts";
import { currentFrame, here, inHostContext, type Frame } from "../../core/current.ts";
import { deadlockReport, tasksOf } from "../../core/dump.ts";
import type { Root } from "../../core/root.ts";
import { run } from "../../core/run.ts";
import type { Task, TaskNode } from "../../core/task.ts";
import { DeadlockError, InjectedError, InvalidStateError } from "../../errors.ts";
import { VirtualClock } from "../virtual-clock.ts";
import { afterMicrotasks, follow, react } from "./await-hook.ts";
import type { Choice, ChoicePoint, Footprint, Option, Strategy } from "./choices.ts";
import { Footprints } from "./footprints.ts";
import type { Injections } from "./injections.ts";
import type { Keys } from "./keys.ts";
import { Strands, type Strand } from "./strands.ts";
import type { Site, Trace } from "./trace.ts";

/** How many turns of the event loop in which nothing happens mean that nothing will. */
const quietTurns = 3;
/** How long real I/O may be silent, in milliseconds. */
const longestIo = 10_000;

export interface ScheduleSettings {
  readonly strategy: Strategy;
  readonly keys: Keys;
  readonly injections: Injections;
  readonly maxSteps: number;
  /** Whether nothing is shared but what is tracked, so that steps can be told to be independent. */
  readonly onlyTracked: boolean;
  readonly lostUpdates: "fail" | "allow";
  readonly trace: Trace | undefined;
  /** Whether the process waits for something real. */
  readonly ioPending: () => boolean;
}

/** How a schedule has ended. */
export interface Ended {
  readonly status: "passed" | "failed";
  /** Whether one like it has been tried. */
  readonly isRedundant: boolean;
  readonly error: unknown;
  /** The choices among several options. */
  readonly choices: readonly Choice[];
  readonly steps: number;
  readonly cancellations: number;
  /** Equal for schedules in which the same happened in the same order. */
  readonly hash: number;
}

/** A continuation that waits for its turn. */
interface Step {
  readonly key: number;
  readonly task: Task | undefined;
  strand: Strand | undefined;
  resume: (() => void) | undefined;
  /** Where its code goes on, if a trace is wanted. */
  readonly site: Site | undefined;
}

/** What can be done next, and how. */
interface Move extends Option {
  readonly take: () => void;
}

export class Schedule implements ClockDriver {
  readonly #time = new VirtualClock({ autoJump: false });
  readonly #settings: ScheduleSettings;
  readonly #strands = new Strands();
  #root: Root | undefined = undefined;
  #ready: Step[] = [];
  /** The first that has become so since the last move. */
  #readied: Step | undefined = undefined;
  /** Those that came to wait since the last move. */
  #parked: Step[] = [];
  readonly #choices: Choice[] = [];
  #strand: Strand | undefined = undefined;
  /** What has happened last, as a key, and how much has since. */
  #event = 0;
  #consequences = 0;
  #moves = 0;
  #hash = 0x811c9dc5;
  readonly #footprints: Footprints;
  #cancellations = 0;
  #delays = 0;
  #failures = 0;
  #settled: { readonly error: unknown; readonly ok: boolean } | undefined = undefined;
  /** One like it has been tried: it is let go on to its end. */
  #redundant = false;
  /** The strategy does not recognise the program. */
  #broken: { readonly error: unknown } | undefined = undefined;
  #violation: { readonly error: unknown } | undefined = undefined;
  /** Nothing runs: what becomes ready now has to order the next move. */
  #idle = false;
  /** How often it has been idle: tells whether it still is the same time. */
  #pauses = 0;
  #over = false;
  #unwinding = false;
  #silence = 0;
  #silentSince = 0;
  #end!: (ended: Ended) => void;
  #reject!: (error: unknown) => void;

  constructor(settings: ScheduleSettings) {
    this.#settings = settings;
    this.#footprints = new Footprints(settings.keys, settings.onlyTracked);
  }

  get virtualClock(): VirtualClock {
    return this.#time;
  }

  /** Runs `program` from its start to its end. */
  run(program: () => unknown): Promise<Ended> {
    return new Promise((resolve, reject) => {
      this.#end = resolve;
      this.#reject = reject;
      inHostContext(() => {
        const begun = run(() => this.#begin(program), { clock: this, host: false });
        react(
          begun,
          () => this.#settle(true, undefined),
          (error) => this.#settle(false, error),
        );
        afterMicrotasks(this.#next);
      });
    });
  }

  #begin(program: () => unknown): unknown {
    this.#root = here().root;
    return program();
  }

  #settle(ok: boolean, error: unknown): void {
    this.#settled = { ok, error };
    this.#wakeUp();
  }

  // --- what the program does

  /** Whether code with this frame belongs to the program. */
  covers(frame: Frame | undefined): boolean {
    return frame !== undefined && !this.#over && frame.node.root === this.#root;
  }

  /** An await: what the awaiter is to wait for in place of `promise`. */
  park(promise: Promise<unknown>, frame: Frame): Promise<unknown> {
    const { keys, trace } = this.#settings;
    const key = keys.of(this.#event, "await", this.#consequences++);
    const step: Step = { key, task: frame.node.task, strand: undefined, resume: undefined, site: trace?.site() };
    this.#parked.push(step);
    return new Promise((resolve, reject) => {
      react(
        promise,
        (value) => this.#becameReady(step, () => resolve(value)),
        (error) => this.#becameReady(step, () => reject(error)),
      );
    });
  }

  #becameReady(step: Step, resume: () => void): void {
    step.resume = resume;
    this.#ready.push(step);
    this.#readied ??= step;
    this.#footprints.readied(step.key);
    this.#wakeUp();
  }

  /** Something has come from outside, while no step ran. */
  #wakeUp(): void {
    if (!this.#idle) return;
    this.#idle = false;
    this.#silence = 0;
    this.#strand = undefined;
    // What the schedule orders itself must not look like the program's.
    inHostContext(() => afterMicrotasks(this.#next));
  }

  /** Which one of several, in the middle of a step. */
  draw(count: number): number {
    if (count < 2 || !this.covers(currentFrame())) return 0;
    return this.#drawn(
      Array.from({ length: count }, (_, index) => this.#option("draw", index)),
      count,
    );
  }

  /** Throws, in the schedules in which it is to. */
  failpoint(name: string): void {
    if (this.#failures >= this.#settings.injections.failures || !this.covers(currentFrame())) return;
    if (this.#drawn([this.#option("draw", 0), this.#option("fail", 1)], 1) === 0) return;
    this.#failures++;
    this.#settings.trace?.note(this.strand, `failpoint '${name}' throws`);
    throw new InjectedError(`Injected at failpoint '${name}'`);
  }

  #drawn(options: readonly Option[], natural: number): number {
    const index = this.#choose({ options, natural });
    this.#footprints.blur();
    this.#tellStrategy(undefined);
    return index;
  }

  /** `thing` may be used in every step until `promise` has settled; gives that promise. */
  during<T>(thing: object, promise: Promise<T>): Promise<T> {
    const over = this.#footprints.during(thing, this.#event, this.#nextConsequence);
    return follow(promise, over);
  }

  /** Something shared was made, read or written. */
  accessed(thing: object, access: "made" | "read" | "write"): void {
    this.#footprints.accessed(thing, access, this.#event, this.#nextConsequence);
  }

  /** A line of waiters was made, looked at or changed. */
  usedLine(line: object, isNew: boolean): void {
    this.#footprints.usedLine(line, isNew, this.#event, this.#nextConsequence);
  }

  readonly #nextConsequence = (): number => this.#consequences++;

  /** How many moves were made: tells whether two things happened in one step. */
  get moves(): number {
    return this.#moves;
  }

  /** The strand that runs. */
  get strand(): Strand | undefined {
    return this.#strands.running(currentFrame()?.node.task, this.#strand, this.#moves);
  }

  lostUpdate(error: Error): void {
    if (this.#settings.lostUpdates === "fail") this.violated(error);
  }

  /** Something is wrong that the program cannot see: fails the schedule once it has ended. */
  violated(error: unknown): void {
    this.#violation ??= { error };
  }

  // --- move after move

  readonly #next = (): void => this.#guarded(() => this.#goOn());

  /** Ends it with what a strategy throws that does not recognise the program, or what the caller has given us to call. */
  #guarded(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#over = true;
      this.#reject(error);
    }
  }

  #goOn(): void {
    this.#strands.assign(this.#parked, this.#strand, this.#moves, this.#readied);
    this.#readied = undefined;
    this.#parked = [];
    this.#tellStrategy(this.#footprints.end(this.#kernelSteps));
    if (this.#ready.length === 0) this.#nothingReady();
    else if (this.#settled !== undefined) this.#take(this.#steps()[0]!);
    else if (this.#moves < this.#settings.maxSteps) this.#move(this.#steps());
    else this.#tooLong();
  }

  #tellStrategy(footprint: Footprint): void {
    if (!this.#redundant) this.#settings.strategy.touched(footprint);
  }

  #move(natural: readonly Move[]): void {
    const moves = [...natural, ...this.#injected()];
    const index = this.#choose({ options: moves, natural: natural.length });
    if (this.#broken !== undefined) throw this.#broken.error;
    this.#take(moves[index]!);
  }

  #choose(point: ChoicePoint): number {
    const { options } = point;
    const index = this.#chosen(point);
    if (options.length > 1) this.#choices.push({ index, count: options.length });
    this.#hash = Math.imul(this.#hash ^ (index + 1 + 31 * options.length), 0x01000193);
    this.#event = options[index]!.key;
    this.#consequences = 0;
    return index;
  }

  #chosen(point: ChoicePoint): number {
    // A redundant schedule goes on as it would by itself: what it has begun is cleaned up, and what fails in it is a failure.
    if (this.#redundant || this.#broken !== undefined) return 0;
    try {
      const index = this.#settings.strategy.choose(point);
      this.#redundant = index < 0;
      return Math.max(index, 0);
    } catch (error) {
      // In the middle of a step an error of the strategy's is none of the program's.
      this.#broken = { error };
      return 0;
    }
  }

  #take(move: Move): void {
    this.#moves++;
    this.#silence = 0;
    this.#footprints.begin(this.#kernelSteps);
    move.take();
    afterMicrotasks(this.#next);
  }

  /** How much tasktree has done. */
  get #kernelSteps(): number {
    return this.#root?.clock.steps ?? 0;
  }

  #option(kind: Option["kind"], index: number, strand = 0): Option {
    return { kind, key: this.#settings.keys.of(this.#event, kind, index), strand };
  }

  /** The continuations that are ready, in the order in which they came: the first is what would go on unexplored. */
  #steps(): Move[] {
    return this.#ready.map((step) => ({
      kind: "step",
      key: step.key,
      strand: step.strand?.id ?? 0,
      take: () => this.#resume(step),
    }));
  }

  #resume(step: Step): void {
    this.#ready.splice(this.#ready.indexOf(step), 1);
    this.#strand = step.strand;
    this.#settings.trace?.resumed(step.strand, step.site);
    step.resume!();
  }

  /** What may be done to the program now. */
  #injected(): Move[] {
    const { cancellations, cancels, delays, delayMs } = this.#settings.injections;
    const moves: Move[] = [];
    if (this.#cancellations < cancellations) {
      for (const [place, task] of [...tasksOf(this.#root!)].entries()) {
        if (task.own !== undefined || !cancels(task)) continue;
        moves.push({ ...this.#option("cancel", place), take: () => this.#cancel(task) });
      }
    }
    if (this.#delays < delays) {
      for (const step of this.#ready) {
        const option: Option = { kind: "delay", key: this.#settings.keys.of(step.key, "delay", 0), strand: 0 };
        moves.push({ ...option, take: () => this.#delay(step, delayMs) });
      }
    }
    return moves;
  }

  #cancel(task: TaskNode): void {
    this.#cancellations++;
    this.#footprints.blur();
    this.#settings.trace?.note(this.#strands.running(task, this.#strand, this.#moves), "is cancelled");
    task.cancelAs("explicit", "explored");
  }

  #delay(step: Step, ms: number): void {
    this.#delays++;
    this.#footprints.blur();
    this.#settings.trace?.note(step.strand, `is delayed by ${ms} ms`);
    this.#ready.splice(this.#ready.indexOf(step), 1);
    const { clock } = this.#root!;
    clock.set(new Alarm({ ring: () => this.#ready.push(step) }), clock.now() + ms);
  }

  // --- nothing is ready

  #nothingReady(): void {
    if (this.#settled !== undefined) return this.#finish(this.#settled.ok ? "passed" : "failed", this.#settled.error);
    // A turn of the event loop first: what was ordered with setImmediate does not wait for time to move.
    if (this.#silence > 0 && this.#timeMayMove) {
      if (this.#moves >= this.#settings.maxSteps) return this.#tooLong();
      return this.#move([{ ...this.#option("time", 0), take: () => this.#jump() }]);
    }
    if (this.#silence === 0) this.#silentSince = performance.now();
    this.#pause();
  }

  /** Gives a turn to the event loop. */
  #pause(): void {
    this.#idle = true;
    const pause = ++this.#pauses;
    const { steps } = this.#time;
    setImmediate(() => afterMicrotasks(() => this.#guarded(() => this.#listen(pause, steps))));
  }

  #listen(pause: number, steps: number): void {
    if (!this.#idle || pause !== this.#pauses) return;
    this.#idle = false;
    const isPatient = this.#isPatient;
    // Callbacks of setImmediate have run, and may have ordered others: no silence, though nothing awaits.
    if (this.#time.steps !== steps && isPatient) this.#pause();
    else if (++this.#silence < quietTurns || this.#timeMayMove || (isPatient && this.#settings.ioPending()))
      this.#nothingReady();
    else this.#deadlock();
  }

  get #isPatient(): boolean {
    return performance.now() - this.#silentSince < longestIo;
  }

  /** Whether something is due at a time, and no I/O is waited for. */
  get #timeMayMove(): boolean {
    const isEnding = this.#root?.node.children?.first === undefined;
    return !isEnding && this.#time.nextTick !== Infinity && !(this.#isPatient && this.#settings.ioPending());
  }

  #jump(): void {
    this.#strand = undefined;
    this.#footprints.blur();
    this.#time.jumpTo(this.#time.nextTick);
    this.#settings.trace?.note(undefined, `it is ${this.#time.now()} ms`);
  }

  #deadlock(): void {
    const root = this.#root!;
    // Twice: what was cancelled does not end either.
    if (this.#violation?.error instanceof DeadlockError) return this.#finish("failed", this.#violation.error);
    const report = deadlockReport(root);
    this.violated(new DeadlockError(`Deadlock: nothing can wake what still waits\n${report}`, { report }));
    this.#silence = 0;
    root.node.cancelAs("deadlock");
    afterMicrotasks(this.#next);
  }

  /** Fails it, and cancels what runs, so that it can clean up; if it does not end then either, it is given up. */
  #tooLong(): void {
    const { maxSteps } = this.#settings;
    if (this.#moves >= 2 * maxSteps || this.#root === undefined) return this.#finish("failed", this.#violation?.error);
    if (!this.#unwinding) {
      this.#unwinding = true;
      this.#redundant = true;
      this.violated(new InvalidStateError(`Cannot explore: a schedule did not end within ${maxSteps} steps`));
      this.#root.node.cancelAs("shutdown");
    }
    if (this.#ready.length > 0) this.#take(this.#steps()[0]!);
    else this.#jumpOrEnd();
  }

  #jumpOrEnd(): void {
    if (this.#time.nextTick === Infinity) return this.#finish("failed", this.#violation?.error);
    this.#take({ ...this.#option("time", 0), take: () => this.#jump() });
  }

  #finish(status: "passed" | "failed", error: unknown): void {
    this.#over = true;
    this.#ready = [];
    const failed = this.#violation !== undefined;
    this.#end({
      status: failed ? "failed" : status,
      isRedundant: this.#redundant && !this.#unwinding,
      error: failed ? this.#violation!.error : error,
      choices: this.#choices,
      steps: this.#moves,
      cancellations: this.#cancellations,
      hash: this.#hash,
    });
  }

  // --- the clock of the run

  now(): number {
    this.#footprints.asked();
    return this.#time.now();
  }

  arm(tick: number, clock: Clock): void {
    this.#time.arm(tick, clock);
  }

  hold(): void {
    this.#time.hold();
  }

  /** The strategy says whose turn it is. */
  turnIsOver(): boolean {
    this.#footprints.asked();
    return false;
  }

  newTurn(): void {}
}
