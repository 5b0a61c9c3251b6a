import assert from "node:assert/strict";
import { CancelledError, sleep } from "../src/index.ts";

/** What becomes of a handler. */
export class Fate {
  begun = false;
  cleaned = false;
  error: unknown;

  async watch<T>(work: () => Promise<T>): Promise<T> {
    this.begun = true;
    try {
      return await work();
    } catch (error) {
      this.error = error;
      throw error;
    } finally {
      await sleep(2); // cleanup may wait
      this.cleaned = true;
    }
  }

  get reason(): Error {
    assert.ok(this.error instanceof CancelledError, String(this.error));
    return this.error.reason as Error;
  }
}
