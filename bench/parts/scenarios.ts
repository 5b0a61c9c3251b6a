import type { Peer, Sample, Scenario } from "../lib/contract.ts";
import { inChild } from "../lib/child-process.ts";
import { type Row, scenarioTable, summarize } from "../lib/report.ts";
import type { Options } from "./options.ts";

/** A peer whose measurement takes longer than this is measured in the first two rounds only, or in the first. */
const SLOW_MS = 5000;
const VERY_SLOW_MS = 30_000;

export function canRun(peer: Peer, { name }: Scenario): boolean {
  return peer.scenarios[name] !== undefined || peer.program?.scenarios.includes(name) === true;
}

/** Measures the scenario with all peers that can run it, prints its table, and gives its rows. */
export async function measureScenario(scenario: Scenario, peers: Peer[], options: Options): Promise<Row[]> {
  const operations = options.quick ? scenario.quickOperations : scenario.operations;
  console.log(`\n${scenario.name}: ${scenario.title} (${operations.toLocaleString("en")} ${scenario.unit}s)`);
  const able = peers.filter((peer) => canRun(peer, scenario));
  const present = able.filter((peer) => peer.absent?.() === undefined);
  const rows = summarize(await compare(scenario, present, options));
  console.log(scenarioTable(rows, scenario.unit));
  for (const note of scenario.notes) console.log(`  ${note}`);
  for (const peer of able) if (!present.includes(peer)) console.log(`  Absent: ${peer.name} (${peer.absent?.()})`);
  return rows;
}

/** A slow peer runs fewer, where they come one after the other. */
export function operationsFor(scenario: Scenario, peer: Peer, quick: boolean): number {
  const operations = quick ? scenario.quickOperations : scenario.operations;
  return scenario.sequential ? operations / (peer.slowdown ?? 1) : operations;
}

async function compare(scenario: Scenario, peers: Peer[], options: Options): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(peers.map((peer) => [peer.name, []]));
  const rounds = new Map<Peer, number>(peers.map((peer) => [peer, options.rounds]));
  for (let round = 0; round < options.rounds; round++) {
    // Each round starts with another peer: nobody is always first on a cool machine, or last on a warm one.
    const shift = round % peers.length;
    for (const peer of [...peers.slice(shift), ...peers.slice(0, shift)]) {
      if (round >= rounds.get(peer)!) continue;
      const start = performance.now();
      samples.get(peer.name)!.push(await measure(scenario, peer, options));
      const took = performance.now() - start;
      if (took > SLOW_MS) rounds.set(peer, took > VERY_SLOW_MS ? 1 : 2);
    }
  }
  return samples;
}

async function measure(scenario: Scenario, peer: Peer, { quick, dist }: Options): Promise<Sample> {
  const n = operationsFor(scenario, peer, quick);
  return await inChild<Sample>(["scenario", scenario.name, peer.name, String(n)], dist);
}
