/** Runs for tests: in virtual time, and without touching the process. */
import { run, type RunOptions } from "../src/index.ts";
import { VirtualClock } from "../src/testing/index.ts";

/** `run` on a clock of its own that jumps while everything waits, and not as host. */
export function virtually<T>(main: () => T | PromiseLike<T>, options: RunOptions = {}): Promise<T> {
  return run(main, { clock: new VirtualClock(), host: false, ...options });
}
