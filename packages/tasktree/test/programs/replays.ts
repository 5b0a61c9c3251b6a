/** Explores the program that its argument names, and prints what it has found. */
import { explore, ScheduleError } from "../../src/testing/index.ts";
import { checkThenAct } from "./check-then-act.ts";
import { staleCache } from "./stale-cache.ts";

const programs: Record<string, () => Promise<void>> = { checkThenAct, staleCache };

try {
  console.log(JSON.stringify(await explore(programs[process.argv[2]!]!)));
} catch (error) {
  if (!(error instanceof ScheduleError)) throw error;
  const { replay, schedules, interleaving, cause } = error;
  console.log(JSON.stringify({ replay, schedules, interleaving, cause: (cause as Error).message }));
}
