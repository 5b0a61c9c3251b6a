import limitTo from "p-limit";
import type { Peer } from "../lib/contract.ts";
import { packageVersion } from "../lib/version.ts";
import { LIMIT, numbers, step, sumOf } from "../scenarios/work.ts";

export const pLimit: Peer = {
  name: "p-limit",
  describe: () => `p-limit ${packageVersion("node_modules/p-limit")}`,
  scenarios: {
    async limit(n) {
      const limit = limitTo(LIMIT);
      return sumOf(await limit.map(numbers(n), step));
    },
  },
};
