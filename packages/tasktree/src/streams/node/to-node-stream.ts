import { Duplex } from "node:stream";
import { bound } from "../../lowlevel.ts";
import type { ByteStream } from "../byte-stream.ts";

/**
 * A byte stream as a duplex stream of Node, for libraries that want one. It belongs to the scope in which it was made: when that
 * is cancelled, what it waits for is cut, and it is destroyed. Destroying it closes the byte stream, with an error it aborts it.
 *
 * @example
 * ```ts
 * import { memoryStreamPair } from "tasktree/streams";
 * import { toNodeStream } from "tasktree/streams/node";
 * import assert from "node:assert";
 * const [here, there] = memoryStreamPair();
 * const duplex = toNodeStream(here);
 * duplex.end("hello");
 * assert.equal(Buffer.from((await there.read())!).toString(), "hello");
 * ```
 */
export function toNodeStream(stream: ByteStream): Duplex {
  const read = bound(() => stream.read());
  const write = bound((bytes: Uint8Array) => stream.write(bytes));
  const closeWriting = bound(() => stream.closeWriting());
  const close = bound(() => stream.close());
  return new Duplex({
    read() {
      read().then(
        (chunk) => this.push(chunk ?? null),
        (error: unknown) => this.destroy(error as Error),
      );
    },
    write(chunk: Uint8Array, _, done) {
      settle(write(chunk), done);
    },
    final(done) {
      settle(closeWriting(), done);
    },
    destroy(error, done) {
      if (error !== null) stream.abort(error);
      settle(close(), (failure) => done(failure ?? error));
    },
  });
}

type Done = (error?: Error | null) => void;

/** Tells Node when `work` is done, or what it failed with. */
function settle(work: Promise<void>, told: Done): void {
  work.then(
    () => told(),
    (error: unknown) => told(error as Error),
  );
}
