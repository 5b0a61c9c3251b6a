import mapAll, { pMapIterable as mapOneByOne } from "p-map";
import type { Adapter, Peer } from "../lib/contract.ts";
import { packageVersion } from "../lib/version.ts";
import { generate, GENERATOR_LIMIT, LIMIT, numbers, step, sumOf } from "../scenarios/work.ts";

const limited: Adapter = async (n) => sumOf(await mapAll(numbers(n), step, { concurrency: LIMIT }));

function oneByOne(itemsOf: (n: number) => Iterable<number> | AsyncIterable<number>, concurrency: number): Adapter {
  return async (n) => {
    let sum = 0;
    for await (const value of mapOneByOne(itemsOf(n), step, { concurrency })) sum += value;
    return sum;
  };
}

const version = (): string => `p-map ${packageVersion("node_modules/p-map")}`;

export const pMap: Peer = {
  name: "p-map",
  describe: () => `${version()}, pMap: an array of all results`,
  scenarios: {
    limiter: limited,
    "map-range": limited,
    "map-generator": async (n) => sumOf(await mapAll(generate(n), step, { concurrency: GENERATOR_LIMIT })),
  },
};

export const pMapIterable: Peer = {
  name: "p-map-iterable",
  describe: () => `${version()}, pMapIterable: results as they come, in order`,
  scenarios: {
    "map-range": oneByOne(numbers, LIMIT),
    "map-generator": oneByOne(generate, GENERATOR_LIMIT),
  },
};
