/** What children of tests do when they are cancelled. */
import { sleep, sleepForever } from "../src/index.ts";

/** Waits until cancelled, then notes `what`, taking `ms` for it. */
export async function cleaningUp(seen: string[], what: string, ms = 0): Promise<void> {
  try {
    await sleepForever();
  } finally {
    if (ms > 0) await sleep(ms);
    seen.push(what);
  }
}

export async function failing(error: unknown, ms = 0): Promise<never> {
  if (ms > 0) await sleep(ms);
  throw error;
}

export async function failingInCleanup(error: unknown): Promise<never> {
  try {
    return await sleepForever();
  } finally {
    throw error; // oxlint-disable-line no-unsafe-finally
  }
}
