import type { Scenario } from "../lib/contract.ts";
import { channelScenarios } from "./channels.ts";
import { combineScenarios } from "./combine.ts";
import { exploreScenarios } from "./explore.ts";
import { httpScenarios } from "./http.ts";
import { netScenarios } from "./net.ts";
import { queueScenarios } from "./queues.ts";
import { syncScenarios } from "./sync.ts";
import { taskScenarios } from "./tasks.ts";

export const scenarios: Scenario[] = [
  ...taskScenarios,
  ...syncScenarios,
  ...combineScenarios,
  ...channelScenarios,
  ...queueScenarios,
  ...netScenarios,
  ...httpScenarios,
  ...exploreScenarios,
];
