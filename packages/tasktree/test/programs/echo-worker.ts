/** A worker that answers each number with its square, and ends at "stop". */
import { parentPort } from "node:worker_threads";

parentPort!.on("message", (message: number | "stop") => {
  if (message === "stop") process.exit();
  parentPort!.postMessage(message * message);
});
parentPort!.postMessage("ready");
