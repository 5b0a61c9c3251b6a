import { suppress, isObject } from "../errors.ts";
import { quiet } from "../lowlevel.ts";
import type { ByteSink, ByteSource, ByteStream, ByteStreamStatistics } from "./byte-stream.ts";
import { chunksOf } from "./chunk-steps.ts";
import { checkSink, checkSource } from "./ends.ts";

/**
 * One stream made of a source and a sink: the output and the input of a program, two pipes. Closing it closes both.
 *
 * @throws {TypeError} If `source` is no source, or `sink` no sink.
 * @example
 * ```ts
 * import { memoryStreamPair, staple } from "tasktree/streams";
 * import assert from "node:assert";
 * const [input, feed] = memoryStreamPair();
 * const [output, drain] = memoryStreamPair();
 * await using stream = staple(input, output);
 * await feed.write(new Uint8Array([1]));
 * await stream.write((await stream.read())!);
 * assert.deepEqual(await drain.read(), new Uint8Array([1]));
 * ```
 */
export function staple(source: ByteSource, sink: ByteSink): ByteStream {
  checkSource("make a stream of", source);
  checkSink("make a stream of", sink);
  return new StapledStream(source, sink);
}

class StapledStream implements ByteStream {
  readonly #source: ByteSource;
  readonly #sink: ByteSink;

  constructor(source: ByteSource, sink: ByteSink) {
    this.#source = source;
    this.#sink = sink;
  }

  get isClosed(): boolean {
    return this.#source.isClosed && this.#sink.isClosed;
  }

  get bytesWritten(): number {
    return this.#sink.bytesWritten;
  }

  read(max?: number): Promise<Uint8Array | undefined> {
    return this.#source.read(max);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#sink.write(bytes);
  }

  closeWriting(): Promise<void> {
    return this.#sink.closeWriting();
  }

  close(): Promise<void> {
    return quiet(() => both(this.#sink.close(), this.#source.close()));
  }

  abort(reason?: unknown): void {
    try {
      this.#sink.abort(reason);
    } finally {
      this.#source.abort(reason);
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return chunksOf(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  statistics(): ByteStreamStatistics {
    const { bytesRead, buffered, reading } = this.#source.statistics();
    const { bytesWritten, writing } = this.#sink.statistics();
    return { bytesRead, buffered, reading, bytesWritten, writing };
  }
}

/** Waits for both; of two errors the second is listed on the first. */
async function both(first: Promise<void>, second: Promise<void>): Promise<void> {
  const ended = await Promise.allSettled([first, second]);
  const errors = ended.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
  if (errors.length === 0) return;
  if (errors.length === 2 && isObject(errors[0])) suppress(errors[0], errors[1]);
  throw errors[0];
}
