import type { Adapter, Peer } from "../lib/contract.ts";

/** Of capacity 0, as a TransformStream is by default, or with room for so many. */
function handOver(capacity: number): Adapter {
  return async (n) => {
    const { readable, writable } =
      capacity === 0
        ? new TransformStream<number, number>()
        : new TransformStream<number, number>({}, { highWaterMark: capacity });
    let sum = 0;
    async function produce(): Promise<void> {
      const writer = writable.getWriter();
      for (let i = 0; i < n; i++) {
        if (capacity === 0) {
          await writer.write(i);
        } else {
          await writer.ready;
          void writer.write(i);
        }
      }
      await writer.close();
    }
    const producing = produce();
    for await (const item of readable) sum += item;
    await producing;
    return sum;
  };
}

export const webStreams: Peer = {
  name: "web-streams",
  describe: () => "web streams of this Node",
  scenarios: { "channel-0": handOver(0), "channel-1": handOver(1), "channel-100": handOver(100) },
};
