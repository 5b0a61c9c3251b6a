import type { Readable } from "node:stream";
import { brief } from "../../errors.ts";
import type { ByteSource, ByteSourceStatistics } from "../byte-stream.ts";
import { NodeEnd } from "./end.ts";
import { NodeInlet } from "./inlet.ts";

export interface NodeStreamOptions {
  /** For reports and errors. */
  readonly name?: string;
  /**
   * Nobody else has the arrays that the stream gives, and it needs those that it was given no longer than its callback says; so they
   * need not be copied. It is so with the system's sockets and pipes. Default false.
   */
  readonly owned?: boolean;
}

/**
 * A readable stream of Node as a source of bytes. It is the source's from then on, which reads ahead: at most 64 KiB, and what
 * Node holds itself. `close()` and `abort()` destroy it; its errors come as the cause of `BrokenError`, also one that came while
 * nobody was reading.
 *
 * @throws {TypeError} If it is not a readable stream.
 * @example
 * ```ts
 * import { fromNodeReadable } from "tasktree/streams/node";
 * import { Readable } from "node:stream";
 * import assert from "node:assert";
 * await using source = fromNodeReadable(Readable.from(Buffer.from("hello")));
 * assert.equal(Buffer.from((await source.read())!).toString(), "hello");
 * assert.equal(await source.read(), undefined);
 * ```
 */
export function fromNodeReadable(readable: Readable, options: NodeStreamOptions = {}): ByteSource {
  checkNodeStream("readable", readable, "on", "resume", "pause");
  return new NodeSource(readable, options);
}

/** @throws {TypeError} If a stream has not got the methods that one of its kind has. */
export function checkNodeStream(kind: string, stream: unknown, ...methods: readonly string[]): void {
  const found = stream as Record<string, unknown> | null | undefined;
  if (methods.every((method) => typeof found?.[method] === "function")) return;
  throw new TypeError(`Cannot make bytes of ${brief(stream)}: wanted a ${kind} stream of Node`);
}

class NodeSource implements ByteSource {
  readonly #end: NodeEnd;
  readonly #inlet: NodeInlet;

  constructor(readable: Readable, { name = "a Node stream", owned = false }: NodeStreamOptions) {
    this.#end = new NodeEnd(readable, name);
    this.#inlet = new NodeInlet(readable, this.#end, owned);
    this.#end.lookBack();
  }

  get isClosed(): boolean {
    return this.#end.isClosed;
  }

  read(max?: number): Promise<Uint8Array | undefined> {
    return this.#inlet.read(max);
  }

  close(): Promise<void> {
    return this.#end.close(() => this.#end.destroy());
  }

  abort(reason?: unknown): void {
    this.#end.abort(reason);
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return this.#inlet.steps();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  statistics(): ByteSourceStatistics {
    return this.#inlet.statistics();
  }
}
