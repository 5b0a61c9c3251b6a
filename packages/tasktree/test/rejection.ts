import assert from "node:assert/strict";

/** What `promise` rejects with; an assertion fails if it has a value. */
export function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  return Promise.resolve(promise).then(
    (value) => assert.fail(`wanted a rejection, got ${String(value)}`),
    (error: unknown) => error,
  );
}
