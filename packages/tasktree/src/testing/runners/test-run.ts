/** What a test is, whichever runner reports it: a run of its own, which the runner's signal cancels, and which leaves nothing over. */
import { here } from "../../core/current.ts";
import { run } from "../../core/run.ts";
import { linkSignal } from "../../core/signal-bridge.ts";
import { brief, isObject, ScheduleError, suppressedErrors, WorkCancelledError } from "../../errors.ts";
import { explore, type Exploration, type ExploreOptions } from "../explore/explore.ts";
import { checked, LeakWatch } from "../leaks.ts";
import { runVirtual, type RunVirtualOptions } from "../run-virtual.ts";

/** How a test runs; stands beside the runner's own options. */
export interface TestRunOptions extends Pick<
  RunVirtualOptions,
  "start" | "platform" | "leaks" | "grace" | "debug" | "jumpDuringIo"
> {
  /**
   * Whether the test runs in virtual time, as in `runVirtual`; default false. `start`, `platform` and `jumpDuringIo` are
   * for these tests only.
   */
  readonly virtual?: boolean;
}

const runOptions: Record<keyof TestRunOptions, true> = {
  virtual: true,
  start: true,
  platform: true,
  leaks: true,
  grace: true,
  debug: true,
  jumpDuringIo: true,
};

const exploreOptions: Record<keyof ExploreOptions, true> = {
  name: true,
  strategy: true,
  schedules: true,
  timeLimit: true,
  seed: true,
  preemptions: true,
  depth: true,
  cancellations: true,
  cancels: true,
  delays: true,
  delayMs: true,
  failures: true,
  shares: true,
  lostUpdates: true,
  maxSteps: true,
};

/** What is ours of a test's options, and what is the runner's. */
interface Shares<Ours> {
  readonly ours: Ours;
  readonly theirs: Record<string, unknown>;
}

export function sharesOf(name: unknown, options: object | undefined): Shares<TestRunOptions> {
  const shares = divide<TestRunOptions>(name, options, runOptions);
  const { virtual = false, ...rest } = shares.ours;
  const unused = (["start", "platform", "jumpDuringIo"] as const).find((key) => rest[key] !== undefined);
  if (!virtual && unused !== undefined) {
    throw new TypeError(`Cannot use ${unused} in test ${brief(name)}: it is for virtual: true`);
  }
  return shares;
}

export function exploreSharesOf(name: unknown, options: object | undefined): Shares<ExploreOptions> {
  return divide<ExploreOptions>(name, options, exploreOptions);
}

function divide<Ours>(name: unknown, options: object = {}, keys: Record<keyof Ours, true>): Shares<Ours> {
  if (!isObject(options) || typeof options === "function") {
    throw new TypeError(`Cannot use ${brief(options)} as options of test ${brief(name)}: wanted an object`);
  }
  const entries = Object.entries(options);
  return {
    ours: Object.fromEntries(entries.filter(([key]) => Object.hasOwn(keys, key))) as Ours,
    theirs: Object.fromEntries(entries.filter(([key]) => !Object.hasOwn(keys, key))),
  };
}

/** The function of a test, unless it has none, as a test that is yet to be written. */
export function checkTest(name: unknown, fn: unknown): void {
  if (fn === undefined || typeof fn === "function") return;
  throw new TypeError(`Cannot test ${brief(name)} with ${brief(fn)}: wanted a function`);
}

/** One test while it runs. */
export interface TestRun<T> {
  /** What the runner is given. */
  readonly outcome: Promise<T>;
  /**
   * Settles, without ever rejecting, when everything in the test has ended, also where the runner has long given up. Gives what
   * the runner does not show: suppressed errors, and what has failed after it gave up.
   */
  readonly unheard: Promise<readonly unknown[]>;
}

/** Runs `main` as the first task of its own tree. When `signal` aborts, that is cancelled; what is stuck then is given up. */
export function runTest<T>(main: () => T | PromiseLike<T>, options: TestRunOptions, signal: AbortSignal): TestRun<T> {
  const { virtual = false, leaks = true, ...rest } = options;
  const begin = (): T | PromiseLike<T> => {
    linkSignal(signal, here().root.node);
    return main();
  };
  const settings = { ...rest, onStuck: "abandon" } as const;
  const running = virtual ? runVirtual(begin, { ...settings, leaks }) : runChecked(begin, settings, leaks);
  return reported(running, signal);
}

/** As {@link runVirtual}, in real time. */
function runChecked<T>(main: () => T | PromiseLike<T>, options: RunVirtualOptions, leaks: boolean): Promise<T> {
  let watch: LeakWatch | undefined;
  const begin = (): T | PromiseLike<T> => {
    if (leaks) watch = new LeakWatch(here().root.node);
    return main();
  };
  return checked(
    () => run(begin, { ...options, host: false }),
    () => watch,
  );
}

/** Explores `program`. When `signal` aborts, no further schedule is tried. */
export function exploreTest(
  program: () => unknown,
  options: ExploreOptions,
  signal: AbortSignal,
): TestRun<Exploration> {
  const begin = (): unknown => {
    signal.throwIfAborted();
    return program();
  };
  return reported(explore(begin, options), signal);
}

/** One line about what was tried. */
export function summaryOf({ schedules, distinct, exhaustive }: Exploration): string {
  return `explored ${schedules} schedules, ${distinct} different${exhaustive ? ": all there are" : ""}`;
}

function reported<T>(running: Promise<T>, signal: AbortSignal): TestRun<T> {
  const isAbort = (error: unknown): boolean =>
    signal.aborted &&
    ((error instanceof WorkCancelledError && error.why === "signal") ||
      (error instanceof ScheduleError && error.cause === signal.reason));
  const outcome = running.catch((error: unknown) => {
    throw isAbort(error) ? signal.reason : error;
  });
  const unheard = running.then(
    () => [],
    (error: unknown) => (signal.aborted && !isAbort(error) ? [error] : suppressedErrors(error)),
  );
  return { outcome, unheard };
}
