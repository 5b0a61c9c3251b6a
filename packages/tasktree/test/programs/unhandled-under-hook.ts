/** Loses rejections while the await hook is installed: tells what the runtime reports of each scenario. */
import { explore, type ScheduleError } from "../../src/testing/index.ts";

const reported: unknown[] = [];
process.on("unhandledRejection", (reason) => reported.push(reason));

async function fails(message: string): Promise<never> {
  await Promise.resolve();
  throw new Error(message);
}

async function tell(scenario: string, program: () => Promise<unknown>): Promise<void> {
  await program();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const reasons = reported.splice(0).map((reason) => (reason as Error).message);
  console.log(`${scenario}: ${reasons.join(", ") || "nothing"}`);
}

await tell("beside", async () => {
  const exploring = explore(() => Promise.all([Promise.resolve(), Promise.resolve()]));
  void fails("lost beside");
  await exploring;
});

await tell("handled in time", () =>
  explore(async () => {
    const failed = fails("handled");
    await Promise.resolve();
    await failed.catch(() => {});
    await Promise.allSettled([fails("one"), fails("two")]);
  }),
);

let runs = 0;
await tell("beside one for each run", async () => {
  const lost = async (): Promise<void> => {
    runs++;
    void fails("lost inside");
    await new Promise((resolve) => setTimeout(resolve, 5));
  };
  await explore(lost).catch((error: ScheduleError) =>
    console.log(`fails its schedule: ${(error.cause as Error).message}`),
  );
  const reasons = new Set(reported.splice(0, runs).map((reason) => (reason as Error).message));
  console.log(`inside: ${[...reasons].join(", ")}`);
});
