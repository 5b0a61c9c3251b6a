/** Sleeps never end early, whatever the platform's timers do (rule D4); in virtual time they end at their time exactly. */
import { now, run, sleep, withTaskGroup } from "tasktree";
import { VirtualClock } from "tasktree/testing";
import { randomFrom } from "../../packages/tasktree/test/random.ts";
import { counted, goesOn, type Effort, type Finding } from "./finding.ts";

const rounds = { short: 2, long: 10 };
const sleepers = 1000;
const longest = 400; // in tenths of a millisecond

export async function sleeps(effort: Effort): Promise<Finding> {
  const random = randomFrom(effort.seed);
  const began = performance.now();
  const faults: string[] = [];
  let count = 0;
  for (let round = 0; round < rounds[effort.isShort ? "short" : "long"] || goesOn(effort, began); round++) {
    const many = Array.from({ length: sleepers }, () => random(longest) / 10);
    faults.push(...(await run(() => early(many), { host: false })));
    count += many.length;
  }
  const far = [0.5, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 5, 2 ** 40];
  faults.push(...(await run(() => inexact(far), { clock: new VirtualClock(), host: false })));
  return { figure: `${counted(count + far.length, "sleep")}, none early`, faults };
}

/** The sleeps that end before their time, by the run's clock or the platform's. */
export async function early(many: readonly number[], rest: typeof sleep = sleep): Promise<string[]> {
  const faults: string[] = [];
  await withTaskGroup((group) => {
    for (const ms of many) {
      group.spawn(async () => {
        const [run, platform] = [now(), performance.now()];
        await rest(ms);
        const slept = Math.min(now() - run, performance.now() - platform);
        if (slept < ms) faults.push(`sleep(${ms}) has lasted ${slept} ms`);
      });
    }
  });
  return faults;
}

/** Those that end at another time than the first whole millisecond at which they may. */
async function inexact(many: readonly number[]): Promise<string[]> {
  const faults: string[] = [];
  for (const ms of many) {
    const due = Math.ceil(now() + ms);
    await sleep(ms);
    if (now() !== due) faults.push(`sleep(${ms}) in virtual time has ended at ${now()}, not at ${due}`);
  }
  return faults;
}
