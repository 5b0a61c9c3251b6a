/** What no test reaches in core, sync, channels and combine in the process that measures, and why. */

export interface Exception {
  /** Relative to packages/tasktree/src. */
  readonly file: string;
  /** A part of the line. */
  readonly code: string;
  readonly why: string;
}

const secondCopy = "a second copy of the package is loaded in a process of its own (test/programs/two-copies.ts)";

const emptyPiece = "V8 counts the empty piece between a `catch` that always leaves and its `finally` as a branch";

export const uncovered: readonly Exception[] = [
  { file: "core/current.ts", code: "store.run(frame, fn, a, b)", why: "how frames are entered on Deno" },
  { file: "core/current.ts", code: "registry[registryKey]", why: secondCopy },
  { file: "core/current.ts", code: "throw new InvalidStateError(", why: secondCopy },
  { file: "core/host.ts", code: "isMainThread ?? true", why: "for runtimes without worker threads" },
  { file: "core/run.ts", code: "} finally {", why: emptyPiece },
  { file: "sync/holding.ts", code: "} finally {", why: emptyPiece },
];
