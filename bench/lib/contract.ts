/** What a peer does for one scenario. Resolves with a number that the scenario checks. */
export type Adapter = (n: number, begin: Begin, look: Look) => Promise<number>;

/**
 * Starts the clocks of the measured span, which lasts until the adapter's promise resolves. An adapter that prepares
 * something first (a hundred thousand waiting tasks, say) calls it when that is ready; then the memory held at that moment
 * is recorded too. An adapter that does not call it is measured from its first line.
 */
export type Begin = () => void;

/** Records the memory held at this moment and leaves the clocks alone: the run in which it does so is not counted. */
export type Look = { (): void; readonly recording: boolean };

export type Scenario = {
  name: string;
  title: string;
  /** What one operation is, in the singular: "task", "call". */
  unit: string;
  operations: number;
  quickOperations: number;
  /** The operations (or batches of them) come one after the other, so their number does not change the cost of one. */
  sequential: boolean;
  /** Its size is what it is about: left out of growth. */
  fixedSize?: boolean;
  /** Whether the memory held is looked at (default true), for which garbage is collected in the first run. */
  memory?: boolean;
  /** The number that a right run resolves with. */
  expected(n: number): number;
  /** Printed under the table: what exactly each peer did. */
  notes: string[];
};

export type Peer = {
  name: string;
  /** Name and version for the head of the report. */
  describe(): string;
  /** Why it cannot be measured here, and how to install it; undefined if it can. */
  absent?(): string | undefined;
  /** Divides the operations of sequential scenarios, for a peer that would take minutes. */
  slowdown?: number;
  scenarios: Partial<Record<string, Adapter>>;
  program?: Program;
};

/** A peer outside of JavaScript, which measures itself: called with a scenario, operations, and the times. */
export type Program = {
  scenarios: string[];
  command(): string[];
};

/** How long one measurement is: it has so many runs at most, at least one, and begins none after its time. */
export type Times = { warmUpMs: number; measureMs: number; maxRuns: number };

/** One measurement, as a child process reports it. */
export type Sample = {
  cpuNs: number;
  wallNs: number;
  /** Heap bytes per operation at `begin()` or `look()`, where the adapter called one. */
  heldBytes: number | null;
  peakRssMb: number;
};

export type Figures = Record<string, number>;

/** A cost shape of tasktree alone: figures at some points, and what must be true of them. */
export type Shape = {
  name: string;
  title: string;
  /** Each point is measured in a process of its own. */
  points: string[];
  quickPoints: string[];
  measure(point: string): Promise<Figures>;
  /** What is wrong with these figures: empty when the shape holds. */
  faults(figures: Map<string, Figures>): string[];
};
