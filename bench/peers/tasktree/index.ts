import type { Peer } from "../../lib/contract.ts";
import { describeSubject } from "../../lib/subject.ts";
import { channels, manyAtATime } from "./channels.ts";
import { combine, limitWith } from "./combine.ts";
import { explore } from "./explore.ts";
import { sync } from "./sync.ts";
import { tasks } from "./tasks.ts";

export const tasktree: Peer = {
  name: "tasktree",
  describe: describeSubject,
  scenarios: { ...tasks, ...sync, ...combine, ...channels, ...explore },
};

export const tasktreeMany: Peer = {
  name: "tasktree-many",
  describe: () => `${describeSubject()}, receiveMany`,
  scenarios: manyAtATime,
};

export const tasktreeSemaphore: Peer = {
  name: "tasktree-semaphore",
  describe: () => `${describeSubject()}, a Semaphore around each child`,
  scenarios: { limit: limitWith("Semaphore") },
};

export const tasktreeLimiter: Peer = {
  name: "tasktree-limiter",
  describe: () => `${describeSubject()}, a CapacityLimiter around each child`,
  scenarios: { limit: limitWith("CapacityLimiter") },
};
