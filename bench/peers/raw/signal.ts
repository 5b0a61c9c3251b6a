import { setTimeout as sleep } from "node:timers/promises";
import type { Begin, Peer } from "../../lib/contract.ts";
import { sleepersWith } from "./tasks.ts";

const A_DAY = 86_400_000;

const sleepers = sleepersWith(
  (task) => task(),
  (ms) => sleep(ms, undefined, { signal: new AbortController().signal }),
);

async function cancel(n: number, begin: Begin): Promise<number> {
  let ended = 0;
  const controllers: AbortController[] = [];
  async function wait(signal: AbortSignal): Promise<void> {
    try {
      await sleep(A_DAY, undefined, { signal });
    } finally {
      ended++;
    }
  }
  const tasks: Promise<void>[] = [];
  for (let i = 0; i < n; i++) {
    const controller = new AbortController();
    controllers.push(controller);
    tasks.push(wait(controller.signal));
  }
  begin();
  const all = Promise.allSettled(tasks);
  for (const controller of controllers) controller.abort();
  await all;
  return ended;
}

export const rawSignal: Peer = {
  name: "raw-signal",
  describe: () =>
    "native promises, each task asleep in node:timers/promises with the signal of an AbortController of its own",
  scenarios: { sleepers, "sleepers-million": sleepers, cancel },
};
