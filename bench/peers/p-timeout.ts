import timeoutOf from "p-timeout";
import type { Peer } from "../lib/contract.ts";
import { packageVersion } from "../lib/version.ts";
import { step, TIMEOUT_MS } from "../scenarios/work.ts";

export const pTimeout: Peer = {
  name: "p-timeout",
  describe: () => `p-timeout ${packageVersion("node_modules/p-timeout")}`,
  slowdown: 10,
  scenarios: {
    async timeout(n) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += await timeoutOf(step(i), { milliseconds: TIMEOUT_MS });
      return sum;
    },
  },
};
