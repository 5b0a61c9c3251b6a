import { checkDeadline } from "./check.ts";
import { Alarm, type AlarmOwner } from "./clock.ts";
import { here } from "./current.ts";
import type { Root } from "./root.ts";

/**
 * A call at a time, for what has to happen while tasks wait in a line: something has become due that the first of them can
 * have. The call runs under the root of the run, before what sleeps until then wakes, and must not throw.
 *
 * While it is set it keeps the process alive: take it back when nobody waits any more ({@link Waitable.left} tells).
 *
 * @example
 * ```ts
 * import { now, Timer, WaitList } from "tasktree/lowlevel";
 * const waiters = new WaitList({ describe: () => "the gong", left: () => disarm() });
 * const gong = new Timer(() => waiters.wakeAll());
 * function disarm(): void {
 *   if (waiters.size === 0) gong.set(Infinity);
 * }
 * gong.set(now() + 5);
 * await waiters.wait();
 * ```
 */
export class Timer implements AlarmOwner {
  readonly #alarm: Alarm = new Alarm(this);
  readonly #call: () => void;
  #root: Root | undefined = undefined;

  constructor(call: () => void) {
    this.#call = call;
  }

  /** When the call is due, in milliseconds on the run's clock; Infinity for never. */
  get deadline(): number {
    return this.#alarm.deadline;
  }

  /** Orders the call for `deadline` in place of what was ordered, on the clock of the run that set it first; Infinity takes it back. */
  set(deadline: number): void {
    if (deadline === this.#alarm.deadline) return;
    const node = here();
    checkDeadline(deadline, node);
    if (this.#root === undefined || this.#alarm.deadline === Infinity) this.#root = node.root;
    this.#root.clock.set(this.#alarm, deadline);
  }

  ring(): void {
    this.#alarm.deadline = Infinity;
    this.#root!.outside(this.#call);
  }
}
