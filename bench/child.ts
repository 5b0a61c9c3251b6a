// One measurement in a process of its own: `child.ts scenario NAME PEER N`, `child.ts lateness NAME PEER N` or
// `child.ts shape NAME POINT`.
// With `--no-memory` no garbage is collected by force, so a profile shows only what a program would collect.
// The result is one line of JSON, the last of its standard output.
import { collectGarbage, heapAfterGc, megabytes, startSpan } from "./lib/clock.ts";
import type { Adapter, Sample, Scenario, Times } from "./lib/contract.ts";
import { lateness } from "./lib/lateness.ts";
import { checkResult, sampleProgram } from "./lib/program.ts";
import { median } from "./lib/statistics.ts";
import { loadPeer } from "./peers/index.ts";
import { scenarios } from "./scenarios/index.ts";
import { loadShape } from "./shapes/index.ts";

const looksAtMemory = !process.argv.includes("--no-memory");
const times: Times = { warmUpMs: 300, measureMs: 600, maxRuns: 15 };

type Measured = { cpuNs: number; wallNs: number; heldBytes: number | null; looked: boolean };

async function once(scenario: Scenario, adapter: Adapter, n: number, withMemory: boolean): Promise<Measured> {
  // Not before every run: a forced collection throws away optimised code too, and the run would measure its compilation.
  if (withMemory) collectGarbage();
  const before = process.memoryUsage().heapUsed;
  let heldBytes: number | null = null;
  let looked = false;
  let stop = startSpan();
  function look(): void {
    if (!withMemory) return;
    heldBytes = (heapAfterGc() - before) / n;
    looked = true;
  }
  function begin(): void {
    if (withMemory) heldBytes = (heapAfterGc() - before) / n;
    stop = startSpan();
  }
  const result = await adapter(n, begin, Object.assign(look, { recording: withMemory }));
  const span = stop();
  checkResult(scenario, n, result);
  return { cpuNs: span.cpuNs / n, wallNs: span.wallNs / n, heldBytes, looked };
}

async function sample(scenario: Scenario, adapter: Adapter, n: number): Promise<Sample> {
  const warm = performance.now() + times.warmUpMs;
  do await once(scenario, adapter, Math.max(1000, Math.floor(n / 20)), false);
  while (performance.now() < warm);
  const first = await once(scenario, adapter, n, looksAtMemory && (scenario.memory ?? true));
  const runs: Measured[] = first.looked ? [] : [first];
  const end = performance.now() + times.measureMs;
  while (runs.length === 0 || (performance.now() < end && runs.length < times.maxRuns)) {
    runs.push(await once(scenario, adapter, n, false));
  }
  return {
    cpuNs: median(runs.map((run) => run.cpuNs)),
    wallNs: median(runs.map((run) => run.wallNs)),
    heldBytes: first.heldBytes,
    peakRssMb: megabytes(process.resourceUsage().maxRSS * 1024),
  };
}

async function measure(kind: string, name = "", peerName = "", count = ""): Promise<unknown> {
  const scenario = scenarios.find((candidate) => candidate.name === name);
  const peer = await loadPeer(peerName);
  const adapter = peer.scenarios[name];
  const n = Number(count) || scenario?.operations;
  if (!scenario || !n) throw new Error(`Unknown scenario: ${name}`);
  if (adapter === undefined) {
    if (!peer.program?.scenarios.includes(name)) throw new Error(`Nothing of ${peerName} for ${name}`);
    return await sampleProgram(peer.program, scenario, n, times);
  }
  return kind === "scenario" ? await sample(scenario, adapter, n) : await lateness(scenario, adapter, n);
}

async function main([kind = "", ...rest]: string[]): Promise<unknown> {
  if (kind === "scenario" || kind === "lateness") return await measure(kind, ...rest);
  if (kind !== "shape") throw new Error(`Unknown kind of measurement: ${kind}`);
  const shape = await loadShape(rest[0] ?? "");
  return await shape.measure(rest[1] ?? shape.points[0]!);
}

const result = await main(process.argv.slice(2).filter((argument) => !argument.startsWith("--")));
process.stdout.write(`${JSON.stringify(result)}\n`);
