import assert from "node:assert/strict";
import { isCancelled } from "../src/index.ts";

/** What `promise` rejects with; fails if it has a value, or rejects with an assertion that failed inside. */
export function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  return Promise.resolve(promise).then(
    (value) => assert.fail(`wanted a rejection, got ${String(value)}`),
    (error: unknown) => {
      if (error instanceof assert.AssertionError) throw error;
      return error;
    },
  );
}

/** What a cancellation was given as its reason. */
export function reasonOf(error: unknown): unknown {
  return isCancelled(error) ? error.reason : error;
}
