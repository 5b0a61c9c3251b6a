import type { Adapter } from "../../lib/contract.ts";
import { tasktree as tt } from "../../lib/subject.ts";
import { deal, WORKERS } from "../../scenarios/work.ts";

const { Channel, EndOfStream, run, select, withTaskGroup } = tt;

type Numbers = InstanceType<typeof Channel<number>>;

/** Sends the numbers from one, up to another. */
type Produce = (channel: Numbers, from: number, to: number) => Promise<void>;

/** Receives until the end, and gives the sum. */
type Consume = (channel: Numbers) => Promise<number>;

const sendEach: Produce = async (channel, from, to) => {
  for (let i = from; i < to; i++) await channel.send(i);
};

const trySendEach: Produce = async (channel, from, to) => {
  for (let i = from; i < to; i++) if (!channel.trySend(i)) await channel.send(i);
};

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

const tryEach: Consume = async (channel) => {
  let sum = 0;
  try {
    for (;;) {
      const received = channel.tryReceive();
      sum += received === undefined ? await channel.receive() : received.value;
    }
  } catch (error) {
    if (!(error instanceof EndOfStream)) throw error;
  }
  return sum;
};

function handOver(produce: Produce, consume: Consume, capacity: number, sides: number): Adapter {
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
              producers.spawn(() => produce(channel, from, to));
            }
          });
          channel.close();
        });
        return sum;
      },
      { host: false },
    );
}

function channelsWith(produce: Produce, consume: Consume): Record<string, Adapter> {
  return {
    "channel-0": handOver(produce, consume, 0, 1),
    "channel-1": handOver(produce, consume, 1, 1),
    "channel-100": handOver(produce, consume, 100, 1),
    "channel-10x10-0": handOver(produce, consume, 0, WORKERS),
    "channel-10x10-1": handOver(produce, consume, 1, WORKERS),
    "channel-10x10-100": handOver(produce, consume, 100, WORKERS),
  };
}

export const manyAtATime: Record<string, Adapter> = channelsWith(sendEach, inBatches);
export const tryFirst: Record<string, Adapter> = channelsWith(trySendEach, tryEach);

export const channels: Record<string, Adapter> = {
  ...channelsWith(sendEach, oneByOne),

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
