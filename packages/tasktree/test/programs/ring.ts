/** Tasks that wait for each other: two which take two semaphores in different order, and others by argument. */
import { runMain, Semaphore, sleep, withTaskGroup } from "tasktree";

const left = new Semaphore(1, { name: "left" });
const right = new Semaphore(1, { name: "right" });

async function takeBoth(first: Semaphore, second: Semaphore): Promise<void> {
  using _first = await first.acquire();
  await sleep(1);
  using _second = await second.acquire();
}

const rings: Record<string, () => Promise<void>> = {
  two: () =>
    withTaskGroup((group) => {
      group.spawn(() => takeBoth(left, right), { name: "ada" });
      group.spawn(() => takeBoth(right, left), { name: "bob" });
      group.spawn(() => sleep(1), { name: "bystander" });
    }),
  alone: () => takeBoth(left, left),
  "with its child": async () => {
    using _permit = await left.acquire();
    await withTaskGroup((group) => {
      group.spawn(() => left.acquire(), { name: "child" });
    });
  },
};

void runMain(rings[process.argv[2] ?? "two"]!);
