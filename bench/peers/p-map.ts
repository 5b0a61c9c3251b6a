import mapAll, { pMapIterable as mapOneByOne } from "p-map";
import type { Adapter, Peer } from "../lib/contract.ts";
import { packageVersion } from "../lib/version.ts";
import { LIMIT, numbers, step, sumOf } from "../scenarios/work.ts";

const toArray: Adapter = async (n) => sumOf(await mapAll(numbers(n), step, { concurrency: LIMIT }));

const version = (): string => `p-map ${packageVersion("node_modules/p-map")}`;

export const pMap: Peer = {
  name: "p-map",
  describe: () => `${version()}, pMap: an array of all results`,
  scenarios: { limit: toArray, map: toArray },
};

export const pMapIterable: Peer = {
  name: "p-map-iterable",
  describe: () => `${version()}, pMapIterable: results as they come, in order`,
  scenarios: {
    async map(n) {
      let sum = 0;
      for await (const value of mapOneByOne(numbers(n), step, { concurrency: LIMIT })) sum += value;
      return sum;
    },
  },
};
