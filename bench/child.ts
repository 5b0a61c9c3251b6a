// One measurement in a process of its own: `child.ts scenario NAME PEER N` or `child.ts shape NAME POINT`.
// The result is one line of JSON, the last of its standard output.
import { collectGarbage, heapAfterGc, megabytes, startSpan } from "./lib/clock.ts";
import type { Adapter, Sample, Scenario } from "./lib/contract.ts";
import { median } from "./lib/statistics.ts";
import { loadPeer } from "./peers/index.ts";
import { scenarios } from "./scenarios/index.ts";
import { loadShape } from "./shapes/index.ts";

const WARM_UP_MS = 300;
const MEASURE_MS = 600;
const MAX_RUNS = 15;

type Measured = { cpuNs: number; wallNs: number; heldBytes: number | null };

async function once(scenario: Scenario, adapter: Adapter, n: number, withMemory: boolean): Promise<Measured> {
  // Not before every run: a forced collection throws away optimised code too, and the run would measure its compilation.
  if (withMemory) collectGarbage();
  const before = process.memoryUsage().heapUsed;
  let heldBytes: number | null = null;
  let stop = startSpan();
  const result = await adapter(n, function begin() {
    if (withMemory) heldBytes = (heapAfterGc() - before) / n;
    stop = startSpan();
  });
  const span = stop();
  const expected = scenario.expected(n);
  if (result !== expected) throw new Error(`Wrong result of ${scenario.name}: ${result} (expected ${expected})`);
  return { cpuNs: span.cpuNs / n, wallNs: span.wallNs / n, heldBytes };
}

async function sample(scenario: Scenario, adapter: Adapter, n: number): Promise<Sample> {
  const warm = performance.now() + WARM_UP_MS;
  do await once(scenario, adapter, Math.max(1000, n / 20), false);
  while (performance.now() < warm);
  const runs: Measured[] = [];
  const end = performance.now() + MEASURE_MS;
  do runs.push(await once(scenario, adapter, n, runs.length === 0));
  while (performance.now() < end && runs.length < MAX_RUNS);
  return {
    cpuNs: median(runs.map((run) => run.cpuNs)),
    wallNs: median(runs.map((run) => run.wallNs)),
    heldBytes: runs[0]!.heldBytes,
    peakRssMb: megabytes(process.resourceUsage().maxRSS * 1024),
  };
}

async function main([kind, name, ...rest]: string[]): Promise<unknown> {
  if (kind === "scenario") {
    const [peerName = "", n = ""] = rest;
    const scenario = scenarios.find((candidate) => candidate.name === name);
    const adapter = (await loadPeer(peerName)).scenarios[name ?? ""];
    if (!scenario || !adapter) throw new Error(`Unknown scenario or peer: ${name} ${peerName}`);
    return await sample(scenario, adapter, Number(n) || scenario.operations);
  }
  if (kind !== "shape") throw new Error(`Unknown kind of measurement: ${kind}`);
  const shape = await loadShape(name ?? "");
  return await shape.measure(rest[0] ?? shape.points[0]!);
}

const result = await main(process.argv.slice(2).filter((argument) => !argument.startsWith("--")));
process.stdout.write(`${JSON.stringify(result)}\n`);
