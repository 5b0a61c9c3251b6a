import type { Writable } from "node:stream";
import type { ByteSink, ByteSinkStatistics } from "../byte-stream.ts";
import { NodeEnd } from "./end.ts";
import { NodeOutlet } from "./outlet.ts";
import { checkNodeStream, type NodeStreamOptions } from "./source.ts";

/**
 * A writable stream of Node as a sink for bytes. It is the sink's from then on. A write resolves when the stream has taken its
 * bytes over, 64 KiB of them at a time; so nothing piles up in Node. `close()` and `closeWriting()` end it, and wait until it has
 * finished; `abort()` destroys it. Its errors come as the cause of `BrokenError`; one that no other call has told is told by `close()`.
 *
 * The array of a write that was cut is still the stream's if it is `owned`, as far as `bytesWritten` says that it was taken over.
 *
 * @throws {TypeError} If it is not a writable stream.
 * @example
 * ```ts
 * import { fromNodeWritable } from "tasktree/streams/node";
 * import { PassThrough } from "node:stream";
 * import assert from "node:assert";
 * const passing = new PassThrough();
 * const sink = fromNodeWritable(passing);
 * await sink.write(Buffer.from("hello"));
 * assert.equal(passing.read().toString(), "hello");
 * ```
 */
export function fromNodeWritable(writable: Writable, options: NodeStreamOptions = {}): ByteSink {
  checkNodeStream("writable", writable, "on", "write", "end");
  return new NodeSink(writable, options);
}

class NodeSink implements ByteSink {
  readonly #end: NodeEnd;
  readonly #outlet: NodeOutlet;

  constructor(writable: Writable, { name = "a Node stream", owned = false }: NodeStreamOptions) {
    this.#end = new NodeEnd(writable, name, { tells: true });
    this.#outlet = new NodeOutlet(writable, this.#end, owned);
    this.#end.lookBack();
  }

  get isClosed(): boolean {
    return this.#end.isClosed;
  }

  get bytesWritten(): number {
    return this.#outlet.bytesWritten;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#outlet.write(bytes);
  }

  closeWriting(): Promise<void> {
    return this.#outlet.finish();
  }

  close(): Promise<void> {
    return this.#end.close(() => this.#outlet.sayAll());
  }

  abort(reason?: unknown): void {
    this.#end.abort(reason);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  statistics(): ByteSinkStatistics {
    return this.#outlet.statistics();
  }
}
