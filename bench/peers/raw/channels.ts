import type { Adapter } from "../../lib/contract.ts";
import { deal, WORKERS } from "../../scenarios/work.ts";
import { Line } from "./line.ts";

type Received = { readonly done: false; readonly value: number } | { readonly done: true };

/** The least that hands items over and slows its producers: nobody can leave a line. */
class RawChannel {
  readonly #capacity: number;
  readonly #buffer = new Line<number>();
  readonly #senders = new Line<{ readonly item: number; readonly sent: () => void }>();
  readonly #receivers = new Line<(received: Received) => void>();
  #closed = false;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  send(item: number): Promise<void> | undefined {
    const receiver = this.#receivers.shift();
    if (receiver !== undefined) {
      receiver({ done: false, value: item });
      return undefined;
    }
    if (this.#buffer.size < this.#capacity) {
      this.#buffer.push(item);
      return undefined;
    }
    return new Promise((sent) => {
      this.#senders.push({ item, sent });
    });
  }

  receive(): Received | Promise<Received> {
    const sender = this.#senders.shift();
    if (sender !== undefined) {
      this.#buffer.push(sender.item);
      sender.sent();
    }
    const item = this.#buffer.shift();
    if (item !== undefined) return { done: false, value: item };
    if (this.#closed) return { done: true };
    return new Promise((receiver) => {
      this.#receivers.push(receiver);
    });
  }

  close(): void {
    this.#closed = true;
    for (let receiver = this.#receivers.shift(); receiver !== undefined; receiver = this.#receivers.shift()) {
      receiver({ done: true });
    }
  }
}

function handOver(capacity: number, sides: number): Adapter {
  return async (n) => {
    const channel = new RawChannel(capacity);
    let sum = 0;
    async function produce([from, to]: [number, number]): Promise<void> {
      for (let i = from; i < to; i++) await channel.send(i);
    }
    async function consume(): Promise<void> {
      for (;;) {
        const received = await channel.receive();
        if (received.done) return;
        sum += received.value;
      }
    }
    const consumers = Array.from({ length: sides }, consume);
    await Promise.all(deal(n, sides).map(produce));
    channel.close();
    await Promise.all(consumers);
    return sum;
  };
}

export const rawChannels: Record<string, Adapter> = {
  "channel-0": handOver(0, 1),
  "channel-1": handOver(1, 1),
  "channel-100": handOver(100, 1),
  "channel-10x10-0": handOver(0, WORKERS),
  "channel-10x10-1": handOver(1, WORKERS),
  "channel-10x10-100": handOver(100, WORKERS),
};
