/** Between our streams and the platform's. */
import { brief, checkOptions } from "../../errors.ts";
import { bound, withCancelScope } from "../../lowlevel.ts";
import type { ByteSink, ByteSource, ByteStream } from "../byte-stream.ts";
import { ReadableSource } from "./readable-source.ts";
import { checkSink, checkSource } from "../ends.ts";
import { staple } from "../staple.ts";
import { WritableSink } from "./writable-sink.ts";

export interface WebStreamOptions {
  /** For reports and errors. */
  readonly name?: string;
}

/** A pair as `new TransformStream()`, `CompressionStream` and `WebSocketStream` have it. */
export interface WebStreamPair {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array<ArrayBuffer>>;
}

/**
 * A source of what a platform's `ReadableStream` gives: the body of an answer, a file, a decompressor. It locks the stream.
 *
 * `close()` and `abort()` cancel the stream; `close()` waits for that. A stream that fails, or gives anything but `Uint8Array`s, makes
 * reads reject with `BrokenError`, its error as the cause. What a chunk has beyond `max`, and what comes when a reader was cancelled,
 * is there for the next read; nothing else is asked of the stream ahead of a read.
 *
 * @throws {TypeError} If `readable` is not a `ReadableStream`, or is locked.
 * @example
 * ```ts
 * import { BufferedReader, fromReadableStream } from "tasktree/streams";
 * import assert from "node:assert";
 * const { body } = new Response("one\ntwo\n");
 * const lines: string[] = [];
 * for await (const line of new BufferedReader(fromReadableStream(body!)).lines()) lines.push(line);
 * assert.deepEqual(lines, ["one", "two"]);
 * ```
 */
export function fromReadableStream(readable: ReadableStream<Uint8Array>, options: WebStreamOptions = {}): ByteSource {
  checkOptions("read from a web stream", options);
  if (typeof (readable as Partial<typeof readable> | undefined)?.getReader !== "function")
    throw new TypeError(`Cannot read from ${brief(readable)}: wanted a ReadableStream`);
  return new ReadableSource(readable, labelOf("the readable stream", options));
}

/**
 * A sink into a platform's `WritableStream`: a file, a compressor. It locks the stream.
 *
 * A write waits while the stream wants no more (`desiredSize`), and hands it copies of 65,536 bytes at most. `bytesWritten` counts
 * what was handed over. `closeWriting()` closes the stream and waits until that is done, as does `close()`; then everything has arrived.
 * A `close()` while somebody waits to write does not wait. `abort()` aborts the stream: it drops what it has not passed on yet. A stream
 * that fails makes writes reject with `BrokenError`, its error as the cause; if bytes that it had taken are lost and nobody was told,
 * so does `close()`.
 *
 * @throws {TypeError} If `writable` is not a `WritableStream`, or is locked.
 */
export function fromWritableStream(
  writable: WritableStream<Uint8Array<ArrayBuffer>>,
  options: WebStreamOptions = {},
): ByteSink {
  checkOptions("write to a web stream", options);
  if (typeof (writable as Partial<typeof writable> | undefined)?.getWriter !== "function")
    throw new TypeError(`Cannot write to ${brief(writable)}: wanted a WritableStream`);
  return new WritableSink(writable, labelOf("the writable stream", options));
}

/**
 * One stream over a pair of the platform's, as {@link fromReadableStream} and {@link fromWritableStream} make its halves.
 *
 * `abort()` tears what is still open: of a direction that was ended by `closeWriting()` the other end reads what was written.
 *
 * @throws {TypeError} If `pair` does not hold a `ReadableStream` and a `WritableStream`, or one is locked.
 * @example
 * ```ts
 * import { fromWebStreams } from "tasktree/streams";
 * import assert from "node:assert";
 * await using echo = fromWebStreams(new TransformStream<Uint8Array, Uint8Array>());
 * const [chunk] = await Promise.all([echo.read(), echo.write(new Uint8Array([1]))]);
 * assert.deepEqual(chunk, new Uint8Array([1]));
 * ```
 */
export function fromWebStreams(pair: WebStreamPair, options: WebStreamOptions = {}): ByteStream {
  checkOptions("make a stream of web streams", pair);
  return staple(fromReadableStream(pair.readable, options), fromWritableStream(pair.writable, options));
}

/**
 * A platform's `ReadableStream` that reads from `source` when somebody reads from it, and not before: the body of an answer, what
 * `pipeTo` wants. Its `cancel()` closes the source. Its end leaves the source open: that is for who opened it.
 *
 * It belongs to the scope in which it was made, or if that has ended, to the nearest living one around: if that is cancelled, the
 * stream fails with its `CancelledError`, whoever reads from it. So cancelling a task ends the `pipeTo` that it waits for. An error of
 * the source is the error of the stream.
 *
 * @throws {TypeError} If `source` is no source.
 */
export function toReadableStream(source: ByteSource): ReadableStream<Uint8Array> {
  checkSource("read from", source);
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    const chunk = await source.read();
    if (chunk === undefined) controller.close();
    else controller.enqueue(chunk);
  };
  return new ReadableStream({ pull: bound(pull), cancel: bound(() => source.close()) }, { highWaterMark: 0 });
}

/**
 * A platform's `WritableStream` that writes to `sink`, one chunk at a time; one more may wait in it. Its `close()` is the sink's
 * `closeWriting()`, its `abort()` cuts a write that waits, then aborts the sink.
 *
 * It belongs to a scope as {@link toReadableStream} says: if that is cancelled, the stream fails with its `CancelledError`, and the
 * sink's `bytesWritten` tells how much of the last chunk was written. An error of the sink is the error of the stream.
 *
 * @throws {TypeError} If `sink` is no sink.
 * @example
 * ```ts
 * import { memoryStreamPair, toReadableStream, toWritableStream } from "tasktree/streams";
 * import assert from "node:assert";
 * const [from, feed] = memoryStreamPair();
 * const [to, drain] = memoryStreamPair();
 * await feed.write(new Uint8Array([1]));
 * await feed.closeWriting();
 * await toReadableStream(from).pipeTo(toWritableStream(to));
 * assert.deepEqual([await drain.read(), await drain.read()], [new Uint8Array([1]), undefined]);
 * ```
 */
export function toWritableStream(sink: ByteSink): WritableStream<Uint8Array> {
  checkSink("write to", sink);
  const write = async (chunk: Uint8Array, { signal }: WritableStreamDefaultController): Promise<void> => {
    // The platform calls abort() only after this has settled: the signal lets it.
    await withCancelScope(() => sink.write(chunk), { signal });
  };
  return new WritableStream({
    write: bound(write),
    close: bound(() => (sink.isClosed ? undefined : sink.closeWriting())),
    abort: bound((reason: unknown) => sink.abort(reason)),
  });
}

function labelOf(otherwise: string, { name }: WebStreamOptions): string {
  return name === undefined ? otherwise : `stream '${name}'`;
}
