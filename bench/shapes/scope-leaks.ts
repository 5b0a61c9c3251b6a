import { megabytes, settledHeapAfterGc, startSpan } from "../lib/clock.ts";
import type { Figures, Shape } from "../lib/contract.ts";
import { tasktree as tt } from "../lib/subject.ts";

const FIRST = 100_000;
const LAST = 1_000_000;
const SLACK_MB = 5;

async function soon(): Promise<number> {
  await null;
  return 1;
}

/** What one use is; each must leave nothing behind in the task that goes on. */
const uses: Record<string, () => Promise<unknown>> = {
  race: () => tt.race([soon, () => tt.sleep(60_000)]),
  failAfter: () => tt.failAfter(60_000, soon),
  moveOnAfter: () => tt.moveOnAfter(60_000, soon),
  currentSignal: async () => tt.currentSignal().aborted,
  "currentSignal in a scope": () => tt.withCancelScope(async () => tt.currentSignal().aborted),
};

async function measure(use: () => Promise<unknown>): Promise<Figures> {
  const heap: number[] = [];
  const stop = startSpan();
  async function main(): Promise<void> {
    for (let done = 1; done <= LAST; done++) {
      await use();
      // A loop that never leaves the microtasks would starve the host's own bookkeeping.
      if (done % 10_000 === 0) await tt.sleep(0);
      if (done === FIRST || done === LAST) heap.push(megabytes(await settledHeapAfterGc()));
    }
  }
  await tt.run(main, { host: false });
  return { "heap MB at 0.1 M": heap[0]!, "heap MB at 1 M": heap[1]!, "cpu µs/use": stop().cpuNs / 1000 / LAST };
}

export const scopeLeaks: Shape = {
  name: "scope-leaks",
  title: "A million races, timeouts and signals in one task leave nothing behind",
  points: Object.keys(uses),
  quickPoints: ["failAfter"],
  measure: (point) => measure(uses[point]!),
  faults(figures) {
    return [...figures].flatMap(([point, row]) => {
      const growth = row["heap MB at 1 M"]! - row["heap MB at 0.1 M"]!;
      return growth > SLACK_MB ? [`${point}: the heap grew by ${growth.toFixed(1)} MB (at most ${SLACK_MB})`] : [];
    });
  },
};
