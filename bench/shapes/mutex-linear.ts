import { startSpan } from "../lib/clock.ts";
import type { Figures, Shape } from "../lib/contract.ts";
import { mutexLine } from "../peers/tasktree/sync.ts";
import { sumBelow } from "../scenarios/work.ts";
import { growthFaults } from "./growth.ts";

const TURNS = 100_000;

async function measure(length: number): Promise<Figures> {
  const stop = startSpan();
  const sum = await mutexLine(length)(TURNS, () => {});
  const span = stop();
  if (sum !== sumBelow(TURNS)) throw new Error(`Wrong sum of ${TURNS} turns: ${sum}`);
  return { "cpu µs/turn": span.cpuNs / 1000 / TURNS };
}

export const mutexLinear: Shape = {
  name: "mutex-linear",
  title: "A turn with a mutex costs the same however many wait for it",
  points: ["1000", "10000", "100000"],
  quickPoints: ["1000", "10000"],
  async measure(point) {
    await measure(1000);
    return await measure(Number(point));
  },
  faults: (figures) => growthFaults(figures, "cpu µs/turn", 4),
};
