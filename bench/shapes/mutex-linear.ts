import { collectGarbage, startSpan } from "../lib/clock.ts";
import type { Figures, Shape } from "../lib/contract.ts";
import { mutexLine } from "../peers/tasktree/sync.ts";
import { sumBelow } from "../scenarios/work.ts";
import { growthFaults } from "./growth.ts";

async function measure(n: number): Promise<Figures> {
  let stop = startSpan();
  function begin(): void {
    collectGarbage();
    stop = startSpan();
  }
  const sum = await mutexLine(
    n,
    begin,
    Object.assign(() => {}, { recording: false }),
  );
  const span = stop();
  if (sum !== sumBelow(n)) throw new Error(`Wrong sum of ${n} turns: ${sum}`);
  return { "cpu µs/turn": span.cpuNs / 1000 / n };
}

export const mutexLinear: Shape = {
  name: "mutex-linear",
  title: "A turn with a mutex costs the same however many wait for it",
  points: ["10000", "100000", "1000000"],
  quickPoints: ["10000", "100000"],
  async measure(point) {
    await measure(2000);
    return await measure(Number(point));
  },
  faults: (figures) => growthFaults(figures, "cpu µs/turn", 4),
};
