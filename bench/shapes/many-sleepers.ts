import { heapAfterGc, megabytes, startSpan } from "../lib/clock.ts";
import type { Figures, Shape } from "../lib/contract.ts";
import { tasktree as tt } from "../lib/subject.ts";

const MAX_RSS_MB = 1600;
const MAX_CANCEL_S = 20;

async function measure(n: number): Promise<Figures> {
  const figures: Figures = {};
  let ended = 0;
  let stop = startSpan();
  async function sleeper(): Promise<void> {
    try {
      await tt.sleep(3_600_000 + ended);
    } finally {
      ended++;
    }
  }
  const before = heapAfterGc();
  async function spawnAndCancel(scope: { cancel(): void }): Promise<void> {
    await tt.withTaskGroup(async (group) => {
      stop = startSpan();
      for (let i = 0; i < n; i++) group.spawn(sleeper);
      figures["spawn cpu µs/task"] = stop().cpuNs / 1000 / n;
      await new Promise((resolve) => setTimeout(resolve, 100));
      figures["rss MB"] = megabytes(process.memoryUsage().rss);
      figures["heap B/task"] = (heapAfterGc() - before) / n;
      stop = startSpan();
      scope.cancel();
    });
  }
  await tt.run(() => tt.withCancelScope(spawnAndCancel), { host: false });
  const cancelled = stop();
  if (ended !== n) throw new Error(`Only ${ended} of ${n} sleepers ended`);
  figures["cancel cpu µs/task"] = cancelled.cpuNs / 1000 / n;
  figures["cancel wall s"] = cancelled.wallNs / 1e9;
  figures["peak rss MB"] = megabytes(process.resourceUsage().maxRSS * 1024);
  return figures;
}

export const manySleepers: Shape = {
  name: "many-sleepers",
  title: "A million tasks asleep at once",
  points: ["1000000"],
  quickPoints: ["100000"],
  measure: (point) => measure(Number(point)),
  faults(figures) {
    return [...figures.values()].flatMap((row) => {
      const faults: string[] = [];
      if (row["rss MB"]! > MAX_RSS_MB) faults.push(`${row["rss MB"]!.toFixed(0)} MB resident (at most ${MAX_RSS_MB})`);
      if (row["cancel wall s"]! > MAX_CANCEL_S) faults.push(`cancelling took ${row["cancel wall s"]!.toFixed(1)} s`);
      return faults;
    });
  },
};
