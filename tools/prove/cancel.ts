/**
 * Cancels each example of the docs at each place it comes to, and the crawler at each await: whatever was entered was left, nothing
 * is left over, and it ends.
 */
import assert from "node:assert";
import { currentScope } from "tasktree";
import { join } from "node:path";
import { root } from "../source.ts";
import { cancelCrawler } from "./crawler.ts";
import { counted, type Effort, type Finding } from "./finding.ts";
import { loadPrograms, type Program } from "./programs.ts";
import * as stage from "./stage.ts";
import { sweep, sweepAll, type Swept } from "./sweep.ts";

export async function cancel(effort: Effort): Promise<Finding> {
  const { programs } = await loadPrograms(join(root, ".cache/prove/cancel"));
  const { places, faults } = await sweepAll(programs, (program) => cancelEverywhere(program, effort));
  const crawler = await cancelCrawler(effort);
  const all = `${counted(programs.length, "program")} cancelled at ${counted(places, "place")}, the crawler at ${crawler.places}`;
  return {
    figure: `${all}; ${counted(stage.blocks, "block")} entered and left`,
    faults: [...faults, ...crawler.faults],
  };
}

export function cancelEverywhere(program: Program, effort: Effort): Promise<Swept> {
  return sweep(program, effort, { cancellations: 1, cancels: (task) => task.path === "main" }, async (main) => {
    try {
      await main();
    } catch (error) {
      if (!currentScope().cancelRequested || !isItsOwn(error)) throw error;
    }
  });
}

/** Whether an error is of the program's making: one of its assertions has seen the cancellation, or it failed before. */
export function isItsOwn(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof assert.AssertionError) return true;
  // all of tasktree's have classes of their own
  return Object.getPrototypeOf(error) === Error.prototype;
}
