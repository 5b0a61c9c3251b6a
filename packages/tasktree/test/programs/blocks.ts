/** A program whose task keeps the event loop from turning. */
import { sleep, withTaskGroup } from "../../src/index.ts";

export default async function main(): Promise<void> {
  await withTaskGroup(async (group) => {
    group.spawn(() => sleep(1), { name: "bystander" });
    group.spawn(worker, { name: "worker" });
  });
}

async function worker(): Promise<void> {
  await sleep(100);
  hotLoop(500);
}

function hotLoop(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
