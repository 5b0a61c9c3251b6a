/** Mutations of packages/tasktree/src/queues. */
import type { Mutation } from "./index.ts";

export const ofQueues: readonly Mutation[] = [];
