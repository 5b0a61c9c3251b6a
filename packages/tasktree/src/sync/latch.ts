import { checkOptions } from "../errors.ts";
import { passed, refused, WaitList, type Choice, type Selectable, type Waitable } from "../lowlevel.ts";

export interface LatchOptions {
  /** Whether it is open at first; default: closed. */
  readonly open?: boolean;
  /** For reports and errors. */
  readonly name?: string;
}

export interface LatchStatistics {
  readonly open: boolean;
  readonly waiting: number;
}

/**
 * A gate that everybody waits at while it is closed, and passes while it is open. Can be waited for with `select` too.
 *
 * @example
 * ```ts
 * import { Latch, withTaskGroup } from "tasktree";
 * import assert from "node:assert";
 * const ready = new Latch();
 * await withTaskGroup(async (group) => {
 *   const client = group.spawn(async () => {
 *     await ready.wait();
 *     return "served";
 *   });
 *   ready.open();
 *   assert.equal(await client, "served");
 * });
 * ```
 */
export class Latch implements Waitable, Selectable<void> {
  readonly name: string | undefined;
  #open: boolean;
  readonly #waiters = new WaitList(this);

  constructor(options: LatchOptions = {}) {
    checkOptions("make a latch", options);
    this.#open = options.open ?? false;
    this.name = options.name;
  }

  /** Whether whoever comes now passes. */
  get isOpen(): boolean {
    return this.#open;
  }

  /**
   * Lets everybody pass who waits now, even if it is closed again at once, and whoever comes from now on. Not a checkpoint.
   */
  open(): void {
    this.#open = true;
    this.#waiters.wakeAll();
  }

  /** Whoever comes from now on waits. Not a checkpoint. */
  close(): void {
    this.#open = false;
  }

  /**
   * Waits until it is open.
   *
   * Cancellation: Checkpoint, nothing lost.
   */
  wait(): Promise<void> {
    return refused() ?? (this.#open ? passed() : this.#waiters.wait());
  }

  /** For `select`: comes when it is open. */
  choice(): Choice<void> {
    return { poll: () => (this.#open ? { value: undefined } : undefined), line: this.#waiters };
  }

  statistics(): LatchStatistics {
    return { open: this.#open, waiting: this.#waiters.size };
  }

  describe(): string {
    const name = this.name === undefined ? "" : ` '${this.name}'`;
    return `latch${name} (${this.#open ? "open" : "closed"})`;
  }
}
