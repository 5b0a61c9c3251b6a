/** A task ends without giving back what another waits for. */
import { runMain, Semaphore, sleep, sleepForever, withTaskGroup } from "tasktree";

const database = new Semaphore(1, { name: "database" });

export default async function main(): Promise<void> {
  await withTaskGroup(async (group) => {
    group.spawn(leak, { name: "leaky" });
    group.spawn(query, { name: "query" });
    group.spawn(
      async () => {
        await database.acquire();
      },
      { name: "holder-to-be" },
    );
  });
}

async function leak(): Promise<void> {
  await database.acquire();
  await sleep(5);
}

async function query(): Promise<void> {
  try {
    await database.acquire();
  } catch (error) {
    console.log(`query got ${(error as { why: string }).why}`);
    throw error;
  } finally {
    await sleep(5);
    console.log("query cleaned up");
  }
}

if (import.meta.main) void runMain(process.argv.includes("forever") ? sleepForever : main);
