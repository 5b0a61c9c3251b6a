import { megabytes, settledHeapAfterGc, startSpan } from "../lib/clock.ts";
import type { Figures, Shape } from "../lib/contract.ts";
import { tasktree as tt } from "../lib/subject.ts";

const MILLION = 1_000_000;
const LIVE = 1000;
const SLACK_MB = 5;

async function measure(millions: number[]): Promise<Figures> {
  const figures: Figures = {};
  const last = millions.at(-1)! * MILLION;
  let ended = 0;
  const stop = startSpan();
  async function child(): Promise<void> {
    await null;
    ended++;
  }
  async function spawnAll(): Promise<void> {
    await tt.withTaskGroup(async (group) => {
      for (let spawned = 0; spawned < last;) {
        for (let i = 0; i < LIVE; i++) group.spawn(child);
        spawned += LIVE;
        await tt.sleep(0);
        if (millions.includes(spawned / MILLION)) {
          figures[`heap MB at ${spawned / MILLION} M`] = megabytes(await settledHeapAfterGc());
        }
      }
    });
  }
  await tt.run(spawnAll, { host: false });
  if (ended !== last) throw new Error(`Only ${ended} of ${last} children ended`);
  figures["cpu µs/child"] = stop().cpuNs / 1000 / last;
  return figures;
}

export const shortChildren: Shape = {
  name: "short-children",
  title: "A group that lives long holds nothing of ten million ended children",
  points: ["1,5,10"],
  quickPoints: ["1,2"],
  measure: (point) => measure(point.split(",").map(Number)),
  faults(figures) {
    return [...figures.values()].flatMap((row) => {
      const heaps = Object.entries(row).filter(([column]) => column.startsWith("heap"));
      const growth = Math.max(...heaps.map(([, heap]) => heap)) - heaps[0]![1];
      return growth > SLACK_MB ? [`the heap grew by ${growth.toFixed(1)} MB (at most ${SLACK_MB})`] : [];
    });
  },
};
