/**
 * Strands: the threads of control that a program has without saying so. Each continuation belongs to one.
 *
 * A task is one strand for as long as its code waits at one place at a time. Plain async functions that are called and not
 * awaited are strands too; the language doesn't tell which continuation is whose, so they are told apart by what is sure: of the
 * awaits that a step has come to, the last is that of the code which was resumed (or of the one that waits for it), since what
 * it has called came to its own await before.
 */
import type { Task } from "../../core/task.ts";

export class Strand {
  readonly id: number;
  readonly task: Task | undefined;
  /** Whether it is the first of its task. */
  readonly isFirst: boolean;
  /** The strand that has started it, and in which step. */
  readonly parent: Strand | undefined;
  readonly bornIn: number;
  /** The strand that went on when its code had come to its end, with what that gave. */
  endedInto: Strand | undefined = undefined;

  constructor(id: number, task: Task | undefined, parent: Strand | undefined, bornIn: number) {
    this.id = id;
    this.task = task;
    this.parent = parent;
    this.isFirst = parent?.task !== task;
    this.bornIn = bornIn;
  }
}

/** A continuation, as far as strands go. */
interface Continuation {
  readonly task: Task | undefined;
  strand: Strand | undefined;
}

export class Strands {
  #count = 0;
  readonly #first = new Map<Task, Strand>();

  /** The strand of what runs now in `task`, in a step of `current`. */
  running(task: Task | undefined, current: Strand | undefined, step: number): Strand | undefined {
    if (task === undefined || task === current?.task) return current;
    return this.#firstOf(task, current, step);
  }

  /**
   * Gives their strands to the continuations that a step has left, in the order in which they came. Of those that wait, `next`
   * is the first that the step has made ready.
   */
  assign(
    left: readonly Continuation[],
    current: Strand | undefined,
    step: number,
    next: Continuation | undefined,
  ): void {
    const continued = new Set<Strand>();
    for (const one of left.toReversed()) {
      const running = this.running(one.task, current, step);
      const goesOn = running !== undefined && running.task === one.task && !continued.has(running);
      // One that began before and is not the one that ran waits elsewhere already.
      const mayGoOn = goesOn && (running === current || running.bornIn === step);
      one.strand = mayGoOn ? running : new Strand(++this.#count, one.task, running, step);
      continued.add(one.strand);
    }
    if (current !== undefined && !continued.has(current)) current.endedInto = next?.strand;
  }

  #firstOf(task: Task, parent: Strand | undefined, step: number): Strand {
    let strand = this.#first.get(task);
    if (strand === undefined) this.#first.set(task, (strand = new Strand(++this.#count, task, parent, step)));
    return strand;
  }
}
