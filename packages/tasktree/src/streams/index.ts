/** Bytes from task to task, and from program to program. */
export type {
  ByteSink,
  ByteSinkStatistics,
  ByteSource,
  ByteSourceStatistics,
  ByteStream,
  ByteStreamStatistics,
} from "./byte-stream.ts";
export type { Listener, ListenerStatistics } from "./listener.ts";
export { memoryStreamPair, type MemoryStreamPairOptions } from "./memory-stream-pair.ts";
