import { assert, asyncProperty, scheduler } from "fast-check";
import type { Peer } from "../lib/contract.ts";
import { packageVersion } from "../lib/version.ts";
import { smallProgram } from "../scenarios/explore.ts";

export const fastCheck: Peer = {
  name: "fast-check",
  describe: () => `fast-check ${packageVersion("node_modules/fast-check")}, its scheduler`,
  scenarios: {
    async schedules(n) {
      let awaits = 0;
      const property = asyncProperty(scheduler(), async (orders) => {
        awaits += await orders.waitFor(smallProgram(() => orders.schedule(Promise.resolve())));
      });
      await assert(property, { numRuns: n, seed: 1 });
      return awaits;
    },
  },
};
