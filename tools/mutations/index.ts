import { ofAmbient } from "./ambient.ts";
import { ofChannels } from "./channels.ts";
import { ofCombine } from "./combine.ts";
import { ofTheCore } from "./core.ts";
import { ofLinesAndWeb } from "./lines-and-web.ts";
import { ofProcesses } from "./processes.ts";
import { ofFs } from "./fs.ts";
import { ofHttpClient } from "./http-client.ts";
import { ofNet } from "./net.ts";
import { ofHttpServer } from "./http-server.ts";
import { ofWebSocket } from "./http-ws.ts";
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
  ...ofAmbient,
  ...ofTheCore,
  ...ofSync,
  ...ofChannels,
  ...ofCombine,
  ...ofFs,
  ...ofHttpClient,
  ...ofNet,
  ...ofHttpServer,
  ...ofWebSocket,
  ...ofQueues,
  ...ofStreams,
  ...ofProcesses,
  ...ofLinesAndWeb,
];
