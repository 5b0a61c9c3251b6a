/** Every primitive against its model, in every schedule of small programs and in many of larger ones (test/proof). */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "../source.ts";
import { counted, goesOn, type Effort, type Finding } from "./finding.ts";

const folder = join(root, "packages/tasktree/test/proof");
const perProgram = { short: 100, long: 10_000 };

/** What is used of test/proof/prove.ts. */
interface Proving {
  prove(
    primitive: unknown,
    budget: { schedules: number; seed: number; isShort: boolean },
  ): Promise<{ readonly schedules: number; readonly cancellations: number }>;
}

export async function schedules(effort: Effort): Promise<Finding> {
  if (!existsSync(join(folder, "prove.ts")))
    return { figure: "none: there is no packages/tasktree/test/proof", faults: [] };
  const { prove } = (await load("prove.ts")) as Proving;
  const { primitives } = (await load("primitives.ts")) as { primitives: readonly unknown[] };
  const began = performance.now();
  const budget = { schedules: perProgram[effort.isShort ? "short" : "long"], isShort: effort.isShort };
  let [tried, cancellations] = [0, 0];
  for (let seed = effort.seed; seed === effort.seed || goesOn(effort, began); seed++) {
    for (const primitive of primitives) {
      try {
        const proof = await prove(primitive, { ...budget, seed });
        tried += proof.schedules;
        cancellations += proof.cancellations;
      } catch (error) {
        return { figure: counted(tried, "schedule"), faults: [(error as Error).message] };
      }
    }
  }
  const things = counted(primitives.length, "primitive");
  return {
    figure: `${counted(tried, "schedule")} of ${things}, ${counted(cancellations, "cancellation")}`,
    faults: [],
  };
}

function load(file: string): Promise<unknown> {
  return import(pathToFileURL(join(folder, file)).href);
}
