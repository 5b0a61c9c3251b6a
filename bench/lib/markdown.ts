/** Tables for the README: which goals are met, and how all peers compare. */
import type { Goal, Target } from "../goals.ts";
import type { Row } from "./report.ts";
import type { Ratio } from "./statistics.ts";

export function goalTable(goals: Goal[], measured: Measured): string {
  const rows = goals.map((goal) => {
    const { goal: wanted, measured: found, rounds, met } = judge(goal, measured);
    const verdict = met === undefined ? "not measured" : met ? "yes" : "no";
    return [goal.row, wanted, found, String(rounds), verdict];
  });
  return table(["scenario", "goal", "measured", "rounds", "met"], rows);
}

/** Processor time over that of raw (tasktree, where there is no raw), the cheapest first. */
export function overviewTable(scenarios: Map<string, Row[]>): string {
  const rows = [...scenarios].map(([name, peers]) => {
    const base = peers.find(({ peer }) => peer === "raw") ?? peers.find(({ peer }) => peer === "tasktree");
    const others = peers.filter((row) => row !== base).toSorted((a, b) => ratioTo(base, a) - ratioTo(base, b));
    const baseline = base === undefined ? "-" : `${base.peer} ${figure(base.cpuNs / 1000)} µs`;
    return [`\`${name}\``, baseline, others.map((row) => entry(row, ratioTo(base, row))).join(" · ")];
  });
  return table(["scenario", "is 1", "times as much"], rows);
}

function ratioTo(base: Row | undefined, { ratios }: Row): number {
  return ratios[base?.peer ?? ""]?.median ?? NaN;
}

function entry({ peer }: Row, ratio: number): string {
  const text = `${peer} ${figure(ratio)}`;
  return peer.startsWith("tasktree") ? `**${text}**` : text;
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}

type Verdict = { goal: string; measured: string; rounds: number; met: boolean | undefined };

export type Measured = {
  rows: Map<string, Row[]>;
  /** What is wrong with a shape, for those that were drawn. */
  faults: Map<string, string[]>;
};

function judge(goal: Goal, measured: Measured): Verdict {
  const parts = goal.targets.map((target) => measure(target, measured));
  const shapes = (goal.shapes ?? []).map((shape) => measured.faults.get(shape));
  const met = [
    ...parts.map((part, at) => part && part.median <= goal.targets[at]!.atMost),
    ...shapes.map((faults) => faults && faults.length === 0),
  ];
  return {
    goal: [...goal.targets.map(wanted), ...(goal.shapes ?? [])].join("; "),
    measured: [
      ...parts.map((part, at) => (part === undefined ? "not measured" : shown(part, goal.targets[at]!))),
      ...shapes.map((faults) => (faults === undefined ? "not drawn" : faults.length === 0 ? "holds" : "broken")),
    ].join("; "),
    rounds: Math.min(...parts.map((part) => part?.rounds ?? 0)),
    met: met.includes(false) ? false : met.includes(undefined) ? undefined : true,
  };
}

function measure(target: Target, { rows }: Measured): Ratio | undefined {
  const row = rows.get(target.scenario)?.find(({ peer }) => peer === target.peer);
  if (row === undefined) return undefined;
  if (target.figure === "held") return row.heldBytes === null ? undefined : constant(row.heldBytes, row.rounds);
  if (target.over !== undefined && "peer" in target.over) {
    return (target.figure === "wall" ? row.wallRatios : row.ratios)[target.over.peer];
  }
  const smaller = rows.get(target.over!.scenario)?.find(({ peer }) => peer === target.peer);
  return smaller && constant(row.cpuNs / smaller.cpuNs, Math.min(row.rounds, smaller.rounds));
}

function constant(value: number, rounds: number): Ratio {
  return { median: value, range: [value, value], rounds };
}

function wanted({ label, atMost }: Target): string {
  return `${label === undefined ? "" : `${label} `}≤ ${figure(atMost)}`;
}

function shown({ median, range: [least, most] }: Ratio, { label }: Target): string {
  const spread = least === most ? "" : ` (${figure(least)}..${figure(most)})`;
  return `${label === undefined ? "" : `${label} `}**${figure(median)}**${spread}`;
}

function figure(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(value < 0.1 ? 3 : 2);
}
