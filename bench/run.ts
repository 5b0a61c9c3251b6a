import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { goalForms, goals, goalScenarios, goalShapes } from "./goals.ts";
import type { Peer } from "./lib/contract.ts";
import { installPeers } from "./lib/inputs.ts";
import { goalTable, overviewTable } from "./lib/markdown.ts";
import type { Row } from "./lib/report.ts";
import { drawFlame } from "./parts/flame.ts";
import { drawGrowth } from "./parts/growth.ts";
import { head, printHead } from "./parts/head.ts";
import { latenessScenarios, measureLateness } from "./parts/lateness.ts";
import type { Options } from "./parts/options.ts";
import { measureScenario } from "./parts/scenarios.ts";
import { type Drawn, drawShape } from "./parts/shapes.ts";
import { measureStartup } from "./parts/startup.ts";
import { loadPeer, peerNames } from "./peers/index.ts";
import { scenarios } from "./scenarios/index.ts";
import { loadShape, shapeNames } from "./shapes/index.ts";

const USAGE = `Usage: node bench/run.ts [options]

What is measured (default: all but growth)
  --scenarios     every scenario with every peer
  --goals         the scenarios and peers that the goals are about; without it, the goals are judged by what was measured
  --shapes        whether tasktree's costs have the shapes that they must have
  --growth        each scenario at 10^3 … 10^6 operations (raw and tasktree, unless peers are named)
  --lateness      how late timers come while a scenario runs (raw, tasktree and effect, unless peers are named)
  --startup       time to import tasktree, and its size

A closer look
  --flame NAME    profiles this scenario (repeatable) instead, and draws where the time goes: bench/flames/NAME.svg (tasktree, unless
                  peers are named)

  --only NAME     one scenario or shape (repeatable)
  --peer NAME     one peer (repeatable); one that a scenario lacks is left out there
  --rounds N      rounds of each scenario, every peer once in each (default 3; with --goals 5)
  --quick         fewer operations, two rounds, small shapes: checks that everything works
  --json FILE     also write all figures to FILE
  --dist          measure tasktree as built (packages/tasktree/dist) instead of its source
  --list          name the scenarios, shapes and peers
`;

