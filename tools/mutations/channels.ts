/** Mutations of packages/tasktree/src/channels. */
import type { Mutation } from "./index.ts";

export const ofChannels: readonly Mutation[] = [];
