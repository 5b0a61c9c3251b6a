export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of the ratios within a round: what disturbs a whole round cancels out. */
export function ratio(of: number[], to: number[]): number {
  return median(of.slice(0, to.length).map((value, round) => value / to[round]!));
}
