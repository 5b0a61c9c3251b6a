/** Every primitive against its model: in every schedule of small programs, and in many of larger ones. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runFile } from "../child.ts";
import { isPinned } from "../runtime.ts";
import { primitives } from "./primitives.ts";
import type { Proof } from "./prove.ts";

/** How many of a program that has more. */
const least = 5000;

/** Equal seeds give equal schedules everywhere (tools/prove/determinism.ts): elsewhere, three show that models hold there too. */
const proved = isPinned ? primitives : primitives.filter(({ name }) => ["Channel", "Mutex", "select"].includes(name));

describe("In every schedule that is tried, what calls give is explained by the model of", { concurrency: 2 }, () => {
  for (const { name, programs } of proved) {
    it(name, async (t) => {
      const args = ["--short", "--schedules", String(least), name];
      const { code, stdout, stderr } = await runFile(join(import.meta.dirname, "main.ts"), args);
      assert.equal(code, 0, stderr);
      const proof = JSON.parse(stdout) as Proof;
      const claimed = programs.filter(({ tries, isLong }) => tries === "all" && isLong !== true).length;
      assert.ok(claimed > 0 && proof.exhaustive >= claimed);
      assert.ok(proof.sampled.every((tried) => tried >= least));
      assert.equal(proof.exhaustive + proof.sampled.length, proof.programs);
      assert.ok(proof.cancellations > 0);
      t.diagnostic(shown(proof));
    });
  }
});

function shown({ programs, exhaustive, schedules, cancellations }: Proof): string {
  return `${programs} programs (${exhaustive} exhaustively), ${schedules} schedules, ${cancellations} cancellations`;
}
