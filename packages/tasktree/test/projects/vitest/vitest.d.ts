/**
 * What `tasktree/vitest`, its tests and examples use of vitest's types, so that they compile where vitest is not installed
 * (`paths` in tsconfig.base.json names this file). The packed package is checked against vitest's own.
 */
export interface TestOptions {
  timeout?: number;
  retry?: number | object;
  repeats?: number;
  concurrent?: boolean;
  skip?: boolean;
  only?: boolean;
  todo?: boolean;
  fails?: boolean;
}

export interface TestContext {
  readonly task: { readonly name: string; readonly fullTestName: string };
  readonly signal: AbortSignal;
  readonly expect: typeof expect;
  skip(note?: string): never;
  annotate(message: string): Promise<unknown>;
  onTestFinished(fn: () => unknown, timeout?: number): void;
}

export type TestName = string | Function;

interface TestAPI {
  (name: TestName, options: TestOptions, fn?: (context: TestContext) => unknown): void;
  for<T>(
    cases: readonly T[],
  ): (name: TestName, options: TestOptions, fn: (value: T, context: TestContext) => unknown) => void;
}

export declare const test: TestAPI;

export declare function describe(name: TestName, fn: () => void): void;

export declare function expect(value: unknown): {
  toBe(wanted: unknown): void;
  toEqual(wanted: unknown): void;
};
