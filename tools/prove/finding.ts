/** What the commands of `npm run prove` are given, and what they give. */

export interface Effort {
  /** Seconds, not minutes: for `npm test`. */
  readonly isShort: boolean;
  /** How long what never comes to an end by itself goes on at least, in milliseconds. */
  readonly ms: number;
  /** What is drawn by lots is drawn from this. */
  readonly seed: number;
}

export interface Finding {
  /** What was shown, in numbers. */
  readonly figure: string;
  /** What is wrong, each with what is needed to see it again. */
  readonly faults: readonly string[];
}

export type Proof = (effort: Effort) => Promise<Finding>;

/** Whether `effort` lasts: what began at `since`, on the clock of `performance.now()`, is to go on. */
export function goesOn(effort: Effort, since: number): boolean {
  return performance.now() - since < effort.ms;
}

/** "1,234 schedules", "1 schedule" */
export function counted(count: number, thing: string): string {
  return `${count.toLocaleString("en-US")} ${thing}${count === 1 ? "" : "s"}`;
}
