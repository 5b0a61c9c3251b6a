/** A task waits for a promise that will never settle, and nothing keeps the process alive. */
import { runMain, sleepForever, withTaskGroup } from "tasktree";

function main(): Promise<void> {
  return withTaskGroup((group) => {
    group.spawn(() => new Promise(() => {}), { name: "deaf" });
    if (process.argv.includes("forever")) group.spawn(sleepForever, { name: "forever" });
    console.log("ready");
  });
}

void runMain(main, { grace: 100 });
