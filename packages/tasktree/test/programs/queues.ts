/** Queues and the process around them. The argument says which scenario. */
import { moveOnAfter, run, runMain, sleepForever, withTaskGroup } from "tasktree";
import { MemoryQueue } from "tasktree/queues";

const scenarios: Record<string, () => Promise<void>> = {
  async "a delayed item is waited for"() {
    const queue = new MemoryQueue<string>();
    await queue.put("late", { delay: 20 });
    await using lease = await queue.take();
    console.log(lease.item);
  },

  async "nobody waits for a delayed item"() {
    const queue = new MemoryQueue<string>({ leaseMs: 600_000 });
    await queue.put("leased");
    await queue.take();
    await queue.put("late", { delay: 600_000 });
    await moveOnAfter(5, () => queue.take());
    await moveOnAfter(5, async () => {
      for await (const lease of queue) console.log(lease.item);
    });
    console.log("left");
  },

  async "a dead letter is too much"() {
    const failure = new Error("no room for dead letters");
    await run(() =>
      withTaskGroup(async (group) => {
        const queue = new MemoryQueue<string>({
          onReject() {
            throw failure;
          },
        });
        await queue.put("a");
        group.spawn(async () => {
          const lease = await queue.take();
          await lease.reject();
          console.log("worked");
        });
        await sleepForever();
      }),
    ).catch((error: unknown) => console.log(String(error), error === failure));
  },

  "a lease is left behind": () =>
    runMain(async function main() {
      const queue = new MemoryQueue<string>({ name: "jobs" });
      await queue.put("a");
      await withTaskGroup((group) => {
        group.spawn(() => queue.take().then(() => undefined), { name: "leaky" });
      });
      await queue.join();
    }),
};

const scenario = process.argv[2]!;
if (scenario === "a lease is left behind" || scenario === "a dead letter is too much") void scenarios[scenario]!();
else void run(scenarios[scenario]!);
