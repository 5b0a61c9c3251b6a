import type { Figures } from "../lib/contract.ts";

/** Says where a cost per operation grows by more than this factor over that of the smallest point. */
export function growthFaults(figures: Map<string, Figures>, column: string, factor: number): string[] {
  const faults: string[] = [];
  const [[firstPoint, first] = []] = figures;
  for (const [point, row] of figures) {
    const growth = row[column]! / first![column]!;
    if (growth > factor) {
      faults.push(`${column} at ${point} is ${growth.toFixed(1)} times that at ${firstPoint} (at most ${factor})`);
    }
  }
  return faults;
}
