/** Ends as its argument says. */
import { runMain, sleep, sleepForever } from "tasktree";

const ways: Record<string, () => unknown> = {
  done: () => sleep(1),
  failed: async () => {
    await sleep(1);
    throw new Error("it failed", { cause: new Error("for this reason") });
  },
  forever: () => {
    console.log("ready");
    return sleepForever();
  },
  deadlock: () => new Promise(() => {}),
};

void runMain(ways[process.argv[2]!]!, { grace: 100 });
