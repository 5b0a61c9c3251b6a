import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder } from "../lib/cache.ts";
import { inChild } from "../lib/child-process.ts";
import type { Peer, Sample, Scenario } from "../lib/contract.ts";
import { draw, layOut, type Profile } from "../lib/flame.ts";
import type { Options } from "./options.ts";
import { operationsFor } from "./scenarios.ts";

const INTERVAL_US = 200;
const folder = fileURLToPath(new URL("../flames/", import.meta.url));

/** Profiles one measurement, and writes its flame graph into `bench/flames`; the profile itself stays in the cache. */
export async function drawFlame(scenario: Scenario, peer: Peer, options: Options): Promise<void> {
  if (peer.scenarios[scenario.name] === undefined) {
    throw new Error(`Cannot profile ${scenario.name} with ${peer.name}: it has no adapter in JavaScript`);
  }
  const name = peer.name === "tasktree" ? scenario.name : `${scenario.name}-${peer.name}`;
  const { sample, profile } = await measure(scenario, peer, options, `${name}.cpuprofile`);
  const flame = layOut(JSON.parse(readFileSync(profile, "utf8")) as Profile);
  const picture = draw(
    flame,
    `${scenario.name}, ${peer.name}: ${scenario.title}`,
    facts(scenario, sample, flame.samples),
  );
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}${name}.svg`, picture);
  console.log(`bench/flames/${name}.svg, from ${relative(".", profile)}`);
}

async function measure(scenario: Scenario, peer: Peer, { quick, dist }: Options, file: string) {
  const where = [`--cpu-prof-dir=${cacheFolder}`, `--cpu-prof-name=${file}`];
  const flags = ["--cpu-prof", `--cpu-prof-interval=${INTERVAL_US}`, ...where];
  const job = ["scenario", scenario.name, peer.name, String(operationsFor(scenario, peer, quick)), "--no-memory"];
  return { sample: await inChild<Sample>(job, dist, flags), profile: `${cacheFolder}${file}` };
}

function facts({ unit }: Scenario, { cpuNs, wallNs }: Sample, samples: number): string {
  const [cpu, wall] = [cpuNs, wallNs].map((ns) => (ns / 1000).toPrecision(3));
  const each = `${cpu} µs of processor time per ${unit} (wall ${wall}), profiled`;
  return `${each}; ${samples.toLocaleString("en")} samples, one each ${INTERVAL_US} µs; Node ${process.versions.node}`;
}
