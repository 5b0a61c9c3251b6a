/** Streams of Node's as byte streams, and the way back. */
export { fromNodeDuplex } from "./duplex.ts";
export { fromNodeWritable } from "./sink.ts";
export { fromNodeReadable, type NodeStreamOptions } from "./source.ts";
export { toNodeStream } from "./to-node-stream.ts";
