import type { Adapter } from "../../lib/contract.ts";
import { smallProgram } from "../../scenarios/explore.ts";

export const rawExplore: Record<string, Adapter> = {
  async schedules(n) {
    let awaits = 0;
    for (let i = 0; i < n; i++) awaits += await smallProgram(() => Promise.resolve());
    return awaits;
  },
};
