import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { packageVersion } from "./version.ts";

const bench = fileURLToPath(new URL("..", import.meta.url));

type Manifest = { dependencies: Record<string, string>; devDependencies: Record<string, string> };

/** Whether the peers are there in the versions that are wanted. */
function arePeersInstalled(): boolean {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(`${bench}package.json`, "utf8")) as Manifest;
  return Object.entries({ ...dependencies, ...devDependencies }).every(([name, version]) => {
    const folder = `node_modules/${name}`;
    return existsSync(`${bench}${folder}/package.json`) && packageVersion(folder) === version;
  });
}

/** The peers have a lock file of their own, so that the library's installation stays free of them. */
export function installPeers(): void {
  if (arePeersInstalled()) return;
  const npm = spawnSync("npm", ["ci", "--prefix", bench], { stdio: ["ignore", "inherit", "inherit"] });
  if (npm.status !== 0) throw new Error("Cannot install the peers: npm ci --prefix bench failed");
}
