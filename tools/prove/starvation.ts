/** Two tasks that pass items for ever and a thousand that are always ready: timers come in time all the same (rule F2). */
import { setTimeout as delay } from "node:timers/promises";
import { Channel, checkpoint, run, withTaskGroup } from "tasktree";
import { counted, type Effort, type Finding } from "./finding.ts";

const every = 10;
const latest = 100;
const readyTasks = 1000;
const lasts = { short: 1500, long: 10_000 };

export async function starvation(effort: Effort): Promise<Finding> {
  const ms = Math.max(lasts[effort.isShort ? "short" : "long"], effort.ms);
  const late = await run(() => latenessWhileBusy(ms), { host: false });
  const worst = Math.max(...late);
  return {
    figure: `${counted(late.length, `timer`)} of ${every} ms, the latest by ${worst.toFixed(1)} ms`,
    faults: worst >= latest ? [`a timer of ${every} ms was late by ${worst.toFixed(1)} ms`] : [],
  };
}

function latenessWhileBusy(ms: number): Promise<number[]> {
  return withTaskGroup(async (group) => {
    const channel = new Channel<number>(1);
    group.spawn(
      async () => {
        for (let item = 0; ; item++) await channel.send(item);
      },
      { service: true },
    );
    group.spawn(
      async () => {
        for (;;) await channel.receive();
      },
      { service: true },
    );
    for (let ready = 0; ready < readyTasks; ready++)
      group.spawn(
        async () => {
          for (;;) await checkpoint();
        },
        { service: true },
      );
    return await lateness(ms);
  });
}

/** How late timers of the platform come, in time that this thread has worked: what others on the machine do is not counted. */
export async function lateness(ms: number): Promise<number[]> {
  const late: number[] = [];
  for (const began = performance.now(); performance.now() - began < ms;) {
    const [due, worked] = [performance.now() + every, workedMs()];
    await delay(every);
    late.push(Math.max(0, Math.min(performance.now() - due, workedMs() - worked)));
  }
  return late;
}

function workedMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
