/** Explores one program of the proof, and prints what was found as JSON: run in a copy of the package that has a fault. */
import { ScheduleError } from "../../../src/testing/index.ts";
import { programNamed } from "../primitives.ts";
import { exploreProgram } from "../prove.ts";

const [name = "", schedules = "10000"] = process.argv.slice(2);
try {
  const explored = await exploreProgram(programNamed(name), { schedules: Number(schedules) });
  console.log(JSON.stringify({ caught: false, why: `${explored.schedules} schedules passed` }));
} catch (error) {
  if (!(error instanceof ScheduleError)) throw error;
  const { replay, schedules, message } = error;
  console.log(JSON.stringify({ caught: true, replay, schedules, why: message.split("\n", 1)[0] }));
}
