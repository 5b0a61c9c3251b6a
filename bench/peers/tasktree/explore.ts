import type { Adapter } from "../../lib/contract.ts";
import { loadTesting } from "../../lib/subject.ts";
import { AWAITS, smallProgram, TASKS } from "../../scenarios/explore.ts";

export const explore: Record<string, Adapter> = {
  async schedules(n) {
    const { explore } = await loadTesting();
    let awaits = 0;
    const program = async () => {
      awaits += await smallProgram(() => Promise.resolve());
    };
    const { steps } = await explore(program, { strategy: "random", schedules: n });
    if (steps < n * TASKS * AWAITS) throw new Error(`Only ${steps} steps in ${n} schedules`);
    return awaits;
  },
};
