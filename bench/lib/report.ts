import type { Figures, Sample } from "./contract.ts";
import { median, ratio, type Ratio } from "./statistics.ts";

export type Row = {
  peer: string;
  rounds: number;
  cpuNs: number;
  cpuNsRange: [number, number];
  wallNs: number;
  /** Processor time as a multiple of that peer's. */
  ratios: Record<string, Ratio>;
  /** Wall time as a multiple of that peer's, where wall time is what counts: of servers. */
  wallRatios: Record<string, Ratio>;
  heldBytes: number | null;
  peakRssMb: number;
};

const BASELINES = ["raw", "raw-als", "raw-signal", "tasktree", "effect-gen"];
const WALL_BASELINES = ["effect", "asyncio", "uvloop"];
const SHOWN_BASELINES = ["raw", "raw-als", "tasktree"];

export function summarize(samples: Map<string, Sample[]>): Row[] {
  const cpuOf = (peer: string): number[] => samples.get(peer)!.map((sample) => sample.cpuNs);
  const wallOf = (peer: string): number[] => samples.get(peer)!.map((sample) => sample.wallNs);
  const ratios = (peer: string, baselines: string[], of: (peer: string) => number[]): Record<string, Ratio> =>
    Object.fromEntries(
      baselines.filter((name) => samples.has(name)).map((baseline) => [baseline, ratio(of(peer), of(baseline))]),
    );
  return [...samples].map(([peer, rounds]) => ({
    peer,
    rounds: rounds.length,
    cpuNs: median(cpuOf(peer)),
    cpuNsRange: [Math.min(...cpuOf(peer)), Math.max(...cpuOf(peer))],
    wallNs: median(wallOf(peer)),
    ratios: ratios(peer, BASELINES, cpuOf),
    wallRatios: ratios(peer, WALL_BASELINES, wallOf),
    heldBytes: rounds[0]!.heldBytes === null ? null : median(rounds.map((sample) => sample.heldBytes!)),
    peakRssMb: median(rounds.map((sample) => sample.peakRssMb)),
  }));
}

const time = (ns: number): string => (ns / 1000).toFixed(ns < 10_000 ? 2 : 1);
const times = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)}x`;

export function scenarioTable(rows: Row[], unit: string): string {
  const baselines = SHOWN_BASELINES.filter((name) => rows[0]?.ratios[name]);
  const withHeld = rows.some((row) => row.heldBytes !== null);
  const head = ["peer", `cpu µs/${unit}`, "least..most", ...baselines.map((name) => `x ${name}`), `wall µs/${unit}`];
  if (withHeld) head.push(`held B/${unit}`);
  head.push("peak RSS MB");
  const body = rows.map((row) => {
    const cells = [row.peer, time(row.cpuNs), row.cpuNsRange.map(time).join("..")];
    cells.push(...baselines.map((name) => times(row.ratios[name]!.median)), time(row.wallNs));
    if (withHeld) cells.push(row.heldBytes === null ? "-" : row.heldBytes.toFixed(0));
    cells.push(row.peakRssMb.toFixed(0));
    return cells;
  });
  return table([head, ...body]);
}

export function shapeTable(figures: Map<string, Figures>, what = "point"): string {
  const columns = [...new Set([...figures.values()].flatMap((row) => Object.keys(row)))];
  const body = [...figures].map(([point, row]) => [
    point,
    ...columns.map((column) => row[column]?.toFixed(row[column] < 100 ? 2 : 0) ?? "-"),
  ]);
  return table([[what, ...columns], ...body]);
}

/** The first column to the left, figures to the right. */
function table(rows: string[][]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join("  "),
  );
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  return lines.map((line) => `  ${line.trimEnd()}`).join("\n");
}
