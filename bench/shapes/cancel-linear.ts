import { collectGarbage, startSpan } from "../lib/clock.ts";
import type { Figures, Shape } from "../lib/contract.ts";
import { tasktree as tt } from "../lib/subject.ts";
import { growthFaults } from "./growth.ts";

async function measure(n: number): Promise<Figures> {
  let ended = 0;
  let stop = startSpan();
  async function wait(): Promise<void> {
    try {
      await tt.sleepForever();
    } finally {
      ended++;
    }
  }
  async function cancelAll(scope: { cancel(): void }): Promise<void> {
    await tt.withTaskGroup(async (group) => {
      for (let i = 0; i < n; i++) group.spawn(wait);
      collectGarbage();
      stop = startSpan();
      scope.cancel();
    });
  }
  await tt.run(() => tt.withCancelScope(cancelAll), { host: false });
  const span = stop();
  if (ended !== n) throw new Error(`Only ${ended} of ${n} tasks ended`);
  return { "cpu µs/task": span.cpuNs / 1000 / n, "wall ms": span.wallNs / 1e6 };
}

export const cancelLinear: Shape = {
  name: "cancel-linear",
  title: "Cancelling takes time linear in the waiting tasks",
  points: ["10000", "100000", "1000000"],
  quickPoints: ["10000", "100000"],
  async measure(point) {
    await measure(2000);
    return await measure(Number(point));
  },
  faults: (figures) => growthFaults(figures, "cpu µs/task", 4),
};
