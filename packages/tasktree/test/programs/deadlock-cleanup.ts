/** A deadlock in whose cleanup something fails. */
import { run, Semaphore, sleep, suppressedErrors } from "tasktree";

const never = new Semaphore(0, { name: "never" });

async function main(): Promise<void> {
  try {
    await never.acquire();
  } finally {
    await sleep(5);
    console.log("in cleanup");
    throw new Error("cleanup failed");
  }
}

void run(main).catch((error: unknown) => {
  console.log(`rejected with ${(error as Error).name}, beside ${suppressedErrors(error).map(String).join(", ")}`);
});
