import { ofChannels } from "./channels.ts";
import { ofCombine } from "./combine.ts";
import { ofTheCore } from "./core.ts";
import { ofQueues } from "./queues.ts";
import { ofStreams } from "./streams.ts";
import { ofSync } from "./sync.ts";

/**
 * A small wrong change of the source, against one clause: `npm run mutate:rules` shows that a test named after the clause
 * turns red. `find` must occur exactly once in the file.
 */
export interface Mutation {
  readonly clause: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export const mutations: readonly Mutation[] = [
  ...ofTheCore,
  ...ofSync,
  ...ofChannels,
  ...ofCombine,
  ...ofQueues,
  ...ofStreams,
];
