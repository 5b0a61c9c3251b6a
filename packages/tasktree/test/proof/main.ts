/**
 * Proves primitives and prints what was done, a line of JSON for each: `node --conditions=@tasktree/source main.ts
 * [--schedules N] [--short] [names…]`. Not in a test runner's process: what those watch makes promises slow.
 */
import { parseArgs } from "node:util";
import { primitives } from "./primitives.ts";
import { prove } from "./prove.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    schedules: { type: "string", default: "10000" },
    seed: { type: "string", default: "1" },
    short: { type: "boolean", default: false },
  },
});

for (const primitive of primitives) {
  if (positionals.length > 0 && !positionals.includes(primitive.name)) continue;
  const budget = { schedules: Number(values.schedules), seed: Number(values.seed), isShort: values.short };
  console.log(JSON.stringify(await prove(primitive, budget)));
}
