/** Watches its own event loop, without the command: prints what is reported, and ends without disposing its last watch. */
import { run, sleep } from "tasktree";
import { watchEventLoop, type Stall } from "tasktree/inspector";

const stalls: Stall[] = [];
const watch = watchEventLoop({ ms: 50, report: (stall) => stalls.push(stall) });
await run(block, { name: "first" });
await sleep(100);
await run(block, { name: "second" });
watch[Symbol.dispose]();
await run(block, { name: "unwatched" });
await sleep(100);
watch[Symbol.dispose]();
console.log(JSON.stringify(stalls));
watchEventLoop();

async function block(): Promise<void> {
  await sleep(100);
  spin();
}

function spin(): void {
  const end = performance.now() + 600;
  while (performance.now() < end);
}
