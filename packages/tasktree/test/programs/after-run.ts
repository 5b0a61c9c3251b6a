/** Has run a tree, and stays. */
import { run, sleep } from "tasktree";

setInterval(() => {}, 1000);
await run(() => sleep(1));
console.log("ready");
