/** What a peer does for one scenario. Resolves with a number that the scenario checks. */
export type Adapter = (n: number, begin: Begin) => Promise<number>;

/**
 * Starts the clocks of the measured span, which lasts until the adapter's promise resolves. An adapter that prepares
 * something first (a hundred thousand waiting tasks, say) calls it when that is ready; then the memory held at that moment
 * is recorded too. An adapter that does not call it is measured from its first line.
 */
export type Begin = () => void;

export type Scenario = {
  name: string;
  title: string;
  /** What one operation is, in the singular: "task", "call". */
  unit: string;
  operations: number;
  quickOperations: number;
  /** The operations (or batches of them) come one after the other, so their number does not change the cost of one. */
  sequential: boolean;
  /** The number that a right run resolves with. */
  expected(n: number): number;
  /** Printed under the table: what exactly each peer did. */
  notes: string[];
};

export type Peer = {
  name: string;
  /** Name and version for the head of the report. */
  describe(): string;
  /** Divides the operations of sequential scenarios, for a peer that would take minutes. */
  slowdown?: number;
  scenarios: Partial<Record<string, Adapter>>;
};

/** One measurement, as a child process reports it. */
export type Sample = {
  cpuNs: number;
  wallNs: number;
  /** Heap bytes per operation at `begin()`, where the adapter called it. */
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
