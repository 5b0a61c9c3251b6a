import { here, type Frame } from "../core/current.ts";
import type { Root } from "../core/root.ts";
import { run, type RunOptions } from "../core/run.ts";
import { checkOptions } from "../errors.ts";
import { watchIo } from "./io.ts";
import { checked, LeakWatch } from "./leaks.ts";
import { installPlatform } from "./platform/install.ts";
import { VirtualClock } from "./virtual-clock.ts";

export interface RunVirtualOptions extends Omit<RunOptions, "clock" | "host" | "drainMs"> {
  /** The first `now()`, in milliseconds; default 0. With `platform`, `new Date()` begins there too: `Date.UTC(2030, 0)`, say. */
  readonly start?: number;
  /**
   * Whether the platform follows inside of the run: timers (also those of `node:timers` and `node:timers/promises`), `Date`,
   * `performance.now()`, `AbortSignal.timeout()`; default: not.
   */
  readonly platform?: boolean;
  /** Whether the run fails if it leaves something over, as in `withLeakCheck`; default true. */
  readonly leaks?: boolean;
  /** Whether time jumps though real I/O is pending; default: it stands still until that is done. */
  readonly jumpDuringIo?: boolean;
}

/** For so long, in milliseconds, time stands still for I/O before that is told. */
const tellAfter = 5000;

/**
 * Runs `main` as {@link run} does, in virtual time and without touching the process: an hour of sleeping takes milliseconds.
 * It is over when everything in it has ended, and nothing may be left over.
 *
 * Time jumps to what is due next when every task waits and no real I/O is pending, as far as the runtime tells. Idle
 * connections count as I/O, listening servers and real timers do not.
 *
 * @throws {InvalidStateError} If called inside a task or scope.
 * @throws {LeakError} If something is left over.
 * @example
 * ```ts
 * import { sleep } from "tasktree";
 * import { runVirtual } from "tasktree/testing";
 * import assert from "node:assert";
 * const lasted = await runVirtual(
 *   async () => {
 *     const begun = Date.now();
 *     await sleep(3_600_000);
 *     return Date.now() - begun;
 *   },
 *   { platform: true },
 * );
 * assert.equal(lasted, 3_600_000);
 * ```
 */
export async function runVirtual<T>(main: () => T | PromiseLike<T>, options: RunVirtualOptions = {}): Promise<T> {
  checkOptions("run in virtual time", options);
  const { start = 0, platform = false, leaks = true, jumpDuringIo = false, ...rest } = options;
  const clock = new VirtualClock({ start });
  let root: Root | undefined;
  let watch: LeakWatch | undefined;
  const covers = (frame: Frame | undefined): boolean => frame !== undefined && frame.node.root === root;
  const begin = (): T | PromiseLike<T> => {
    root = here().root;
    if (leaks) watch = new LeakWatch(root.node);
    return main();
  };
  const io = jumpDuringIo ? undefined : ioOf(covers);
  // What is left over must not happen while the run ends.
  clock.standStillWhile(() => root?.node.children?.first === undefined || io?.pending() === true);
  const uninstall = platform ? installPlatform(clock, covers) : undefined;
  try {
    const isFunction = typeof main === "function";
    return await checked(
      () => run(isFunction ? begin : main, { ...rest, clock, host: false }),
      () => watch,
    );
  } finally {
    uninstall?.();
    io?.stop();
    // Sleeps that nobody awaited still end, lest they hold the process.
    clock.standStillWhile(() => false);
  }
}

/** What time has to stand still for because of I/O; says so when that takes long. */
function ioOf(covers: (frame: Frame | undefined) => boolean): { pending(): boolean; stop(): void } {
  const watch = watchIo(covers);
  let since: number | undefined;
  let told = false;
  function pending(): boolean {
    const kinds = watch.pending();
    since = kinds.length === 0 ? undefined : (since ?? performance.now());
    if (since === undefined) return false;
    if (!told && performance.now() - since > tellAfter) {
      told = true;
      console.error(
        `tasktree: virtual time stands still, for ${kinds.join(", ")} is pending (jumpDuringIo: true if it need not)`,
      );
    }
    return true;
  }
  return { pending, stop: watch.stop };
}
