/** What tasktree must reach: ratios of processor time within a round, and figures of its own. */

export type Target = {
  /** What is compared, where the goal has several parts. */
  label?: string;
  scenario: string;
  peer: string;
  /** The peer it is compared with, or the scenario with fewer operations; none for a figure of its own. */
  over?: { peer: string } | { scenario: string };
  figure: "cpu" | "wall" | "held";
  atMost: number;
};

export type Goal = { row: string; targets: Target[]; shapes?: string[] };

const toRaw = (scenario: string, atMost: number, peer = "tasktree", label?: string): Target => ({
  scenario,
  peer,
  over: { peer: "raw" },
  figure: "cpu",
  atMost,
  ...(label === undefined ? {} : { label }),
});

const wall = (scenario: string, peer: string, atMost: number): Target => ({
  label: `wall over ${peer}`,
  scenario,
  peer: "tasktree",
  over: { peer },
  figure: "wall",
  atMost,
});

const million = (scenario: string, atMost: number): Target => ({
  label: "10^6 over fewer",
  scenario: `${scenario}-million`,
  peer: "tasktree",
  over: { scenario },
  figure: "cpu",
  atMost,
});

export const goals: Goal[] = [
  {
    row: "spawn+join at once, task does not suspend",
    targets: [
      toRaw("spawn-ready", 2.5, "tasktree", "with a handle"),
      toRaw("spawn-ready", 1.6, "tasktree-all", "bulk `all`"),
      toRaw("spawn-ready", 1.6, "tasktree-map", "bulk `mapConcurrent`"),
    ],
  },
  {
    row: "spawn+join at once, task suspends once",
    targets: [
      toRaw("spawn-suspend", 2.9),
      {
        label: "over Effect.gen",
        scenario: "spawn-suspend",
        peer: "tasktree",
        over: { peer: "effect-gen" },
        figure: "cpu",
        atMost: 1 / 1.4,
      },
    ],
  },
  { row: "open a group, one child, close", targets: [toRaw("group-open", 1.8)] },
  {
    row: "10^5 and 10^6 sleepers",
    targets: [
      toRaw("sleepers", 1.3, "tasktree", "10^5"),
      { label: "bytes a sleeper", scenario: "sleepers", peer: "tasktree", figure: "held", atMost: 1050 },
      toRaw("sleepers-million", 1.3, "tasktree", "10^6"),
    ],
    shapes: ["many-sleepers"],
  },
  {
    row: "cancel 10^5 tasks with a `finally` each, over one AbortController per task",
    targets: [{ scenario: "cancel", peer: "tasktree", over: { peer: "raw-signal" }, figure: "cpu", atMost: 0.05 }],
    shapes: ["cancel-linear"],
  },
  { row: "timeout around a fast call", targets: [toRaw("timeout", 0.45)] },
  {
    row: "limiter of 10, 2·10^5 queued",
    targets: [
      toRaw("limiter", 0.7, "tasktree", "`with(fn)`"),
      toRaw("limiter", 1.2, "tasktree-all", "with a task per job"),
      million("limiter", 1.5),
    ],
  },
  { row: "map over a range, 10 at once", targets: [toRaw("map-range", 2.5)] },
  { row: "map an async generator, 16 at once, in order", targets: [toRaw("map-generator", 1.6)] },
  {
    row: "mutex, free",
    targets: [toRaw("mutex", 1.5, "tasktree-try", "`tryAcquire`"), toRaw("mutex", 8.5, "tasktree", "awaited")],
  },
  { row: "mutex, 100 contenders", targets: [toRaw("mutex-contended", 1.5)] },
  {
    row: "channel, capacity 100",
    targets: [
      toRaw("channel-100", 1.3, "tasktree", "awaited"),
      toRaw("channel-100", 0.4, "tasktree-try", "by `tryReceive`"),
    ],
  },
  { row: "channel, capacity 1", targets: [toRaw("channel-1", 1.4)] },
  { row: "HTTP server with a trivial handler, over node:http", targets: [toRaw("http-hello", 1.25)] },
  {
    row: "echo server by TCP, over node:net; its requests per second",
    targets: [
      toRaw("tcp-echo", 1.15, "tasktree", "cpu"),
      wall("tcp-echo", "asyncio", 1),
      wall("tcp-echo", "effect", 1),
      wall("tcp-echo", "uvloop", 1.1),
    ],
  },
];

export const goalScenarios: Set<string> = new Set(
  goals.flatMap(({ targets }) => targets.map(({ scenario }) => scenario)),
);
export const goalShapes: Set<string> = new Set(goals.flatMap(({ shapes = [] }) => shapes));

/** The forms of tasktree and of raw that goals are about. */
export const goalForms: Set<string> = new Set(
  goals
    .flatMap(({ targets }) => targets)
    .flatMap(({ peer, over }) => (over !== undefined && "peer" in over ? [peer, over.peer] : [peer]))
    .filter((peer) => /^(tasktree|raw)-/.test(peer)),
);

/** What it may cost to have tasktree at all. */
export const startupGoals: { importMs: number; gzippedBytes: number } = { importMs: 10, gzippedBytes: 14_000 };
