import { execFile, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import type { Figures, Peer, Sample, Scenario, Shape } from "./lib/contract.ts";
import { type Row, scenarioTable, shapeTable, summarize } from "./lib/report.ts";
import { loadPeer, peerNames } from "./peers/index.ts";
import { scenarios } from "./scenarios/index.ts";
import { loadShape, shapeNames } from "./shapes/index.ts";

const USAGE = `Usage: node bench/run.ts [options]

  --only NAME     one scenario or shape (repeatable)
  --peer NAME     one peer (repeatable); one that a scenario lacks is left out there
  --rounds N      rounds of each scenario, every peer once in each (default 5)
  --quick         fewer operations, two rounds, small shapes: checks that everything works
  --json FILE     also write all figures to FILE
  --dist          measure tasktree as built (packages/tasktree/dist) instead of its source
  --list          name the scenarios, shapes and peers
`;

/** A peer whose measurement takes longer than this is measured in the first rounds only. */
const SLOW_MS = 8000;
const SLOW_ROUNDS = 2;

const bench = fileURLToPath(new URL(".", import.meta.url));
const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    peer: { type: "string", multiple: true, default: [] },
    rounds: { type: "string" },
    quick: { type: "boolean", default: false },
    json: { type: "string" },
    dist: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

/** The peers have a lock file of their own, so that the library's installation stays free of them. */
function installPeers(): void {
  if (existsSync(`${bench}node_modules`)) return;
  const npm = spawnSync("npm", ["ci", "--prefix", bench], { stdio: ["ignore", "inherit", "inherit"] });
  if (npm.status !== 0) throw new Error("Cannot install the peers: npm ci --prefix bench failed");
}

async function inChild<T>(...job: string[]): Promise<T> {
  const flags = ["--expose-gc", "--max-old-space-size=6144", `${bench}child.ts`];
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...flags,
    ...job,
    ...(options.dist ? ["--dist"] : []),
  ]);
  return JSON.parse(stdout.trimEnd().split("\n").at(-1)!) as T;
}

function operationsOf(scenario: Scenario): number {
  return options.quick ? scenario.quickOperations : scenario.operations;
}

async function compare(scenario: Scenario, peers: Peer[], rounds: number): Promise<Map<string, Sample[]>> {
  const operations = operationsOf(scenario);
  const samples = new Map<string, Sample[]>(peers.map((peer) => [peer.name, []]));
  const slow = new Set<Peer>();
  for (let round = 0; round < rounds; round++) {
    // Each round starts with another peer: nobody is always first on a cool machine, or last on a warm one.
    const shift = round % peers.length;
    for (const peer of [...peers.slice(shift), ...peers.slice(0, shift)]) {
      if (slow.has(peer) && round >= SLOW_ROUNDS) continue;
      const n = scenario.sequential ? operations / (peer.slowdown ?? 1) : operations;
      const start = performance.now();
      samples.get(peer.name)!.push(await inChild<Sample>("scenario", scenario.name, peer.name, String(n)));
      if (performance.now() - start > SLOW_MS) slow.add(peer);
    }
  }
  return samples;
}

async function draw(shape: Shape): Promise<Map<string, Figures>> {
  const figures = new Map<string, Figures>();
  for (const point of options.quick ? shape.quickPoints : shape.points) {
    figures.set(point, await inChild<Figures>("shape", shape.name, point));
  }
  return figures;
}

type Report = {
  machine: string;
  node: string;
  date: string;
  rounds: number;
  quick: boolean;
  peers: Record<string, string>;
  scenarios: Record<string, Row[]>;
  shapes: Record<string, { figures: Record<string, Figures>; faults: string[] }>;
};

function head(rounds: number, peers: Record<string, string>): Omit<Report, "scenarios" | "shapes"> {
  const cpu = cpus()[0]?.model.trim() || "unknown processor";
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
  return {
    machine: `${cpu}, ${availableParallelism()} cores, ${memory}, ${process.platform} ${process.arch}`,
    node: process.versions.node,
    date: new Date().toISOString().slice(0, 10),
    rounds,
    quick: options.quick,
    peers,
  };
}

function printHead(report: Report): void {
  console.log(`${report.machine}\nNode ${report.node}, ${report.date}`);
  for (const [peer, what] of Object.entries(report.peers)) console.log(`  ${peer.padEnd(18)} ${what}`);
  console.log(`
Each figure: a process of its own, warmed up, results checked; the median of ${report.rounds} rounds with every peer once in each.
cpu is the processor time of all threads, garbage collection included. "x raw" is cpu over that of raw in the same round.`);
}

async function main(): Promise<void> {
  if (options.help) return void process.stdout.write(USAGE);
  if (options.list) {
    for (const { name, title } of scenarios) console.log(`${name.padEnd(18)} ${title}`);
    return console.log(`shapes: ${shapeNames.join(", ")}\npeers: ${peerNames.join(", ")}`);
  }
  const known = [...scenarios.map(({ name }) => name), ...shapeNames];
  for (const [given, names] of [
    [options.only, known],
    [options.peer, peerNames],
  ] as const) {
    const wrong = given.find((name) => !names.includes(name));
    if (wrong !== undefined) throw new Error(`Unknown name ${wrong} (one of ${names.join(", ")})`);
  }
  const rounds = Number(options.rounds ?? (options.quick ? 2 : 5));
  if (!(Number.isInteger(rounds) && rounds > 0))
    throw new RangeError(`Rounds must be a positive integer: ${options.rounds}`);
  const wanted = (name: string): boolean => options.only.length === 0 || options.only.includes(name);

  installPeers();
  const names = options.peer.length === 0 ? peerNames : options.peer;
  const peers = await Promise.all(names.map(loadPeer));
  const report: Report = {
    ...head(rounds, Object.fromEntries(peers.map((peer) => [peer.name, peer.describe()]))),
    scenarios: {},
    shapes: {},
  };
  printHead(report);

  for (const scenario of scenarios.filter(({ name }) => wanted(name))) {
    const count = operationsOf(scenario).toLocaleString("en");
    console.log(`\n${scenario.name}: ${scenario.title} (${count} ${scenario.unit}s)`);
    const able = peers.filter((peer) => peer.scenarios[scenario.name]);
    const rows = summarize(await compare(scenario, able, rounds));
    report.scenarios[scenario.name] = rows;
    console.log(scenarioTable(rows, scenario.unit));
    for (const note of scenario.notes) console.log(`  ${note}`);
  }
  if (names.includes("tasktree")) {
    for (const shape of await Promise.all(shapeNames.filter(wanted).map(loadShape))) {
      console.log(`\n${shape.name}: ${shape.title}`);
      const figures = await draw(shape);
      const faults = shape.faults(figures);
      report.shapes[shape.name] = { figures: Object.fromEntries(figures), faults };
      console.log(shapeTable(figures));
      console.log(faults.length === 0 ? "  holds" : faults.map((fault) => `  BROKEN: ${fault}`).join("\n"));
      if (faults.length > 0) process.exitCode = 1;
    }
  }
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
}

await main();
