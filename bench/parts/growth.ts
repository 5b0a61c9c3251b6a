import type { Figures, Peer, Sample, Scenario } from "../lib/contract.ts";
import { inChild } from "../lib/child-process.ts";
import { growthFaults } from "../shapes/growth.ts";
import type { Options } from "./options.ts";
import { canRun } from "./scenarios.ts";
import { type Drawn, printShape } from "./shapes.ts";

const SIZES = [1000, 10_000, 100_000, 1_000_000];
const QUICK_SIZES = [1000, 10_000];

/**
 * Processor time of an operation at growing numbers of them; raw's is what the platform adds as its heap grows. The small
 * sizes pay for compilation: it is the growth after them that is bounded.
 */
const AT_MOST = 4;

/** Measures the scenario at each size, and prints what an operation costs. Only tasktree's growth can be at fault. */
export async function drawGrowth(scenario: Scenario, peers: Peer[], { quick, dist }: Options): Promise<Drawn> {
  console.log(`\n${scenario.name}: ${scenario.title}`);
  const able = peers.filter((peer) => canRun(peer, scenario) && peer.absent?.() === undefined);
  const figures = new Map<string, Figures>();
  for (const n of quick ? QUICK_SIZES : SIZES) {
    const row: Figures = {};
    for (const peer of able) {
      const { cpuNs } = await inChild<Sample>(["scenario", scenario.name, peer.name, String(n)], dist);
      row[column(peer.name, scenario)] = cpuNs / 1000;
    }
    figures.set(String(n), row);
  }
  const own = able.some(({ name }) => name === "tasktree");
  const faults = own ? growthFaults(figures, column("tasktree", scenario), AT_MOST) : [];
  printShape(figures, faults);
  return { figures: Object.fromEntries(figures), faults };
}

function column(peer: string, { unit }: Scenario): string {
  return `${peer} cpu µs/${unit}`;
}
