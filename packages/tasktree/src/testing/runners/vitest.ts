/** The door for tests under vitest, an optional peer. */
import type { TestContext, TestOptions } from "vitest";
import { brief } from "../../errors.ts";
import type { ExploreOptions } from "../explore/explore.ts";
import {
  checkTest,
  exploreSharesOf,
  exploreTest,
  runTest,
  sharesOf,
  summaryOf,
  type TestRun,
  type TestRunOptions,
} from "./test-run.ts";

export type { TestRunOptions } from "./test-run.ts";

// Imported at the top level, not required when a test is made: so it is the copy of vitest that runs this file.
const runner = await import("vitest").catch((cause: unknown) => {
  if ((cause as { code?: unknown }).code !== "ERR_MODULE_NOT_FOUND") throw cause;
  throw new Error("Cannot load tasktree/vitest: vitest is not installed (npm install --save-dev vitest)", { cause });
});

/** How a test runs, and vitest's own options: `timeout`, `retry`, `concurrent` … */
export interface VitestOptions extends TestOptions, TestRunOptions {}

/** What is explored, and vitest's own options. */
export interface VitestExploreOptions extends TestOptions, ExploreOptions {}

/** A test's name; of a function or class, its name. */
export type TestName = string | ((...args: never[]) => unknown) | (abstract new (...args: never[]) => unknown);

/** Registers a test for each of the cases; in the name, `%s`, `$field` and so on stand for it. */
export interface VitestEach<Args extends readonly unknown[]> {
  (name: TestName, fn: (...args: Args) => unknown, timeout?: number): void;
  (name: TestName, options: VitestOptions, fn: (...args: Args) => unknown): void;
}

/** Registers a test that explores a program. */
export interface VitestExplore {
  (name: TestName, program: () => unknown, timeout?: number): void;
  (name: TestName, options: VitestExploreOptions, program: () => unknown): void;
}

export interface VitestTest {
  (name: TestName, fn?: (t: TestContext) => unknown, timeout?: number): void;
  (name: TestName, options: VitestOptions, fn?: (t: TestContext) => unknown): void;
  readonly skip: VitestTest;
  readonly only: VitestTest;
  readonly todo: VitestTest;
  readonly fails: VitestTest;
  readonly concurrent: VitestTest;
  skipIf(condition: unknown): VitestTest;
  runIf(condition: unknown): VitestTest;
  /** A case that is an array is spread, if all are. */
  each<T extends readonly [unknown, ...unknown[]] | readonly unknown[]>(cases: readonly T[]): VitestEach<[...T]>;
  each<T>(cases: readonly T[]): VitestEach<[T]>;
  for<T>(cases: readonly T[]): VitestEach<[value: T, t: TestContext]>;
  /**
   * A test that is {@link explore} of `program`, by the test's full name: the failing schedule is the test's failure, and what
   * `TASKTREE_REPLAY` names is replayed in this test alone. After a time-out no further schedule is tried.
   *
   * One program is explored at a time, so concurrent tests that do wait for each other.
   */
  readonly explore: VitestExplore;
}

/**
 * Registers a test with vitest. `fn` runs as the first task of a `run` of its own: the test is over when everything in it has
 * ended, and fails if something fails, is left over, or is stuck. What it fails with comes as it is; errors that
 * are suppressed on it are errors of the test too.
 *
 * When vitest gives up on the test, at its `timeout`, say, the run is cancelled: `finally` blocks run, for as long as `grace`
 * allows, before the next test begins. What goes wrong then is told likewise.
 *
 * Hooks run outside of the test's run, those given to `t.onTestFinished` too: use `await using` or `finally` for what belongs to
 * the run. There is no `test.extend`: fixtures are functions that call the test's block. For time use `virtual` and `platform`:
 * vitest's fake timers call back without the `AsyncLocalStorage` context, so outside of every task.
 *
 * @throws {TypeError} If the arguments are not a name, options and a function.
 * @example
 * ```ts no-run
 * import { sleep, withTaskGroup } from "tasktree";
 * import { test } from "tasktree/vitest";
 * import { expect } from "vitest";
 *
 * test("an hour takes no time", { virtual: true, platform: true }, async () => {
 *   const begun = Date.now();
 *   await withTaskGroup((group) => void group.spawn(() => sleep(3_600_000)));
 *   expect(Date.now() - begun).toBe(3_600_000);
 * });
 * ```
 */
