/** Has calls to make before a forced exit, one of which was taken back. */
import { runMain, shield, sleepForever } from "tasktree";
import { onForcedExit } from "tasktree/lowlevel";

onForcedExit(() => console.log("first call"));
onForcedExit(() => {
  throw new Error("of a call");
});
onForcedExit(() => console.log("taken back"))();
onForcedExit(() => console.log("last call"));

async function main(): Promise<void> {
  console.log("ready");
  try {
    await sleepForever();
  } finally {
    console.log("cancelled");
    await shield(sleepForever, { timeout: Infinity });
  }
}

void runMain(main);
