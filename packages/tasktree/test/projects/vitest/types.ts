/** What the compiler must see and refuse, with the types of vitest itself. */
import { test } from "tasktree/vitest";
import type { TestContext } from "vitest";

export function types(): void {
  test("a test", { virtual: true, start: 5, retry: 2, timeout: 100 }, (t) => {
    const context: TestContext = t;
    // @ts-expect-error: the context is not any
    void context.nothing;
    return context.task.name;
  });
  // @ts-expect-error: no such option
  test("a test", { virtul: true }, () => {});
  test.each([
    [1, "a"],
    [2, "b"],
  ] as const)("%i %s", (number: 1 | 2, letter: "a" | "b") => [number, letter]);
  // @ts-expect-error: the cases are numbers
  test.each([1, 2])("%i", (text: string) => text);
  test.skip.concurrent.for([1, 2])("%i", { leaks: false }, (number: number, t: TestContext) => [number, t.signal]);
  test.explore("a program", { cancellations: 1, timeout: 1000 }, () => {});
  // @ts-expect-error: for tests that do not explore
  test.explore("a program", { virtual: true }, () => {});
}
