/** Mutations of packages/tasktree/src/sync. */
import type { Mutation } from "./index.ts";

export const ofSync: readonly Mutation[] = [];
