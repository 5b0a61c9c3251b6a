import { now, Timer, WaitList } from "../../lowlevel.ts";
import { Exchange } from "./exchange.ts";
import type { Lease } from "./lines.ts";
import type { Timeouts } from "./options.ts";

/** The exchanges of a client that have a connection: until their answers' bodies have come, or they are aborted. */
export class Running {
  readonly #all = new Set<Exchange>();
  readonly #drained: WaitList = new WaitList({ describe: () => `the end of ${this.#describe()}` });

  /** From now on who closes the client waits for it, or ends it. */
  begin(lease: Lease, label: string, timeouts: Timeouts): Exchange {
    const exchange = new Exchange(lease, label, timeouts, () => this.#over(exchange));
    this.#all.add(exchange);
    return exchange;
  }

  /** Waits until none is left, but not longer. */
  async drain(ms: number): Promise<void> {
    if (this.#all.size === 0) return;
    const patience = new Timer(() => this.#drained.wakeAll());
    patience.set(now() + ms);
    try {
      await this.#drained.wait(undefined, { exempt: true });
    } finally {
      patience.set(Infinity);
    }
  }

  /** Resolves when all their connections are closed. */
  async abort(error: Error): Promise<void> {
    await Promise.all([...this.#all].map((exchange) => exchange.abort(error)));
  }

  #over(exchange: Exchange): void {
    this.#all.delete(exchange);
    if (this.#all.size === 0) this.#drained.wakeAll();
  }

  #describe(): string {
    const [first] = this.#all;
    const others = this.#all.size - 1;
    return `${first?.label ?? "requests"}${others > 0 ? ` and ${others} others` : ""}`;
  }
}
