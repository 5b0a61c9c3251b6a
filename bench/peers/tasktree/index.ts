import type { Adapter, Peer } from "../../lib/contract.ts";
import { describeSubject } from "../../lib/subject.ts";
import { channels, manyAtATime, tryFirst } from "./channels.ts";
import { allWithLimit, combine, limiterInChildren, semaphoreInChildren } from "./combine.ts";
import { explore } from "./explore.ts";
import { http, httpNode, httpResponse } from "./http.ts";
import { net } from "./net.ts";
import { sync, tryMutex } from "./sync.ts";
import { bulkAlls, bulkMaps, tasks } from "./tasks.ts";

export const tasktree: Peer = {
  name: "tasktree",
  describe: describeSubject,
  scenarios: { ...tasks, ...sync, ...combine, ...channels, ...explore, ...net, ...http },
};

/** Other forms of the same, each under a name of its own. */
const forms: Record<string, { what: string; scenarios: Record<string, Adapter> }> = {
  "tasktree-all": {
    what: "all(functions), with a limit where there is one",
    scenarios: { ...bulkAlls, limiter: allWithLimit, "limiter-million": allWithLimit, "map-range": allWithLimit },
  },
  "tasktree-map": { what: "mapConcurrent", scenarios: bulkMaps },
  "tasktree-try": { what: "tryAcquire, trySend, tryReceive", scenarios: { ...tryFirst, mutex: tryMutex } },
  "tasktree-many": { what: "receiveMany", scenarios: manyAtATime },
  "tasktree-response": { what: "new Response() in place of reply()", scenarios: httpResponse },
  "tasktree-node": { what: "withRequestTask around the handler of node:http", scenarios: httpNode },
  "tasktree-semaphore": { what: "a Semaphore around each child", scenarios: { limiter: semaphoreInChildren } },
  "tasktree-limiter": { what: "a CapacityLimiter around each child", scenarios: { limiter: limiterInChildren } },
};

export function tasktreeForm(name: string): Peer {
  const { what, scenarios } = forms[name]!;
  return { name, describe: () => `${describeSubject()}, ${what}`, scenarios };
}
