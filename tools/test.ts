/**
 * Runs the tests: `npm test`, `npm test -- FILES…`. Two files at a time at least, also where there are two cores: most tests wait
 * more than they work.
 */
import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";

const suites = ["packages/*/{src,test}/**/*.test.ts", "examples/*/**/*.test.ts", "tools/**/*.test.ts"];

export const runner: readonly string[] = [
  "--conditions=@tasktree/source",
  "--test",
  `--test-concurrency=${Math.max(2, availableParallelism() - 1)}`,
];

if (import.meta.main) {
  const files = process.argv.slice(2);
  const args = [...runner, ...(files.length > 0 ? files : suites)];
  process.exitCode = spawnSync(process.execPath, args, { stdio: "inherit" }).status ?? 1;
}
