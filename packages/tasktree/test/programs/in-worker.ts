/** A run in a worker thread: does it own the process? */
import { isMainThread, Worker } from "node:worker_threads";
import { run, sleep } from "tasktree";

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url), { execArgv: process.execArgv });
  worker.on("message", (listeners) => console.log(`listeners in the worker: ${listeners}`));
} else {
  const { parentPort } = await import("node:worker_threads");
  await run(() => {
    parentPort!.postMessage(process.listenerCount("SIGINT") + process.listenerCount("beforeExit"));
    return sleep(1);
  });
}
