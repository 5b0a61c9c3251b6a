import limitTo from "p-limit";
import type { Adapter, Peer } from "../lib/contract.ts";
import { packageVersion } from "../lib/version.ts";
import { LIMIT, numbers, step, sumOf } from "../scenarios/work.ts";

const limiter: Adapter = async (n) => sumOf(await limitTo(LIMIT).map(numbers(n), step));

export const pLimit: Peer = {
  name: "p-limit",
  describe: () => `p-limit ${packageVersion("node_modules/p-limit")}`,
  scenarios: { limiter, "limiter-million": limiter },
};
