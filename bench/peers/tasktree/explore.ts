import type { Adapter } from "../../lib/contract.ts";
import { loadTesting } from "../../lib/subject.ts";
import { smallProgram } from "../../scenarios/explore.ts";

/** The steps of one schedule, which the scenario's notes name. */
const STEPS = 13;

export const explore: Record<string, Adapter> = {
  async schedules(n) {
    const { explore } = await loadTesting();
    let awaits = 0;
    const program = async () => {
      awaits += await smallProgram(() => Promise.resolve());
    };
    const { steps } = await explore(program, { strategy: "random", schedules: n });
    if (steps !== n * STEPS) throw new Error(`${steps / n} steps a schedule, and the notes say ${STEPS}`);
    return awaits;
  },
};
