/** Cleans up after a signal, but something else in the process stays open. */
import { runMain, sleep, sleepForever } from "tasktree";

setInterval(() => {}, 1000);

void runMain(async () => {
  console.log("ready");
  try {
    await sleepForever();
  } finally {
    await sleep(10);
    console.log("cleaned");
  }
});
