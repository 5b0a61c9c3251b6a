/** The door for tests under node:test, which Bun and Deno run too. */
import * as runner from "node:test";
import type { TestContext, TestOptions } from "node:test";
import { getCallSites, inspect } from "node:util";
import { compileFunction } from "node:vm";
import { brief } from "../../errors.ts";
import { isOwn } from "../../internal/own-folder.ts";
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
export { describe, suite, before, after, beforeEach, afterEach } from "node:test";

/** How a test runs, and node:test's own options: `timeout`, `skip`, `concurrency` … */
export interface NodeTestOptions extends TestOptions, TestRunOptions {}

/** What is explored, and node:test's own options. */
export interface NodeExploreOptions extends TestOptions, ExploreOptions {}

/** Registers a test. */
export interface NodeTestFunction {
  (name: string, fn?: (t: TestContext) => unknown): void;
  (name: string, options: NodeTestOptions, fn?: (t: TestContext) => unknown): void;
}

/** Registers a test that explores a program. */
export interface NodeExploreFunction {
  (name: string, program: () => unknown): void;
  (name: string, options: NodeExploreOptions, program: () => unknown): void;
}

export interface NodeTest extends NodeTestFunction {
  readonly skip: NodeTestFunction;
  readonly only: NodeTestFunction;
  readonly todo: NodeTestFunction;
  /**
   * A test that is {@link explore} of `program`, by the test's full name: the failing schedule is the test's failure, and what
   * `TASKTREE_REPLAY` names is replayed in this test alone. After a time-out no further schedule is tried.
   *
   * One program is explored at a time, so tests that do and run side by side wait for each other.
   */
  readonly explore: NodeExploreFunction;
}

type Body = (t: TestContext) => unknown;

/**
 * Registers a test with node:test. `fn` runs as the first task of a `run` of its own: the test is over when everything in it has
 * ended, and fails if something fails, is left over, or is stuck. What it fails with comes as it is; errors that
 * are suppressed on it are told as diagnostics.
 *
 * When the runner gives up on the test, at its `timeout`, say, the run is cancelled: `finally` blocks run, for as long as `grace`
 * allows, before the next test begins. What goes wrong then is told likewise.
 *
 * Subtests (`t.test`) run inside of the test's run, in its scope and its time. Hooks run outside of it, those given to
 * `t.after` too: use `await using` or `finally` for what belongs to the run.
 *
 * @throws {TypeError} If the arguments are not a name, options and a function.
 * @example
 * ```ts no-run
 * import { sleep, withTaskGroup } from "tasktree";
 * import { test } from "tasktree/node-test";
 * import assert from "node:assert";
 *
 * test("an hour takes no time", { virtual: true, platform: true }, async () => {
 *   const begun = Date.now();
 *   await withTaskGroup((group) => void group.spawn(() => sleep(3_600_000)));
 *   assert.equal(Date.now() - begun, 3_600_000);
 * });
 * ```
 */
export const test: NodeTest = Object.assign(testFunction({}), {
  skip: testFunction({ skip: true }),
  only: testFunction({ only: true }),
  todo: testFunction({ todo: true }),
  explore,
});

/** The same as {@link test}. */
export const it: NodeTest = test;

function testFunction(preset: TestOptions): NodeTestFunction {
  return function test(name: string, options?: NodeTestOptions | Body, fn?: Body): void {
    if (typeof options === "function") return test(name, {}, options);
    checkTest(name, fn);
    const { ours, theirs } = sharesOf(name, options);
    const body = (t: TestContext): Promise<unknown> =>
      outcomeOf(
        runTest(() => fn!(t), ours, signalOf(t, theirs)),
        t,
      );
    register(name, { ...theirs, ...preset }, fn && body);
  };
}

function explore(name: string, options: NodeExploreOptions | (() => unknown), program?: () => unknown): void {
  if (typeof options === "function") return explore(name, {}, options);
  checkTest(name, program ?? null);
  const { ours, theirs } = exploreSharesOf(name, options);
  register(name, theirs, async (t) => {
    const settings = { name: t.fullName, ...ours };
    t.diagnostic(summaryOf(await outcomeOf(exploreTest(program!, settings, signalOf(t, theirs)), t)));
  });
}

const { bun, deno } = process.versions as Record<string, string | undefined>;

/** Bun's runner does not abort the signal when the test times out. */
function signalOf(t: TestContext, { timeout }: TestOptions): AbortSignal {
  if (bun === undefined || timeout === undefined || timeout === Infinity) return t.signal;
  return AbortSignal.any([t.signal, AbortSignal.timeout(timeout)]);
}

/** Has the runner wait for the test's end, whatever it has made of the test. */
function outcomeOf<T>({ outcome, unheard }: TestRun<T>, t: TestContext): Promise<T> {
  t.after(async () => {
    for (const error of await unheard) t.diagnostic(`beside what failed: ${inspect(error)}`);
  });
  return outcome;
}

type Register = (test: typeof runner.test, name: string, options: TestOptions, body: Body | undefined) => void;

const plainly: Register = (test, name, options, body) => void test(name, options, body as never);

function register(name: string, options: TestOptions, body: Body | undefined): void {
  if (typeof name !== "string") throw new TypeError(`Cannot test ${brief(name)}: wanted a name first`);
  callersPlace()(runner.test, name, options, body);
}

/**
 * Node takes the place of a test, for its reports and to know it again in a rerun, from the frame that calls its `test`. So it is
 * called from code that is compiled as if it stood in the caller's place.
 */
function callersPlace(): Register {
  const site = (bun ?? deno) ? undefined : getCallSites(10).find(({ scriptName }) => !isOwn(scriptName));
  if (site === undefined) return plainly;
  const code = "test(name, options, body)";
  return compileFunction(code, ["test", "name", "options", "body"], {
    filename: site.scriptName,
    lineOffset: site.lineNumber - 1,
    columnOffset: site.columnNumber - 1,
  }) as Register;
}
