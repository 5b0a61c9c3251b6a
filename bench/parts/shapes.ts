import type { Figures, Shape } from "../lib/contract.ts";
import { inChild } from "../lib/child-process.ts";
import { shapeTable } from "../lib/report.ts";
import type { Options } from "./options.ts";

export type Drawn = { figures: Record<string, Figures>; faults: string[] };

/** Measures all points of the shape, and prints them and whether it holds. */
export async function drawShape(shape: Shape, { quick, dist }: Options): Promise<Drawn> {
  console.log(`\n${shape.name}: ${shape.title}`);
  const figures = new Map<string, Figures>();
  for (const point of quick ? shape.quickPoints : shape.points) {
    figures.set(point, await inChild<Figures>(["shape", shape.name, point], dist));
  }
  const faults = shape.faults(figures);
  printShape(figures, faults);
  return { figures: Object.fromEntries(figures), faults };
}

export function printShape(figures: Map<string, Figures>, faults: string[]): void {
  console.log(shapeTable(figures));
  console.log(faults.length === 0 ? "  holds" : faults.map((fault) => `  BROKEN: ${fault}`).join("\n"));
}
