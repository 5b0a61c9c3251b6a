import type { Adapter } from "../../lib/contract.ts";
import { tasktree as tt } from "../../lib/subject.ts";
import { deal, WORKERS } from "../../scenarios/work.ts";

const { Channel, EndOfStream, run, select, withTaskGroup } = tt;

/** Receives until the end, and gives the sum. */
type Consume = (channel: InstanceType<typeof Channel<number>>) => Promise<number>;

const oneByOne: Consume = async (channel) => {
  let sum = 0;
  for await (const item of channel) sum += item;
  return sum;
};

const inBatches: Consume = async (channel) => {
  let sum = 0;
  try {
    for (;;) for (const item of await channel.receiveMany()) sum += item;
  } catch (error) {
    if (!(error instanceof EndOfStream)) throw error;
  }
  return sum;
};

function handOver(consume: Consume, capacity: number, sides: number): Adapter {
  return (n) =>
    run(
      async () => {
        const channel = new Channel<number>(capacity);
        let sum = 0;
        await withTaskGroup(async (group) => {
          for (let side = 0; side < sides; side++) {
            group.spawn(async () => {
              const part = await consume(channel);
              sum += part;
            });
          }
          await withTaskGroup(async (producers) => {
            for (const [from, to] of deal(n, sides)) {
              producers.spawn(async () => {
                for (let i = from; i < to; i++) await channel.send(i);
              });
            }
          });
          channel.close();
        });
        return sum;
      },
      { host: false },
    );
}

function channelsWith(consume: Consume): Record<string, Adapter> {
  return {
    "channel-0": handOver(consume, 0, 1),
    "channel-100": handOver(consume, 100, 1),
    "channel-10x10": handOver(consume, 100, WORKERS),
  };
}

export const manyAtATime: Record<string, Adapter> = channelsWith(inBatches);

export const channels: Record<string, Adapter> = {
  ...channelsWith(oneByOne),

  select: (n) =>
    run(
      async () => {
        const [a, b] = [new Channel<number>(100), new Channel<number>(100)];
        let sum = 0;
        await withTaskGroup(async (group) => {
          const [first, second] = deal(n, 2);
          for (const [channel, share] of [
            [a, first!],
            [b, second!],
          ] as const) {
            group.spawn(async () => {
              for (let i = share[0]; i < share[1]; i++) await channel.send(i);
            });
          }
          for (let i = 0; i < n; i++) sum += (await select({ a, b })).value;
        });
        return sum;
      },
      { host: false },
    ),
};
