import { quiet } from "../lowlevel.ts";
import type { ByteSink, ByteSource } from "./byte-stream.ts";
import { checkSink, checkSource } from "./ends.ts";

/**
 * Copies until the end of `source`, as fast as `sink` takes it; gives the number of bytes. It closes neither: say `closeWriting()`
 * if the other end shall see the end.
 *
 * Cancellation: Checkpoint, effects possible: if this call is cancelled while it reads, all that was read has been written. If
 * while it writes, what it had read last, 65,536 bytes at most, is lost but for what the sink's `bytesWritten` counts; so also if
 * writing fails.
 *
 * @throws What `source.read()` and `sink.write()` throw.
 * @throws {TypeError} If `source` is no source, or `sink` no sink.
 * @example An echo
 * ```ts
 * import { memoryStreamPair, pipe } from "tasktree/streams";
 * import assert from "node:assert";
 * const [client, server] = memoryStreamPair();
 * await client.write(new Uint8Array([1, 2]));
 * await client.closeWriting();
 * assert.equal(await pipe(server, server), 2);
 * assert.deepEqual(await client.read(), new Uint8Array([1, 2]));
 * ```
 */
export function pipe(source: ByteSource, sink: ByteSink): Promise<number> {
  return quiet(() => copy(source, sink));
}

async function copy(source: ByteSource, sink: ByteSink): Promise<number> {
  checkSource("copy from", source);
  checkSink("copy to", sink);
  let count = 0;
  for (let chunk = await source.read(); chunk !== undefined; chunk = await source.read()) {
    await sink.write(chunk);
    count += chunk.length;
  }
  return count;
}
