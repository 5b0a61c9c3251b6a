import type { Peer } from "../lib/contract.ts";

// Loaded on demand: a measurement's process holds one peer, and nothing of the others.
const loaders: Record<string, () => Promise<Peer>> = {
  raw: async () => (await import("./raw.ts")).raw,
  "raw-als": async () => (await import("./raw-als.ts")).rawAls,
  "raw-set": async () => (await import("./raw-set.ts")).rawSet,
  tasktree: async () => (await import("./tasktree.ts")).tasktree,
  effect: async () => (await import("./effect.ts")).effect,
  "effect-gen": async () => (await import("./effect.ts")).effectGen,
  effection: async () => (await import("./effection.ts")).effection,
};

export const peerNames: string[] = Object.keys(loaders);

export async function loadPeer(name: string): Promise<Peer> {
  const load = loaders[name];
  if (!load) throw new Error(`Unknown peer: ${name} (one of ${peerNames.join(", ")})`);
  return await load();
}
