import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Peer } from "../../lib/contract.ts";
import { cacheFolder } from "../../lib/cache.ts";

const sources = fileURLToPath(new URL(".", import.meta.url));

function version(): string | undefined {
  const { status, stdout } = spawnSync("go", ["version"], { encoding: "utf8" });
  return status === 0 ? stdout.split(" ")[2]!.replace("go", "Go ") : undefined;
}

function changed(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Builds the program when its sources are newer. */
function built(): string {
  mkdirSync(cacheFolder, { recursive: true });
  const program = `${cacheFolder}go-peer`;
  if (readdirSync(sources).every((file) => changed(sources + file) < changed(program))) return program;
  const { status, stderr } = spawnSync("go", ["build", "-o", program, "."], { cwd: sources, encoding: "utf8" });
  if (status !== 0) throw new Error(`Cannot build the peer in Go: ${stderr}`);
  return program;
}

export const go: Peer = {
  name: "go",
  describe: () => `${version() ?? "Go"}, goroutines`,
  absent: () => (version() === undefined ? "no go on the PATH: apt-get install golang-go" : undefined),
  scenarios: {},
  program: {
    scenarios: [
      ...["spawn-ready", "spawn-ready-million", "spawn-suspend", "spawn-suspend-million", "spawn-one", "group-open"],
      ...["tree", "chain", "sleepers", "sleepers-million", "cancel", "timeout", "mutex", "mutex-contended"],
      ...["limiter", "limiter-million", "map-range", "channel-0", "channel-1", "channel-100"],
      ...["channel-10x10-0", "channel-10x10-1", "channel-10x10-100", "select", "tcp-echo"],
    ],
    command: () => [built()],
  },
};
