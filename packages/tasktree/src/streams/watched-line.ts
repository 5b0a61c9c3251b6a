import { WaitList } from "../lowlevel.ts";

/** Told when somebody comes to wait (1), and when somebody waits no more (-1). */
export type WaitsChanged = (change: 1 | -1) => void;

/** A line of waiters that tells whenever somebody comes or goes, so that time is watched only while somebody waits. */
export class WatchedLine<T, P> {
  readonly list: WaitList<T, unknown>;
  readonly #changed: WaitsChanged;

  /** `describe` says what those wait for who stand in the line. */
  constructor(changed: WaitsChanged, describe: () => string) {
    this.#changed = changed;
    this.list = new WaitList({ describe, left: () => changed(-1) });
  }

  get size(): number {
    return this.list.size;
  }

  /** What the first in line brought. */
  get first(): P | undefined {
    return this.list.first as P | undefined;
  }

  wait(payload: P): Promise<T> {
    const wait = this.list.wait(payload);
    this.came();
    return wait;
  }

  /** For who has come into the line by `waitForOne`. */
  came(): void {
    this.#changed(1);
  }

  wake(value: T): boolean {
    const woken = this.list.wake(value);
    if (woken) this.#changed(-1);
    return woken;
  }

  /** Lets everybody go on with an error, made if there is anybody. */
  failAll(error: () => unknown): void {
    if (this.size === 0) return;
    for (const thrown = error(); this.list.fail(thrown);) this.#changed(-1);
  }
}
