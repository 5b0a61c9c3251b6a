/** Waiting for whichever of several things comes first, and doing that one only. */
import { brief, checkOptions, isObject } from "../errors.ts";
import {
  draw,
  now,
  passed,
  quiet,
  refused,
  refusedIntake,
  Timer,
  waitForOne,
  WaitList,
  type Choice,
  type Chosen,
  type Selectable,
} from "../lowlevel.ts";
import { sleepForever } from "../timeouts.ts";

/** A time, as a case of {@link select}. */
export class Timeout {
  readonly #deadline: () => number;

  /** @internal */
  constructor(deadline: () => number) {
    this.#deadline = deadline;
  }

  /** When it comes for a `select` that begins now. @internal */
  get deadline(): number {
    return this.#deadline();
  }
}

/**
 * A case that comes `ms` milliseconds after its `select` began, each time anew; 0 or less: if no other is ready.
 *
 * @throws {RangeError} If `ms` is NaN or not a number.
 * @example A default case
 * ```ts
 * import { after, Channel, select } from "tasktree";
 * import assert from "node:assert";
 * const jobs = new Channel<string>(1);
 * const { key } = await select({ job: jobs, idle: after(0) });
 * assert.equal(key, "idle");
 * ```
 */
export function after(ms: number): Timeout {
  checkTime(ms, "wanted milliseconds, or Infinity");
  return new Timeout(() => now() + ms);
}

/**
 * A case that comes at `deadline` on the run's clock; one that has passed: if no other is ready.
 *
 * @throws {RangeError} If `deadline` is NaN or not a number.
 */
export function at(deadline: number): Timeout {
  checkTime(deadline, "wanted a time on the run's clock, or Infinity");
  return new Timeout(() => deadline);
}

function checkTime(time: unknown, wanted: string): void {
  if (typeof time === "number" && !Number.isNaN(time)) return;
  throw new RangeError(`Cannot select a time of ${brief(time)}: ${wanted}`);
}

/** What to wait for, by names of your choice. */
export type Cases = Readonly<Record<string, Selectable<unknown> | Timeout>>;

/** The case that came: its key in the record, and its value. */
export type Selected<C extends Cases> = {
  [K in keyof C & string]: { readonly key: K; readonly value: ValueOf<C[K]> };
}[keyof C & string];

type ValueOf<Case> = Case extends Selectable<infer T> ? T : undefined;

export interface SelectOptions {
  /** true: of several that are ready, the first in the record; one that always is then starves those after it. */
  readonly ordered?: boolean;
}

/**
 * Waits for the first of `cases` and does that one only. The others are as if nobody had asked.
 *
 * A case is a channel, receiver or subscription (receives), `channel.sending(item)`, a task (waits for its end; its
 * failure rejects), a latch, `after(ms)`, `at(deadline)`, or whatever else is `Selectable`. Of several that are ready it
 * takes the first from a random place on, so that none starves. A time comes only if no other case is ready. A case that
 * cannot go on, such as a channel that is closed and empty, rejects: leave it out next time.
 *
 * Cancellation: Checkpoint, nothing lost: if this call is cancelled, no case has happened. With a case that receives it
 * takes in new work: in cleanup after a cancellation it throws at every call.
 *
 * @throws {TypeError} If `cases` is empty, or one of them is nothing to select.
 * @throws {EndOfStream} If a channel to receive from is closed and empty.
 * @throws {ClosedError} If a channel to send to is closed, or an end was closed before or during the call.
 * @throws {BrokenError} If nobody will receive on a channel to send to.
 * @example
 * ```ts
 * import { after, Channel, select } from "tasktree";
 * import assert from "node:assert";
 * const jobs = new Channel<{ id: number }>(4);
 * await jobs.send({ id: 7 });
 * const it = await select({ job: jobs, late: after(1000) });
 * assert.equal(it.key === "job" ? it.value.id : "late", 7);
 * ```
 */
export function select<C extends Cases>(cases: C, options: SelectOptions = {}): Promise<Selected<C>> {
  return quiet(async () => {
    checkOptions("select", options);
    const lines = lookAt<C>(cases);
    const refusal = lines.choices.some(({ intake }) => intake) ? refusedIntake() : refused();
    if (refusal !== undefined) return await refusal;
    const ready = firstReady(lines, options);
    return ready === undefined ? selected(lines, await firstToCome(lines)) : passed(ready);
  });
}

/**
 * Does the first of `cases` that is ready, as {@link select}; undefined if none is. Not a checkpoint.
 *
 * @throws {TypeError} If `cases` is empty, or one of them is nothing to select.
 */
export function trySelect<C extends Cases>(cases: C, options: SelectOptions = {}): Selected<C> | undefined {
  checkOptions("select", options);
  return firstReady(lookAt<C>(cases), options);
}

/** The cases that wait in line, and the first time that comes. */
interface Lines<C> {
  readonly keys: (keyof C)[];
  readonly choices: Choice<unknown>[];
  timeout: keyof C | undefined;
  deadline: number;
}

function lookAt<C extends Cases>(cases: C): Lines<C> {
  if (!isObject(cases)) throw new TypeError(`Cannot select from ${brief(cases)}: wanted an object with cases`);
  const lines: Lines<C> = { keys: [], choices: [], timeout: undefined, deadline: Infinity };
  for (const [key, one] of Object.entries(cases)) {
    if (one instanceof Timeout) {
      const { deadline } = one;
      if (lines.timeout !== undefined && deadline >= lines.deadline) continue;
      lines.timeout = key;
      lines.deadline = deadline;
    } else if (typeof (one as Partial<Selectable<unknown>> | undefined)?.choice === "function") {
      lines.keys.push(key);
      lines.choices.push(one.choice());
    } else {
      throw new TypeError(`Cannot select '${key}': ${brief(one)} is neither selectable nor a time`);
    }
  }
  if (lines.choices.length > 0 || lines.timeout !== undefined) return lines;
  throw new TypeError("Cannot select: there are no cases");
}

function firstReady<C extends Cases>(lines: Lines<C>, { ordered = false }: SelectOptions): Selected<C> | undefined {
  const { choices, deadline } = lines;
  const order = [...choices.keys()];
  for (let turn = 0; turn < order.length; turn++) {
    // Any of those that are left: to start somewhere and go round would favour who stands behind one that is not ready.
    if (!ordered) swap(order, turn, turn + draw(order.length - turn));
    const index = order[turn]!;
    const ready = choices[index]!.poll();
    if (ready !== undefined) return selected(lines, { index, value: ready.value });
  }
  return deadline <= now() ? selected(lines, { index: choices.length, value: undefined }) : undefined;
}

function swap(order: number[], a: number, b: number): void {
  [order[a], order[b]] = [order[b]!, order[a]!];
}

function firstToCome<C>({ choices, deadline }: Lines<C>): Promise<Chosen<unknown>> {
  if (deadline === Infinity) return choices.length === 0 ? sleepForever() : waitForOne(choices);
  // A line of its own and no deadline of a scope: a time that comes is no cancellation, in cleanup neither.
  const line = new WaitList({ describe: () => "a time", left: () => timer.set(Infinity) });
  const timer = new Timer(() => line.wake());
  timer.set(deadline);
  return waitForOne([...choices, { poll: () => undefined, line }]);
}

/** The time comes after the choices. */
function selected<C extends Cases>({ keys, timeout }: Lines<C>, { index, value }: Chosen<unknown>): Selected<C> {
  return { key: index < keys.length ? keys[index] : timeout, value } as Selected<C>;
}
