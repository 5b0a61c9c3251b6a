import { inChannels } from "./channels.ts";
import type { Fault } from "./fault.ts";
import { inSync } from "./sync.ts";
import { inTrees } from "./trees.ts";

export const faults: readonly Fault[] = [...inSync, ...inChannels, ...inTrees];
