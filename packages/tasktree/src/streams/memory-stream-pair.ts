import { brief, checkOptions } from "../errors.ts";
import { isCount } from "../internal/count.ts";
import type { ByteStream } from "./byte-stream.ts";
import { WiredStream, type Wire } from "./wired-stream.ts";

export interface MemoryStreamPairOptions {
  /** How many bytes may be written each way and not yet read: a whole number from 1 (default 65,536), or Infinity. */
  readonly capacity?: number;
  /** For reports and errors. */
  readonly name?: string;
}

/**
 * The two ends of a connection in memory: what is written at one is read at the other, at once. For tests, and for parts of one
 * program that talk in bytes.
 *
 * What an end is given as the reason of `abort()` is the cause of the errors at the other end too.
 *
 * @throws {RangeError} If `capacity` is not what it should be.
 * @example
 * ```ts
 * import { withTaskGroup } from "tasktree";
 * import { memoryStreamPair } from "tasktree/streams";
 * import assert from "node:assert";
 * const [client, server] = memoryStreamPair();
 * await withTaskGroup(async (group) => {
 *   group.spawn(async () => {
 *     for await (const chunk of server) await server.write(chunk);
 *     await server.close();
 *   });
 *   await client.write(new Uint8Array([1, 2, 3]));
 *   await client.closeWriting();
 *   assert.deepEqual(await client.read(), new Uint8Array([1, 2, 3]));
 *   assert.equal(await client.read(), undefined);
 * });
 * ```
 */
export function memoryStreamPair(options: MemoryStreamPairOptions = {}): [ByteStream, ByteStream] {
  checkOptions("make streams", options);
  const { capacity = 65_536, name } = options;
  if (!isCount(capacity, 1)) {
    throw new RangeError(
      `Cannot make streams of capacity ${brief(capacity)}: wanted a whole number from 1, or Infinity`,
    );
  }
  const label = name === undefined ? "stream" : `stream '${name}'`;
  const first: WiredStream = new WiredStream(
    `the first end of ${label}`,
    capacity,
    directly(() => second),
  );
  const second: WiredStream = new WiredStream(
    `the second end of ${label}`,
    capacity,
    directly(() => first),
  );
  return [first, second];
}

/** Tells the other end without delay. */
function directly(other: () => WiredStream): Wire {
  return {
    data: (bytes) => other().receive(bytes),
    end: () => other().receiveEnd(),
    room: (count) => other().getRoom(count),
    close: () => other().receiveClose(),
    reset: (reason) => other().breakUp("the other end has reset the connection", reason),
    catchUp: nothing,
    waits: nothing,
  };
}

function nothing(): void {}
