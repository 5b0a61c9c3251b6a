export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export type Ratio = { median: number; range: [least: number, most: number]; rounds: number };

/** The ratios within a round, and their median: what disturbs a whole round cancels out. */
export function ratio(of: number[], to: number[]): Ratio {
  const ratios = of.slice(0, to.length).map((value, round) => value / to[round]!);
  return { median: median(ratios), range: [Math.min(...ratios), Math.max(...ratios)], rounds: ratios.length };
}
