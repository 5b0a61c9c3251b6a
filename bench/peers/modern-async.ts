import { asyncGeneratorMap, asyncMap } from "modern-async";
import type { Peer } from "../lib/contract.ts";
import { packageVersion } from "../lib/version.ts";
import { generate, GENERATOR_LIMIT, LIMIT, numbers, step, sumOf } from "../scenarios/work.ts";

export const modernAsync: Peer = {
  name: "modern-async",
  describe: () => `modern-async ${packageVersion("node_modules/modern-async")}`,
  scenarios: {
    "map-range": async (n) => sumOf(await asyncMap(numbers(n), step, LIMIT)),

    async "map-generator"(n) {
      let sum = 0;
      for await (const value of asyncGeneratorMap(generate(n), step, GENERATOR_LIMIT)) sum += value;
      return sum;
    },
  },
};
