/** Two tasks take two semaphores, in different order. */
import { runMain, Semaphore, sleep, withTaskGroup } from "tasktree";

const left = new Semaphore(1, { name: "left" });
const right = new Semaphore(1, { name: "right" });

async function takeBoth(first: Semaphore, second: Semaphore): Promise<void> {
  using _first = await first.acquire();
  await sleep(1);
  using _second = await second.acquire();
}

function main(): Promise<void> {
  return withTaskGroup((group) => {
    group.spawn(() => takeBoth(left, right), { name: "ada" });
    group.spawn(() => takeBoth(right, left), { name: "bob" });
    group.spawn(() => sleep(1), { name: "bystander" });
  });
}

void runMain(main);
