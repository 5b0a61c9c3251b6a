/** Processor time of all threads of this process (so also of the garbage collector's) and wall time, in nanoseconds. */
export type Span = { cpuNs: number; wallNs: number };

export function startSpan(): () => Span {
  const wall = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  return function stopSpan() {
    const used = process.cpuUsage(cpu);
    return { cpuNs: (used.user + used.system) * 1000, wallNs: Number(process.hrtime.bigint() - wall) };
  };
}

export function collectGarbage(): void {
  if (!globalThis.gc) throw new Error("Start Node with --expose-gc");
  globalThis.gc();
  globalThis.gc();
}

/** Heap in use after a collection, in bytes. */
export function heapAfterGc(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** The same after a turn of the event loop, when nothing of the last operation is on the stack or in a queue. */
export async function settledHeapAfterGc(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  return heapAfterGc();
}

export const megabytes = (bytes: number): number => bytes / 1_048_576;
