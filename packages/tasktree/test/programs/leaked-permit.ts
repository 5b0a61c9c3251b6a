/** A task ends without giving back what another waits for. */
import { runMain, Semaphore, sleep, withTaskGroup } from "tasktree";

const database = new Semaphore(1, { name: "database" });

export default async function main(): Promise<void> {
  await withTaskGroup((group) => {
    group.spawn(leak, { name: "leaky" });
    group.spawn(query, { name: "query" });
    group.spawn(() => database.acquire(), { name: "second" });
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

if (import.meta.main) void runMain(main);
