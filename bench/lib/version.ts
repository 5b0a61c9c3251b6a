import { readFileSync } from "node:fs";

/** The version in the package.json at this place, relative to bench/. */
export function packageVersion(folder: string): string {
  const file = new URL(`../${folder}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
