import type { Readable } from "node:stream";
import { ClosedError } from "../../errors.ts";
import { quiet } from "../../lowlevel.ts";
import type { ByteSource, ByteSourceStatistics } from "../../streams/byte-stream.ts";
import { chunksOf } from "../../streams/chunk-steps.ts";
import { fromNodeReadable } from "../../streams/node/source.ts";
import type { Exchange } from "./exchange.ts";

/** A connection is not lost with an answer that nobody can read any more; but when that shows is up to the garbage collector. */
const unreachable = new FinalizationRegistry<Exchange>((exchange) => {
  void exchange.abort(new ClosedError(`The answer to ${exchange.label} was forgotten`));
});

/** The body of an answer as it comes, no faster than it is read. */
export class ResponseBody implements ByteSource {
  readonly #source: ByteSource;
  readonly #exchange: Exchange;

  constructor(readable: Readable, exchange: Exchange) {
    this.#exchange = exchange;
    unreachable.register(this, exchange);
    this.#source = fromNodeReadable(readable, { name: `the body of ${exchange.label}` });
  }

  get isClosed(): boolean {
    return this.#source.isClosed;
  }

  read(max?: number): Promise<Uint8Array | undefined> {
    this.#exchange.reads++;
    if (this.#source.statistics().buffered > 0) return this.#source.read(max);
    return quiet(() => this.#wait(max));
  }

  async close(): Promise<void> {
    await this.#source.close();
    await this.#exchange.abort(new ClosedError(`The body of ${this.#exchange.label} was closed`));
  }

  abort(reason?: unknown): void {
    this.#source.abort(reason);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return chunksOf(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  statistics(): ByteSourceStatistics {
    return this.#source.statistics();
  }

  async #wait(max: number | undefined): Promise<Uint8Array | undefined> {
    const reading = this.#source.statistics().reading;
    if (!reading) this.#exchange.awaitMore();
    try {
      return await this.#source.read(max);
    } catch (error) {
      const { failure } = this.#exchange;
      throw failure === undefined || this.isClosed ? error : failure;
    } finally {
      if (!reading) this.#exchange.hasMore();
    }
  }
}
