import { availableParallelism, cpus, totalmem } from "node:os";
import type { Peer } from "../lib/contract.ts";

export type Head = { machine: string; node: string; date: string; peers: Record<string, string> };

/** What was measured, and where. */
export function head(peers: Peer[]): Head {
  const cpu = cpus()[0]?.model.trim() || "unknown processor";
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
  return {
    machine: `${cpu}, ${availableParallelism()} cores, ${memory}, ${process.platform} ${process.arch}`,
    node: process.versions.node,
    date: new Date().toISOString().slice(0, 10),
    peers: Object.fromEntries(peers.map((peer) => [peer.name, state(peer)])),
  };
}

function state(peer: Peer): string {
  const absent = peer.absent?.();
  return absent === undefined ? peer.describe() : `ABSENT: ${absent}`;
}

export function printHead({ machine, node, date, peers }: Head): void {
  console.log(`${machine}\nNode ${node}, ${date}`);
  for (const [peer, what] of Object.entries(peers)) console.log(`  ${peer.padEnd(18)} ${what}`);
}
