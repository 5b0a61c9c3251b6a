/** Waits for a signal, cleans up, and tells how `run` ended. Arguments: drainMs, and how it takes the cancellation. */
import { checkpoint, currentScope, run, sleep, sleepForever, WorkCancelledError } from "tasktree";

const [drainMs = "0", manner = "obedient"] = process.argv.slice(2);

async function main(): Promise<string | undefined> {
  console.log("ready");
  if (manner.startsWith("drains")) return await drainAndFinish();
  try {
    await sleepForever();
  } catch (error) {
    if (manner === "returns") return "value";
    if (manner === "fails") throw new Error("failed in cleanup", { cause: "something else" });
    throw error;
  } finally {
    await sleep(20);
    console.log("cleaned");
  }
}

async function drainAndFinish(): Promise<string> {
  const server = manner === "drains with a server" ? setInterval(() => {}, 1000) : undefined;
  try {
    await currentScope().waitDraining();
    console.log("draining");
    await sleep(20);
    await checkpoint();
    return "finished";
  } finally {
    clearInterval(server);
  }
}

void run(main, { drainMs: Number(drainMs) }).then(
  (value) => console.log(`run gave ${value}, exit code ${process.exitCode}`),
  (error: unknown) => {
    const why = error instanceof WorkCancelledError ? error.why : String(error);
    console.log(`run rejected: ${why}, exit code ${process.exitCode}`);
  },
);
