/** Programs made of scripts: what each task does to the thing that is proved. */
import assert from "node:assert/strict";
import { currentTask, sleep, withTaskGroup, type Task } from "../../src/index.ts";
import type { Desk } from "./desk.ts";
import { History, type Shown } from "./history.ts";

/** What a task has at hand. */
export class Hands<T> {
  readonly thing: T;
  readonly task: string;
  readonly history: History;
  /** How it releases what it holds. */
  readonly held: (() => void)[] = [];
  /** How it released what it released last. */
  #released: (() => void) | undefined = undefined;
  #items = 0;

  constructor(thing: T, task: string, history: History) {
    this.thing = thing;
    this.task = task;
    this.history = history;
  }

  call<R>(name: string, args: readonly unknown[], fn: () => Promise<R>, shown?: Shown): Promise<R> {
    return this.history.call(this.task, name, args, fn, shown);
  }

  callInSteps<R>(name: string, args: readonly unknown[], fn: () => Promise<R>, shown?: Shown): Promise<R> {
    return this.history.callInSteps(this.task, name, args, fn, shown);
  }

  act<R>(name: string, args: readonly unknown[], fn: () => R, shown?: Shown): R | undefined {
    return this.history.act(this.task, name, args, fn, shown);
  }

  /** Releases what it got last. */
  release(): void {
    this.#released = this.held.pop();
    this.#released?.();
  }

  /** Releases once more what it released last. */
  releaseAgain(): void {
    this.#released?.();
  }

  /** Something that nobody else has: "a1", "a2". */
  item(): string {
    return `${this.task}${++this.#items}`;
  }
}

/** Something of which it is proved that it does what its desk says. */
export interface Subject<T> {
  readonly make: () => T;
  readonly desk: Desk<unknown>;
  /** The words of scripts. One that waits gives the promise of its call. */
  readonly words: Readonly<Record<string, (hands: Hands<T>) => unknown>>;
  /** Whether the end of a task is something that happens to it: recorded as a call `ended`. */
  readonly seesEnds?: boolean;
  /** What `statistics()` must be when every task has ended, on top of what the desk says. */
  readonly atRest: (thing: T) => void;
}

/**
 * Scripts by the names of tasks. Words with a space between have a place in between where others may come, with a `+`
 * none. A task that is cut, or at its end, releases what it holds; at the word `keep` it forgets what it holds.
 */
export type Scripts = Readonly<Record<string, string>>;

/** Runs the scripts side by side, until all is still; then everybody is cancelled, and the books are checked. Gives them. */
export async function trial<T>(subject: Subject<T>, scripts: Scripts): Promise<History> {
  const history = new History();
  const thing = subject.make();
  await withTaskGroup(async (group) => {
    for (const [name, script] of Object.entries(scripts)) {
      group.spawn(() => perform(subject, new Hands(thing, name, history), script), { name });
    }
    // Time goes on only when nothing else does.
    await sleep(still);
    history.close();
    group.cancel("all is still");
  });
  history.check(subject.desk);
  subject.atRest(thing);
  return history;
}

const still = 1_000_000;

async function perform<T>(subject: Subject<T>, hands: Hands<T>, script: string): Promise<void> {
  const task = currentTask()!;
  try {
    for (const words of script.split(" ")) {
      await Promise.resolve();
      hands.history.goesOn();
      for (const word of words.split("+")) {
        const waits = done(subject, hands, word);
        if (waits === undefined) continue;
        await waits.catch(passOver);
        hands.history.goesOn();
      }
    }
  } finally {
    hands.history.goesOn();
    for (const release of hands.held.splice(0)) release();
    if (subject.seesEnds === true) recordEnd(hands, task);
  }
}

/** What a call throws is in its history; but a task that is cut is at its end. */
function passOver(error: unknown): void {
  const { code } = Object(error) as { code?: unknown };
  if (typeof code !== "string" || !code.startsWith("TASKTREE_")) throw error;
}

function done<T>(subject: Subject<T>, hands: Hands<T>, word: string): Promise<unknown> | undefined {
  if (word === "keep") return void hands.held.splice(0);
  const does = subject.words[word];
  assert.ok(does !== undefined, `there is no word '${word}'`);
  const result = does(hands);
  return result instanceof Promise ? result : undefined;
}

function recordEnd<T>({ history, task: name }: Hands<T>, task: Task): void {
  const ending = history.begin(name, "ended");
  task.onEnd(() => history.end(ending, { gave: null }));
}
