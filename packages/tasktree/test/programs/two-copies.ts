/** Loads tasktree, then the copy whose file the argument names. */
import { pathToFileURL } from "node:url";
import { run } from "tasktree";

try {
  await import(pathToFileURL(process.argv[2]!).href);
  console.log("loaded both");
} catch (error) {
  const { name, message } = error as Error;
  console.log(`${name}: ${message}`);
}
console.log(`the first ${await run(() => "works", { host: false })}`);
