import type { Peer } from "../lib/contract.ts";

// Loaded on demand: a measurement's process holds one peer, and nothing of the others.
const loaders: Record<string, () => Promise<Peer>> = {
  raw: async () => (await import("./raw/index.ts")).raw,
  "raw-als": async () => (await import("./raw/als.ts")).rawAls,
  "raw-set": async () => (await import("./raw/set.ts")).rawSet,
  tasktree: async () => (await import("./tasktree/index.ts")).tasktree,
  "tasktree-many": async () => (await import("./tasktree/index.ts")).tasktreeMany,
  "tasktree-semaphore": async () => (await import("./tasktree/index.ts")).tasktreeSemaphore,
  "tasktree-limiter": async () => (await import("./tasktree/index.ts")).tasktreeLimiter,
  effect: async () => (await import("./effect/index.ts")).effect,
  "effect-gen": async () => (await import("./effect/index.ts")).effectGen,
  effection: async () => (await import("./effection.ts")).effection,
  "async-mutex": async () => (await import("./async-mutex.ts")).asyncMutex,
  "async-sema": async () => (await import("./async-sema.ts")).asyncSema,
  "p-limit": async () => (await import("./p-limit.ts")).pLimit,
  "p-map": async () => (await import("./p-map.ts")).pMap,
  "p-map-iterable": async () => (await import("./p-map.ts")).pMapIterable,
  "p-queue": async () => (await import("./p-queue.ts")).pQueue,
  "fast-check": async () => (await import("./fast-check.ts")).fastCheck,
  fastq: async () => (await import("./fastq.ts")).fastq,
  "node-streams": async () => (await import("./node-streams.ts")).nodeStreams,
  "web-streams": async () => (await import("./web-streams.ts")).webStreams,
};

export const peerNames: string[] = Object.keys(loaders);

export async function loadPeer(name: string): Promise<Peer> {
  const load = loaders[name];
  if (!load) throw new Error(`Unknown peer: ${name} (one of ${peerNames.join(", ")})`);
  return await load();
}