export const test: VitestTest = testWith({});

/** The same as {@link test}. */
export const it: VitestTest = test;

type Options = Readonly<Record<string, unknown>>;
type Fn = (...args: unknown[]) => unknown;

function testWith(preset: TestOptions): VitestTest {
  function test(name: TestName, ...rest: unknown[]): void {
    const { options, fn } = argumentsOf(name, rest);
    const { ours, theirs } = sharesOf(name, options);
    const body = (t: TestContext): Promise<unknown> =>
      outcomeOf(
        runTest(() => fn!(t), ours, t.signal),
        t,
      );
    runner.test(name, { ...theirs, ...preset }, fn && body);
  }

  function each(cases: readonly unknown[], fromCase: (fn: Fn, value: unknown, t: TestContext) => unknown) {
    return (name: TestName, ...rest: unknown[]): void => {
      const { options, fn } = argumentsOf(name, rest);
      checkTest(name, fn ?? null);
      const { ours, theirs } = sharesOf(name, options);
      runner.test.for(cases)(name, { ...theirs, ...preset }, (value, t) =>
        outcomeOf(
          runTest(() => fromCase(fn!, value, t), ours, t.signal),
          t,
        ),
      );
    };
  }

  function explore(name: TestName, ...rest: unknown[]): void {
    const { options, fn } = argumentsOf(name, rest);
    checkTest(name, fn ?? null);
    const { ours, theirs } = exploreSharesOf(name, options);
    runner.test(name, { ...theirs, ...preset }, async (t) => {
      const settings = { name: t.task.fullTestName, ...ours };
      await t.annotate(
        summaryOf(
          await outcomeOf(
            exploreTest(() => fn!(), settings, t.signal),
            t,
          ),
        ),
      );
    });
  }

  const variants = {
    skipIf: (condition: unknown) => testWith({ ...preset, skip: Boolean(condition) }),
    runIf: (condition: unknown) => testWith({ ...preset, skip: !condition }),
    each(cases: readonly unknown[]) {
      const spread = cases.every(Array.isArray);
      return each(cases, (fn, value) => (spread ? fn(...(value as unknown[])) : fn(value)));
    },
    for: (cases: readonly unknown[]) => each(cases, (fn, value, t) => fn(value, t)),
    explore,
  };
  const chain = ["skip", "only", "todo", "fails", "concurrent"] as const;
  for (const mode of chain) Object.defineProperty(test, mode, { get: () => testWith({ ...preset, [mode]: true }) });
  return Object.assign(test, variants) as never;
}

/** `(name, fn, timeout)` or `(name, options, fn)`. */
function argumentsOf(name: TestName, [first, second]: unknown[]): { options: Options | undefined; fn: Fn | undefined } {
  if (typeof name !== "string" && typeof name !== "function") {
    throw new TypeError(`Cannot test ${brief(name)}: wanted a name first`);
  }
  const fnFirst = typeof first === "function" || first === undefined;
  const [options, fn] = fnFirst ? [typeof second === "number" ? { timeout: second } : second, first] : [first, second];
  checkTest(name, fn);
  return { options: options as Options | undefined, fn: fn as Fn | undefined };
}

/** Has vitest wait for the test's end, whatever it has made of the test. */
function outcomeOf<T>({ outcome, unheard }: TestRun<T>, t: TestContext): Promise<T> {
  t.onTestFinished(async () => {
    const errors = await unheard;
    if (errors.length > 0) throw new AggregateError(errors, "Beside what failed");
  });
  return outcome;
}
