/** Bytes from task to task, and from program to program. */
export type {
  ByteSink,
  ByteSinkStatistics,
  ByteSource,
  ByteSourceStatistics,
  ByteStream,
  ByteStreamStatistics,
} from "./byte-stream.ts";
export { BufferedReader, type BufferedReaderOptions, type LimitOptions } from "./buffered-reader.ts";
export type { Listener, ListenerStatistics } from "./listener.ts";
export { memoryStreamPair, type MemoryStreamPairOptions } from "./memory-stream-pair.ts";
export { ndjson, writeJson } from "./ndjson.ts";
export { pipe } from "./pipe.ts";
export { staple } from "./staple.ts";
export {
  fromReadableStream,
  fromWebStreams,
  fromWritableStream,
  toReadableStream,
  toWritableStream,
  type WebStreamOptions,
  type WebStreamPair,
} from "./web/web-streams.ts";
export { writeLine } from "./write-line.ts";
