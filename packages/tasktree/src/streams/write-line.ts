import { brief } from "../errors.ts";
import type { ByteSink } from "./byte-stream.ts";
import { whyNoSink } from "./ends.ts";

const encoder = new TextEncoder();

/**
 * Writes `line` and a `\n`, in UTF-8.
 *
 * Cancellation: Checkpoint, effects possible: as `write()` of the sink.
 *
 * @throws {TypeError} If `sink` is no sink, or `line` not a string.
 * @throws {RangeError} If there is a line break in it: the other end would take it for two.
 */
export function writeLine(sink: ByteSink, line: string): Promise<void> {
  const error = whyNoSink("write a line to", sink) ?? whyNoLine(line);
  return error === undefined ? sink.write(encoder.encode(`${line}\n`)) : Promise.reject(error);
}

function whyNoLine(line: unknown): Error | undefined {
  if (typeof line !== "string") return new TypeError(`Cannot write ${brief(line)} as a line: wanted a string`);
  const at = line.search(/[\n\r]/);
  return at === -1 ? undefined : new RangeError(`Cannot write ${brief(line)} as a line: it has a line break at ${at}`);
}
