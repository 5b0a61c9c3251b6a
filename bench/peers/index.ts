import type { Peer } from "../lib/contract.ts";

// Loaded on demand: a measurement's process holds one peer, and nothing of the others.
const loaders: Record<string, () => Promise<Peer>> = {
  raw: async () => (await import("./raw/index.ts")).raw,
  "raw-als": async () => (await import("./raw/als.ts")).rawAls,
  "raw-enter": async () => (await import("./raw/als.ts")).rawEnter,
  "raw-await": async () => (await import("./raw/index.ts")).rawAwait,
  "raw-signal": async () => (await import("./raw/signal.ts")).rawSignal,
  "raw-set": async () => (await import("./raw/set.ts")).rawSet,
  tasktree: async () => (await import("./tasktree/index.ts")).tasktree,
  "tasktree-all": () => tasktreeForm("tasktree-all"),
  "tasktree-map": () => tasktreeForm("tasktree-map"),
  "tasktree-try": () => tasktreeForm("tasktree-try"),
  "tasktree-many": () => tasktreeForm("tasktree-many"),
  "tasktree-response": () => tasktreeForm("tasktree-response"),
  "tasktree-node": () => tasktreeForm("tasktree-node"),
  "tasktree-semaphore": () => tasktreeForm("tasktree-semaphore"),
  "tasktree-limiter": () => tasktreeForm("tasktree-limiter"),
  effect: async () => (await import("./effect/index.ts")).effect,
  "effect-gen": async () => (await import("./effect/index.ts")).effectGen,
  "effect-one": async () => (await import("./effect/index.ts")).effectOne,
  effection: async () => (await import("./effection.ts")).effection,
  "async-mutex": async () => (await import("./async-mutex.ts")).asyncMutex,
  "async-sema": async () => (await import("./async-sema.ts")).asyncSema,
  "p-limit": async () => (await import("./p-limit.ts")).pLimit,
  "p-map": async () => (await import("./p-map.ts")).pMap,
  "p-map-iterable": async () => (await import("./p-map.ts")).pMapIterable,
  "p-queue": async () => (await import("./p-queue.ts")).pQueue,
  "p-timeout": async () => (await import("./p-timeout.ts")).pTimeout,
  "henrygd-queue": async () => (await import("./henrygd-queue.ts")).henrygdQueue,
  "modern-async": async () => (await import("./modern-async.ts")).modernAsync,
  rxjs: async () => (await import("./rxjs.ts")).rxjs,
  "fast-check": async () => (await import("./fast-check.ts")).fastCheck,
  fastq: async () => (await import("./fastq.ts")).fastq,
  fastify: async () => (await import("./fastify.ts")).fastify,
  "tasktree-fastify": async () => (await import("./fastify.ts")).tasktreeFastify,
  "node-streams": async () => (await import("./node-streams.ts")).nodeStreams,
  go: async () => (await import("./go/index.ts")).go,
  asyncio: async () => (await import("./python/index.ts")).asyncio,
  uvloop: async () => (await import("./python/index.ts")).uvloop,
  trio: async () => (await import("./python/index.ts")).trio,
  "web-streams": async () => (await import("./web-streams.ts")).webStreams,
};

async function tasktreeForm(name: string): Promise<Peer> {
  return (await import("./tasktree/index.ts")).tasktreeForm(name);
}

export const peerNames: string[] = Object.keys(loaders);

export async function loadPeer(name: string): Promise<Peer> {
  const load = loaders[name];
  if (!load) throw new Error(`Unknown peer: ${name} (one of ${peerNames.join(", ")})`);
  return await load();
}
