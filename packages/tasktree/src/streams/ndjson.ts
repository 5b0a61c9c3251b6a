import { brief } from "../errors.ts";
import { quiet } from "../lowlevel.ts";
import { BufferedReader, type BufferedReaderOptions } from "./buffered-reader.ts";
import type { ByteSink, ByteSource } from "./byte-stream.ts";
import { writeLine } from "./write-line.ts";

/**
 * Value after value of newline-delimited JSON. Empty lines are passed over. The values are what the other side says they are: `T`
 * is not checked.
 *
 * A line that is no JSON is an error of that step, and is taken: the next step goes on behind it. Leaving the loop early does not
 * close the source; what was read ahead is in the reader, so give a `BufferedReader` to read on.
 *
 * Cancellation: Each step is a checkpoint, nothing lost.
 *
 * @param options As of `BufferedReader`; a reader that is given has its own.
 * @throws {SyntaxError} At a step: if the line is no JSON; it names the line by its number.
 * @throws {LimitExceededError} At a step: if a line has more bytes than `limit`, by default 65,536.
 * @example
 * ```ts
 * import { memoryStreamPair, ndjson, writeJson } from "tasktree/streams";
 * import assert from "node:assert";
 * const [here, there] = memoryStreamPair();
 * for (const n of [1, 2]) await writeJson(there, { n });
 * await there.close();
 * let sum = 0;
 * for await (const { n } of ndjson<{ n: number }>(here)) sum += n;
 * assert.equal(sum, 3);
 * ```
 */
export function ndjson<T = unknown>(
  source: ByteSource,
  options: BufferedReaderOptions = {},
): AsyncIterableIterator<T, undefined> {
  const lines = (source instanceof BufferedReader ? source : new BufferedReader(source, options)).lines();
  let number = 0;
  const iterator: AsyncIterableIterator<T, undefined> = {
    next: () => quiet(next),
    [Symbol.asyncIterator]: () => iterator,
  };
  return iterator;

  async function next(): Promise<IteratorResult<T, undefined>> {
    for (;;) {
      const { done, value: line } = await lines.next();
      if (done === true) return { done, value: undefined };
      number++;
      if (line.trim() !== "") return { done: false, value: parse(line, number) as T };
    }
  }
}

/**
 * Writes `value` as a line of newline-delimited JSON.
 *
 * Cancellation: Checkpoint, effects possible: as `write()` of the sink.
 *
 * @throws {TypeError} If JSON has no word for `value`: undefined, a function, a bigint, what holds itself.
 */
export function writeJson(sink: ByteSink, value: unknown): Promise<void> {
  return quiet(async () => {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) throw new TypeError(`Cannot write ${brief(value)} as JSON: JSON has no word for it`);
    await writeLine(sink, text);
  });
}

function parse(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new SyntaxError(`Cannot read line ${number} as JSON: ${brief(line)}`, { cause: error });
  }
}
