/** What both threads of the watchdog know of a stall: how it is measured, and how it is told. */

/** A time in which the event loop could not turn, because something ran on and on. */
export interface Stall {
  /** How long the event loop has been blocked, in milliseconds. */
  readonly ms: number;
  /** The path of the task that blocks it; undefined outside of any, and where nothing tells. */
  readonly task: string | undefined;
  /** Where the blocking code was, innermost first: "at name (file:line:column)". Empty where nothing tells. */
  readonly stack: readonly string[];
}

/** What the second thread is told at its start. */
export interface Orders {
  /** Seen by both threads; `slot` says what is where. */
  readonly shared: BigInt64Array<SharedArrayBuffer>;
  /** The main thread leaves a beat this often, in milliseconds. */
  readonly every: number;
  /** A beat that is later than this makes a stall, in milliseconds. */
  readonly ms: number;
  /** An expression that has the main thread look at what it is doing. */
  readonly look: string;
  /** Whether to print what the main thread cannot. */
  readonly print: boolean;
}

export const slot = {
  /** When the main thread's last beat was, in nanoseconds. */
  beat: 0,
  /** How often the main thread has looked. */
  looks: 1,
  /** The last beat before a stall in which the main thread was asked to look, and did not get to it. */
  native: 2,
} as const;

/** How late the beat after `last` is, in milliseconds; below 0 if it is not due yet. */
export function lateness(last: bigint, now: bigint, every: number): number {
  return Number(now - last) / 1e6 - every;
}

export function describe({ ms, task, stack }: Stall): string {
  const by = task === undefined ? "outside of any task" : `by task '${task}'`;
  return [`tasktree: the event loop has been blocked for ${Math.round(ms)} ms ${by}`, ...stack].join("\n    ");
}