const { values: given } = parseArgs({
  options: {
    scenarios: { type: "boolean", default: false },
    goals: { type: "boolean", default: false },
    shapes: { type: "boolean", default: false },
    growth: { type: "boolean", default: false },
    lateness: { type: "boolean", default: false },
    startup: { type: "boolean", default: false },
    flame: { type: "string", multiple: true, default: [] },
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

const NO_PART = !(given.scenarios || given.goals || given.shapes || given.growth || given.lateness || given.startup);
const GROWTH_PEERS = ["raw", "tasktree"];
const LATENESS_PEERS = ["raw", "tasktree", "effect"];

function checkNames(names: string[], known: string[]): void {
  const wrong = names.find((name) => !known.includes(name));
  if (wrong !== undefined) throw new Error(`Unknown name ${wrong} (one of ${known.join(", ")})`);
}

function roundsWanted(): number {
  const rounds = Number(given.rounds ?? (given.quick ? 2 : given.goals ? 5 : 3));
  if (Number.isInteger(rounds) && rounds > 0) return rounds;
  throw new RangeError(`Rounds must be a positive integer: ${given.rounds}`);
}

/** The forms of tasktree and raw that goals are about come with tasktree. */
function namesOfPeers(): string[] {
  if (given.peer.length === 0) return NO_PART || given.scenarios || given.goals ? peerNames : LATENESS_PEERS;
  const forms = given.goals && given.peer.includes("tasktree") ? goalForms : [];
  return [...new Set([...given.peer, ...forms])];
}

async function drawFlames(options: Options): Promise<void> {
  const peers = await Promise.all((given.peer.length > 0 ? given.peer : ["tasktree"]).map(loadPeer));
  for (const scenario of scenarios.filter(({ name }) => given.flame.includes(name))) {
    for (const peer of peers) await drawFlame(scenario, peer, options);
  }
}

function isWanted(name: string): boolean {
  return given.only.length === 0 || given.only.includes(name);
}

type Report = {
  rows: Map<string, Row[]>;
  shapes: Map<string, Drawn>;
  others: Record<string, unknown>;
};

async function measureScenarios(peers: Peer[], options: Options, report: Report): Promise<void> {
  const onlyGoals = given.goals && !given.scenarios;
  console.log(`
Each figure: a process of its own, warmed up, results checked; the median of ${options.rounds} rounds with every peer once in each.
cpu is the processor time of all threads, garbage collection included. "x raw" is cpu over that of raw in the same round.`);
  for (const scenario of scenarios.filter(({ name }) => isWanted(name))) {
    if (onlyGoals && !goalScenarios.has(scenario.name)) continue;
    report.rows.set(scenario.name, await measureScenario(scenario, peers, options));
  }
}

async function drawShapes(options: Options, report: Report): Promise<void> {
  const onlyGoals = given.goals && !given.shapes;
  for (const name of shapeNames.filter(isWanted)) {
    if (onlyGoals && !goalShapes.has(name)) continue;
    report.shapes.set(name, await drawShape(await loadShape(name), options));
  }
}

function chosen(peers: Peer[], names: string[]): Peer[] {
  return given.peer.length > 0 ? peers : peers.filter(({ name }) => names.includes(name));
}

async function drawAllGrowth(peers: Peer[], options: Options, report: Report): Promise<void> {
  console.log("\nWhat one operation costs at growing numbers of them");
  for (const scenario of scenarios.filter(({ name, fixedSize }) => isWanted(name) && !fixedSize)) {
    report.shapes.set(`growth of ${scenario.name}`, await drawGrowth(scenario, chosen(peers, GROWTH_PEERS), options));
  }
}

async function measureAllLateness(peers: Peer[], options: Options, report: Report): Promise<void> {
  console.log("\nHow late timers come while a scenario runs again and again");
  const figures: Record<string, object> = {};
  for (const scenario of scenarios.filter(({ name }) => isWanted(name) && latenessScenarios.has(name))) {
    figures[scenario.name] = await measureLateness(scenario, chosen(peers, LATENESS_PEERS), options);
  }
  report.others["lateness"] = figures;
}

function judge(report: Report): void {
  const faults = new Map([...report.shapes].map(([name, shape]) => [name, shape.faults]));
  console.log(`\n${overviewTable(report.rows)}\n\n${goalTable(goals, { rows: report.rows, faults })}`);
}

async function main(): Promise<void> {
  if (given.help) return void process.stdout.write(USAGE);
  if (given.list) {
    for (const { name, title } of scenarios) console.log(`${name.padEnd(22)} ${title}`);
    return console.log(`shapes: ${shapeNames.join(", ")}\npeers: ${peerNames.join(", ")}`);
  }
  const names = scenarios.map(({ name }) => name);
  checkNames(given.flame, names);
  checkNames(given.only, [...names, ...shapeNames]);
  checkNames(given.peer, peerNames);
  const options: Options = { rounds: roundsWanted(), quick: given.quick, dist: given.dist };

  installPeers();
  if (given.flame.length > 0) return await drawFlames(options);
  const peers = await Promise.all(namesOfPeers().map(loadPeer));
  const top = head(peers);
  printHead(top);
  const report: Report = { rows: new Map(), shapes: new Map(), others: {} };
  if (NO_PART || given.scenarios || given.goals) await measureScenarios(peers, options, report);
  const own = peers.some(({ name }) => name === "tasktree");
  if (own && (NO_PART || given.shapes || given.goals)) await drawShapes(options, report);
  if (given.growth) await drawAllGrowth(peers, options, report);
  const all = NO_PART && given.only.length === 0;
  if (all || given.lateness) await measureAllLateness(peers, options, report);
  if (all || given.startup) report.others["startup"] = await measureStartup(options);
  if (all || given.goals) judge(report);

  if ([...report.shapes.values()].some(({ faults }) => faults.length > 0)) process.exitCode = 1;
  if (given.json === undefined) return;
  const { rows, shapes, others } = report;
  const figures = { scenarios: Object.fromEntries(rows), shapes: Object.fromEntries(shapes), ...others };
  writeFileSync(given.json, `${JSON.stringify({ ...top, ...options, ...figures }, null, 2)}\n`);
}

await main();
