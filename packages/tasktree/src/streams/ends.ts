/** What has to be a source or a sink of bytes, looked at before anything is done with it. */
import { brief } from "../errors.ts";
import type { ByteSink, ByteSource } from "./byte-stream.ts";

/** @throws {TypeError} If it has no `read()`. */
export function checkSource(what: string, source: ByteSource): void {
  if (typeof (source as Partial<ByteSource> | null | undefined)?.read === "function") return;
  throw new TypeError(`Cannot ${what} ${brief(source)}: wanted a source of bytes`);
}

/** @throws {TypeError} If it has no `write()`. */
export function checkSink(what: string, sink: ByteSink): void {
  const error = whyNoSink(what, sink);
  if (error !== undefined) throw error;
}

export function whyNoSink(what: string, sink: ByteSink): TypeError | undefined {
  if (typeof (sink as Partial<ByteSink> | null | undefined)?.write === "function") return undefined;
  return new TypeError(`Cannot ${what} ${brief(sink)}: wanted a sink of bytes`);
}
