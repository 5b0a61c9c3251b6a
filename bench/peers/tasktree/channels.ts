import type { Adapter } from "../../lib/contract.ts";
import { tasktree as tt } from "../../lib/subject.ts";
import { deal, WORKERS } from "../../scenarios/work.ts";

const { Channel, run, select, withTaskGroup } = tt;

function handOver(capacity: number, sides: number): Adapter {
  return (n) =>
    run(
      async () => {
        const channel = new Channel<number>(capacity);
        let sum = 0;
        await withTaskGroup(async (group) => {
          for (let side = 0; side < sides; side++) {
            group.spawn(async () => {
              for await (const item of channel) sum += item;
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

export const channels: Record<string, Adapter> = {
  "channel-0": handOver(0, 1),
  "channel-100": handOver(100, 1),
  "channel-10x10": handOver(100, WORKERS),

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
