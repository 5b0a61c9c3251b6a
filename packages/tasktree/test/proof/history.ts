/** What calls were made in a schedule, and what came of them. */
import { isCancelled } from "../../src/index.ts";
import { tracked } from "../../src/testing/index.ts";
import { modelOf, partsOf, type Desk, type Outcome } from "./desk.ts";
import { explanation } from "./linearizable.ts";

interface Entry {
  readonly task: string;
  readonly name: string;
  readonly args: readonly unknown[];
  readonly begin: number;
  readonly step: number;
  settlesAtOnce: boolean;
  heard: number;
  end: number;
  /** Whether the code of some task has gone on in between. */
  isLong: boolean;
  outcome: Outcome | undefined;
}

/** What a value looks like in a model. */
export type Shown = (value: unknown) => unknown;

const asItIs: Shown = (value) => value;

/**
 * Records calls. An end is stamped in the step in which the call's promise settles, not in that in which its caller goes on: that
 * is the strictest reading of "this had ended before that began".
 *
 * With `shares: "tracked"` two steps count as independent if they touch nothing in common. Each step that stamps something
 * touches the one cell, so all orders of stamps are tried; what a primitive does elsewhere than in a recorded call must be
 * seen by other means (a `WaitList`), else explore without that option.
 */
export class History {
  readonly #entries: Entry[] = [];
  /** Written in each step in which a call begins or ends. */
  readonly #cell = tracked({ stamp: 0 });
  #clock = 0;
  #step = 0;
  #isClosed = false;

  /** The code of a task goes on. */
  goesOn(): void {
    this.#step++;
  }

  /** Calls something that may wait. The promise is its own: no step is added. It settles in the step that decides it. */
  call<T>(task: string, name: string, args: readonly unknown[], fn: () => Promise<T>, shown?: Shown): Promise<T> {
    return this.#call(task, name, args, true, fn, shown);
  }

  /** Calls something that takes further steps of its own before its promise settles. */
  callInSteps<T>(
    task: string,
    name: string,
    args: readonly unknown[],
    fn: () => Promise<T>,
    shown?: Shown,
  ): Promise<T> {
    return this.#call(task, name, args, false, fn, shown);
  }

  #call<T>(
    task: string,
    name: string,
    args: readonly unknown[],
    settlesAtOnce: boolean,
    fn: () => Promise<T>,
    shown: Shown = asItIs,
  ): Promise<T> {
    const entry = this.begin(task, name, args);
    entry.heard = entry.begin;
    entry.settlesAtOnce = settlesAtOnce;
    const promise = fn();
    // Of one handler each: an await would be a step of its own.
    promise.then((value) => this.end(entry, outcomeOf(value, shown))).then(undefined, ignore);
    promise.then(undefined, (error: unknown) => this.end(entry, thrown(error)));
    return promise;
  }

  /** Calls something that does not wait. What it throws is its outcome; undefined then. */
  act<T>(task: string, name: string, args: readonly unknown[], fn: () => T, shown: Shown = asItIs): T | undefined {
    const entry = this.begin(task, name, args);
    entry.heard = entry.begin;
    try {
      const value = fn();
      this.end(entry, outcomeOf(value, shown));
      return value;
    } catch (error) {
      this.end(entry, thrown(error));
      return undefined;
    }
  }

  /** A call that is heard at some time before it ends. */
  begin(task: string, name: string, args: readonly unknown[] = []): Entry {
    this.#cell.stamp = this.#clock;
    const open = { heard: Infinity, end: Infinity, isLong: true, settlesAtOnce: false, outcome: undefined };
    const entry: Entry = { task, name, args, begin: ++this.#clock, step: this.#step, ...open };
    if (!this.#isClosed) this.#entries.push(entry);
    return entry;
  }

  end(entry: Entry, outcome: Outcome): void {
    this.#cell.stamp = this.#clock;
    if (this.#isClosed) return;
    entry.end = ++this.#clock;
    entry.isLong = this.#step !== entry.step;
    entry.heard = Math.min(entry.heard, entry.end);
    entry.outcome = outcome;
  }

  /** All is still: what has not ended now waits, and what comes from now on does not count. */
  close(): void {
    this.#isClosed = true;
  }

  /** @throws {Error} If no order of the calls explains their outcomes. */
  check(desk: Desk<unknown>): void {
    const parts = this.#entries.map((entry, id) => partsOf({ ...entry, id }, entry, desk));
    const ignored = this.#entries.map((entry) => couldBeRefused(entry));
    // Refused on entry: as if there had been no call. Of those that take steps of their own to say so nobody can tell.
    const unclear = [...ignored.keys()].filter((id) => ignored[id] === "maybe");
    for (let choice = 0; choice < 2 ** unclear.length; choice++) {
      const isIgnored = (id: number): boolean =>
        ignored[id] === "yes" || (ignored[id] === "maybe" && ((choice >> unclear.indexOf(id)) & 1) === 1);
      const counted = parts.flatMap((some, id) => (isIgnored(id) ? [] : some));
      if (explanation(counted, modelOf(desk)) !== undefined) return;
    }
    throw new Error(`Cannot be explained by any order of\n${this.toString()}`);
  }

  /** The calls in the order in which they were made, and what each has given. */
  get outcomes(): string {
    return this.#entries.map(({ task, name, outcome }) => `${task} ${name} ${JSON.stringify(outcome)}`).join(", ");
  }

  toString(): string {
    return this.#entries.map((entry) => line(entry)).join("\n");
  }
}

/** Whether a call that was cut has been refused on entry, or was cut before anybody could tell. */
function couldBeRefused({ outcome, isLong, settlesAtOnce }: Entry): "yes" | "no" | "maybe" {
  if (outcome === undefined || !("cut" in outcome)) return "no";
  if (!isLong) return "yes";
  return settlesAtOnce ? "no" : "maybe";
}

function line({ task, name, args, begin, end, outcome }: Entry): string {
  const came = outcome === undefined ? "waits" : JSON.stringify(outcome);
  return `  ${begin}-${end === Infinity ? "" : end}\t${task}: ${name}(${args.map((arg) => JSON.stringify(arg)).join(", ")}) ${came}`;
}

function outcomeOf(value: unknown, shown: Shown): Outcome {
  const what = shown(value);
  return what === late ? { late: true } : { gave: what ?? null };
}

/** What a value is shown as whose call was ended by time. */
export const late: unique symbol = Symbol("late");

function thrown(error: unknown): Outcome {
  if (isCancelled(error)) return { cut: true };
  return { threw: error instanceof Error ? error.name : String(error) };
}

function ignore(): void {}
