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

/** The main thread's beats, shared: when the last one was, in nanoseconds. */
export type Beats = BigInt64Array<SharedArrayBuffer>;

/** What the second thread is told at its start. */
export interface Orders {
  readonly beats: Beats;
  /** The main thread leaves a beat this often, in milliseconds. */
  readonly every: number;
  /** A beat that is later than this makes a stall, in milliseconds. */
  readonly ms: number;
  /** Whether to print what is seen while it lasts. */
  readonly print: boolean;
  /** An expression that gives the path of the task in whose context it is evaluated. */
  readonly taskPath: string;
  /** What the URLs of tasktree's own files begin with. */
  readonly ownFolder: string;
  readonly port: MessagePort;
}

/** What the second thread tells the main one, which reads it when it is free again. */
export type Sighting =
  | { readonly beat: bigint; readonly task: string | undefined; readonly stack: readonly string[] }
  | { readonly beat: bigint; readonly unavailable: string };

/** How late the beat after `last` is, in milliseconds; below 0 if it is not due yet. */
export function lateness(last: bigint, now: bigint, every: number): number {
  return Number(now - last) / 1e6 - every;
}

export function describe({ ms, task, stack }: Stall, tense: "has been" | "was"): string {
  const where = tense === "was" ? "" : stack.length === 0 ? " in native code" : " outside of any task";
  const by = task === undefined ? where : ` by task '${task}'`;
  return [`tasktree: the event loop ${tense} blocked for ${Math.round(ms)} ms${by}`, ...stack].join("\n    ");
}
