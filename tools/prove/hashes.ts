/**
 * Explores the programs in a folder, and prints how: on every runtime the same. Run as `<runtime> hashes.ts FOLDER SCHEDULES`.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { explore } from "tasktree/testing";
import * as stage from "./stage.ts";

const [folder = "", schedules = ""] = process.argv.slice(2);
const hashes: Record<string, string> = {};
for (const file of readdirSync(folder).toSorted()) {
  const { default: main } = (await import(pathToFileURL(join(folder, file)).href)) as { default: () => Promise<void> };
  const once = async (): Promise<void> => {
    stage.begin();
    await main();
  };
  const options = { strategy: "random", seed: 7, schedules: Number(schedules) } as const;
  hashes[file] = await explore(once, options).then(
    ({ hash, steps }) => `${hash.toString(16)} after ${steps} steps`,
    (error: unknown) => String(error).split("\n", 3).join(" "),
  );
}
console.log(JSON.stringify(hashes));
