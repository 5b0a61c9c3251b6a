/** A task keeps the event loop from turning: for how many milliseconds, and how, say the arguments. */
import { spawnSync } from "node:child_process";
import { sleep, withTaskGroup } from "tasktree";

export default async function main([ms = "0", how = "spin"]: readonly string[]): Promise<void> {
  await withTaskGroup(async (group) => {
    group.spawn(() => sleep(1), { name: "bystander" });
    group.spawn(() => worker(Number(ms), how), { name: "worker" });
  });
}

async function worker(ms: number, how: string): Promise<void> {
  await sleep(100);
  if (how === "wait") {
    console.log("ready");
    await sleep(ms);
  } else if (how === "native") waitInNativeCode(ms);
  else spin(ms);
  if (how === "exit") process.exit(3);
}

function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

function waitInNativeCode(ms: number): void {
  checkStatus(spawnSync(process.execPath, ["--eval", `setTimeout(() => {}, ${ms})`]).status);
}

/** Called right after native code: a call is where V8 notices that it is to pause. */
function checkStatus(status: number | null): void {
  if (status !== 0) throw new Error(`The child ended with ${status}`);
}
