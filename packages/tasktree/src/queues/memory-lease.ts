import { InvalidStateError } from "../errors.ts";
import type { LinkedList, Linked } from "../internal/linked-list.ts";
import { passed, refused, type Task } from "../lowlevel.ts";
import { checkedDelay, checkedDuration } from "./check.ts";
import type { Lease, LeaseState, RetryOptions } from "./queue.ts";

/** What a lease needs of its queue. */
export interface LeaseHome<T> {
  label(): string;
  /** Ends what has expired by now. */
  ripen(): void;
  /** A held lease is over. */
  end(lease: MemoryLease<T>, how: Exclude<LeaseState, "held">, delay: number, reason: unknown): void;
  /** A held lease lasts for at least `ms` from now. */
  extend(lease: MemoryLease<T>, ms: number): void;
}

const whatWas: Record<Exclude<LeaseState, "held">, string> = {
  acked: "the lease was acknowledged before",
  retried: "the lease was sent back before",
  rejected: "the lease was rejected before",
  returned: "the lease was given back before",
  expired: "the lease has expired, and the item has gone back",
};

/** One attempt at an item: in line, kept back, on loan, settled. One object for all of that; the next attempt has its own. */
export class MemoryLease<T> implements Lease<T>, Linked<MemoryLease<T>> {
  prev: MemoryLease<T> | undefined = undefined;
  next: MemoryLease<T> | undefined = undefined;
  list: LinkedList<MemoryLease<T>> | undefined = undefined;
  readonly item: T;
  readonly attempt: number;
  phase: LeaseState | "ready" | "delayed" = "ready";
  /** Where it stands among what came before and after. */
  place: number;
  /** When it is ready, or expires; Infinity for no such time. */
  until: number = Infinity;
  /** What `until` was when it was sorted by it. */
  sortedBy: number = Infinity;
  /** Who took it. */
  task: Task | undefined = undefined;
  readonly #home: LeaseHome<T>;

  constructor(home: LeaseHome<T>, item: T, attempt: number, place: number) {
    this.#home = home;
    this.item = item;
    this.attempt = attempt;
    this.place = place;
  }

  get state(): LeaseState {
    this.#home.ripen();
    return this.phase as LeaseState;
  }

  ack(): Promise<void> {
    return this.#settle("ack", "acked");
  }

  retry(options: RetryOptions = {}): Promise<void> {
    let delay: number;
    try {
      delay = checkedDelay(options, this.#home.label());
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#settle("retry", "retried", delay, options.reason);
  }

  reject(reason?: unknown): Promise<void> {
    return this.#settle("reject", "rejected", 0, reason);
  }

  extend(ms: number): Promise<void> {
    try {
      checkedDuration(ms, this.#home.label());
      const refusal = refused();
      if (refusal !== undefined) return refusal;
      this.#mustBeHeld("extend");
    } catch (error) {
      return Promise.reject(error);
    }
    this.#home.extend(this, ms);
    return passed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.state === "held") this.#home.end(this, "returned", 0, undefined);
    return passed();
  }

  #settle(verb: string, how: Exclude<LeaseState, "held">, delay = 0, reason?: unknown): Promise<void> {
    try {
      this.#mustBeHeld(verb);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#home.end(this, how, delay, reason);
    return passed();
  }

  #mustBeHeld(verb: string): void {
    const { state } = this;
    if (state === "held") return;
    throw new InvalidStateError(`Cannot ${verb} an item of ${this.#home.label()}: ${whatWas[state]}`);
  }
}
