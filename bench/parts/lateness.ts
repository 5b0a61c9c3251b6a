import type { Figures, Peer, Scenario } from "../lib/contract.ts";
import { inChild } from "../lib/child-process.ts";
import type { Lateness } from "../lib/lateness.ts";
import { shapeTable } from "../lib/report.ts";
import type { Options } from "./options.ts";

/** The scenarios in which code could keep the event loop to itself. */
export const latenessScenarios: Set<string> = new Set([
  ...["spawn-suspend", "timeout", "mutex-contended", "limiter", "map-range", "channel-100"],
]);

/** Measures how late timers come while the scenario runs, and prints it for each peer in JavaScript. */
export async function measureLateness(scenario: Scenario, peers: Peer[], options: Options): Promise<object> {
  const { name, operations, quickOperations } = scenario;
  console.log(`\n${name}: ${scenario.title}`);
  const figures = new Map<string, Figures>();
  for (const peer of peers.filter((peer) => peer.scenarios[name] !== undefined)) {
    const n = String((options.quick ? quickOperations : operations) / (peer.slowdown ?? 1));
    const { median, p99, max } = await inChild<Lateness>(["lateness", name, peer.name, n], options.dist);
    figures.set(peer.name, { "median ms": median, "p99 ms": p99, "max ms": max });
  }
  console.log(shapeTable(figures, "peer"));
  return Object.fromEntries(figures);
}
