import type { Scenario } from "../lib/contract.ts";

export const TASKS = 2;
export const AWAITS = 3;

/** Two tasks with three awaits each, at every one of which the other may go on; gives how many there were. */
export async function smallProgram(pause: () => Promise<void>): Promise<number> {
  let awaits = 0;
  const task = async () => {
    for (let i = 0; i < AWAITS; i++) {
      await pause();
      awaits++;
    }
  };
  await Promise.all(Array.from({ length: TASKS }, task));
  return awaits;
}

export const exploreScenarios: Scenario[] = [
  {
    name: "schedules",
    title: `Random schedules of a small program: ${TASKS} tasks of ${AWAITS} awaits each`,
    unit: "schedule",
    operations: 10_000,
    quickOperations: 2000,
    sequential: true,
    expected: (n) => n * TASKS * AWAITS,
    notes: [
      "raw: the program, as often, in its usual order: what is to be scheduled.",
      "tasktree: explore with random schedules, of the program as it is; each has a tree and a virtual clock of its own. A schedule has about a dozen steps, those of Promise.all and of the explored function included: divide by as many for the cost of one.",
      "fast-check: assert of an asyncProperty with a scheduler, each promise wrapped by hand in schedule(), and waitFor the program. A schedule has 6 steps: what is not wrapped is not scheduled, time is real.",
    ],
  },
];
