import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Peer } from "../../lib/contract.ts";

const tasks = ["spawn-ready", "spawn-suspend", "group-open", "sleepers", "cancel", "timeout"];
const sync = ["mutex", "mutex-contended", "limiter", "map-range"];
const net = ["tcp-echo"];
const channels = ["channel-1", "channel-100", "channel-10x10-1", "channel-10x10-100"];

type Found = { python: string; versions: string };

/** The first Python that has the module. */
function find(module: string, version: string): Found | undefined {
  const code = `import sys, ${module}; print("Python", sys.version.split()[0] + ${version})`;
  for (const python of [process.env["PYTHON"], "/usr/bin/python3", "python3"]) {
    if (python === undefined) continue;
    const { status, stdout } = spawnSync(python, ["-c", code], { encoding: "utf8" });
    if (status === 0) return { python, versions: stdout.trim() };
  }
  return undefined;
}

type On = { name: string; module: string; version: string; script: string[]; absent: string; scenarios: string[] };

function onPython({ name, module, version, script, absent, scenarios }: On): Peer {
  let found: Found | undefined;
  const look = (): Found | undefined => (found ??= find(module, version));
  const [file, ...flags] = script;
  return {
    name,
    describe: () => look()?.versions ?? name,
    absent: () => (look() === undefined ? absent : undefined),
    slowdown: 10,
    scenarios: {},
    program: {
      scenarios,
      command: () => [look()!.python, "-B", fileURLToPath(new URL(file!, import.meta.url)), ...flags],
    },
  };
}

export const asyncio: Peer = onPython({
  name: "asyncio",
  module: "asyncio.timeouts",
  version: '", asyncio"',
  script: ["on_asyncio.py"],
  absent: "no Python from 3.11: apt-get install python3",
  scenarios: [...tasks, "spawn-one", "tree", ...sync, ...channels, ...net],
});

export const uvloop: Peer = onPython({
  name: "uvloop",
  module: "asyncio.timeouts, uvloop",
  version: '", asyncio on uvloop " + uvloop.__version__',
  script: ["on_asyncio.py", "--uvloop"],
  absent: "no uvloop: apt-get install python3-uvloop",
  scenarios: [...tasks, "spawn-one", "tree", ...sync, ...channels, ...net],
});

export const trio: Peer = onPython({
  name: "trio",
  module: "trio",
  version: '", Trio " + trio.__version__',
  script: ["on_trio.py"],
  absent: "no Trio: apt-get install python3-trio",
  scenarios: [...tasks, ...sync, "channel-0", "channel-10x10-0", ...channels, ...net],
});
