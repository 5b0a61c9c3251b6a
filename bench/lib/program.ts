import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Program, Sample, Scenario, Times } from "./contract.ts";
import { echoLoad } from "./echo-load.ts";
import { median } from "./statistics.ts";

/** What a program prints, as one line of JSON: the figures of a run are for each operation. */
type Measured = {
  warm: { n: number; result: number }[];
  runs: { n: number; cpuNs: number; wallNs: number; result: number }[];
  heldBytes?: number | null;
  peakRssMb: number;
};

export async function sampleProgram(program: Program, scenario: Scenario, n: number, times: Times): Promise<Sample> {
  const [file, ...flags] = program.command();
  const { warmUpMs, measureMs, maxRuns } = times;
  const env = { ...process.env, ECHO_LOAD: JSON.stringify(echoLoad) };
  const job = [scenario.name, ...[n, warmUpMs, measureMs, maxRuns].map(String)];
  const { stdout } = await promisify(execFile)(file!, [...flags, ...job], { env });
  const { warm, runs, heldBytes = null, peakRssMb } = JSON.parse(stdout) as Measured;
  for (const run of [...warm, ...runs]) checkResult(scenario, run.n, run.result);
  return {
    cpuNs: median(runs.map((run) => run.cpuNs)),
    wallNs: median(runs.map((run) => run.wallNs)),
    heldBytes,
    peakRssMb,
  };
}

export function checkResult(scenario: Scenario, n: number, result: number): void {
  const expected = scenario.expected(n);
  if (result !== expected) throw new Error(`Wrong result of ${scenario.name}: ${result} (expected ${expected})`);
}
