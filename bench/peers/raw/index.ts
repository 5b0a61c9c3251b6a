import type { Peer } from "../../lib/contract.ts";
import { rawChannels } from "./channels.ts";
import { rawCombine } from "./combine.ts";
import { rawExplore } from "./explore.ts";
import { rawHttp } from "./http.ts";
import { rawNet } from "./net.ts";
import { awaitedFlag, rawSync } from "./sync.ts";
import { rawTasks } from "./tasks.ts";

export const raw: Peer = {
  name: "raw",
  describe: () => "native promises",
  scenarios: {
    ...rawTasks((task) => task()),
    ...rawSync,
    ...rawCombine,
    ...rawChannels,
    ...rawExplore,
    ...rawNet,
    ...rawHttp,
  },
};

export const rawAwait: Peer = {
  name: "raw-await",
  describe: () => "the flag of raw, awaited",
  scenarios: { mutex: awaitedFlag },
};
